from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from alerter.core.area import Unit
from alerter.errors import StoreError
from alerter.store import Store, tables
from alerter.store.packing import pack, unpack
from tests.store_samples import (
    HOUR,
    NOW,
    TODAY,
    Known,
    one_contract,
    owner_range,
    stored,
    summary,
    usage_at,
)

AWKWARD = (0.0, 0.01, 5e-324, 1e15, 12345678.9, 0.1 + 0.2, 1 / 3, 4.35, 8.41, 1e300, 90071992547409.93)


class Rolled(Exception):
    pass


def areas_near(chance: random.Random, before: dict[str, float]) -> dict[str, float]:
    areas = dict(before)
    for user in list(areas):
        if chance.random() < 0.1:
            del areas[user]
    for _ in range(chance.randrange(4)):
        user = f"user-{chance.randrange(14)}"
        areas[user] = chance.choice(AWKWARD) if chance.random() < 0.3 else round(chance.uniform(0, 900), 2)
    order = list(areas.items())
    chance.shuffle(order)
    return dict(order)


@pytest.mark.parametrize("seed", range(6))
def test_usage_is_exactly_what_was_known_at_every_snapshot(database_url: str, store: Store, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seeded choice
    other = Store(database_url)  # a second daemon: its writes must be seen, its cache is its own
    key = one_contract(store)
    known, snapshots = Known(), []
    for _ in range(25):
        writer = chance.choice([store, other])
        draft = Known(list(known.said), list(known.ranged))
        doomed = chance.random() < 0.25
        try:
            with writer.write() as tx:
                snapshot_id = tx.usage.add_snapshot(key, NOW, TODAY)
                for _ in range(chance.randrange(4)):
                    newest = draft.newest(snapshot_id)
                    day = TODAY - timedelta(days=chance.randrange(25))
                    near = chance.choice([*newest.values(), None]) if newest else None
                    before = dict(zip(near.user_ids, near.user_areas.tolist(), strict=True)) if near else {}
                    said = summary(day, areas_near(chance, before), chance.choice(list(Unit)), chance.uniform(0, 9))
                    if day in newest and chance.random() < 0.3:
                        said = newest[day]
                    is_new = day not in newest or newest[day].body_hash != said.body_hash
                    assert tx.usage.add_summary(snapshot_id, key, said) is is_new
                    if is_new:
                        draft.said.append((snapshot_id, said))
                days = {TODAY - timedelta(days=n): (chance.randrange(3) / 7, 1.0) for n in range(chance.randrange(5))}
                ranged = owner_range(days, chance.choice(list(Unit)))
                tx.usage.add_owner_range(snapshot_id, key, ranged)
                draft.ranged.append((snapshot_id, ranged))
                if doomed:
                    tx.usage.usage(key, snapshot_id, date.min)  # what is seen here must not be remembered
                    raise Rolled  # noqa: TRY301 - what is rolled back is the point
        except Rolled:
            continue
        known = draft
        snapshots.append(snapshot_id)
        since = TODAY - timedelta(days=chance.randrange(30))
        known.expect(usage_at(chance.choice([store, other]), key, snapshot_id, since), snapshot_id, since)
    cold = Store(database_url)
    for reader in (store, other, cold):
        for snapshot_id in chance.sample(snapshots, len(snapshots)):
            since = TODAY - timedelta(days=chance.randrange(30))
            known.expect(usage_at(reader, key, snapshot_id, since), snapshot_id, since)
    other.close()
    cold.close()


def counts(store: Store) -> dict[str, int]:
    with store.engine.connect() as connection:
        return {
            table.name: int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
            for table in tables.metadata.sorted_tables
        }


def test_a_quiet_poll_adds_one_snapshot_row_and_nothing_else(store: Store) -> None:
    key = one_contract(store)
    said = summary(TODAY, {"a": 1.0, "b": 2.0})
    ranged = owner_range({TODAY: (3.0, 1.0), TODAY - timedelta(days=1): (2.0, 0.5)})
    stored(store, key, said)
    with store.write() as tx:
        tx.usage.add_owner_range(tx.usage.add_snapshot(key, NOW, TODAY), key, ranged)
    before = counts(store)
    with store.write() as tx:
        snapshot_id = tx.usage.add_snapshot(key, NOW + HOUR, TODAY)
        assert tx.usage.known_hash(key, TODAY) == said.body_hash
        assert not tx.usage.add_summary(snapshot_id, key, said)
        assert tx.usage.add_owner_range(snapshot_id, key, ranged) == ()
    after = counts(store)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {"snapshot": 1}


def differences(store: Store) -> int:
    """Return in how many users all readings together differ from their bases."""
    with store.engine.connect() as connection:
        packed = list(connection.scalars(sa.select(tables.user_area.c.packed)))
        said = connection.scalar(sa.select(sa.func.sum(tables.reading.c.difference)))
    assert sum(len(unpack(one)[0]) for one in packed) == said
    return int(said or 0)


def test_only_differences_are_stored(store: Store) -> None:
    key = one_contract(store)
    users = {f"u{n}": float(n) for n in range(100)}
    yesterday = TODAY - timedelta(days=1)
    stored(store, key, summary(yesterday, users))
    assert differences(store) == 100
    stored(store, key, summary(TODAY, users | {"u5": 6.0, "new": 1.0}))
    assert differences(store) == 102
    stored(store, key, summary(TODAY, {user: area for user, area in users.items() if user != "u7"} | {"u5": 6.0}))
    assert differences(store) == 104  # u7 and `new` are gone
    stored(store, key, summary(yesterday - timedelta(days=1), users))
    assert differences(store) == 104  # a day filled in later rests on its neighbour
    stored(store, key, summary(TODAY + timedelta(days=1), {"u1": 1.0}))
    assert differences(store) == 105  # a small day rests on nothing


def test_readings_and_their_rows_are_never_updated_or_deleted(store: Store) -> None:
    said: list[str] = []
    listen = sa.event.listens_for(store.engine, "before_cursor_execute")
    listen(lambda _connection, _cursor, statement, *_: said.append(statement))
    key = one_contract(store)
    for area in (1.0, 2.0, 1.0):
        stored(store, key, summary(TODAY, {"a": area}))
    touched = [one for one in said if one.split()[0] in ("UPDATE", "DELETE")]
    assert any("INSERT INTO user_area" in one for one in said)
    assert not [one for one in touched if "reading" in one or "user_area" in one or "snapshot" in one]


def test_a_summary_older_than_what_is_stored_is_refused(store: Store) -> None:
    key = one_contract(store)
    first = stored(store, key)
    stored(store, key, summary(TODAY, {"a": 1.0}))
    with pytest.raises(StoreError, match="already read"), store.write() as tx:
        tx.usage.add_summary(first, key, summary(TODAY, {"a": 2.0}))


def test_a_summary_that_names_a_user_twice_is_refused(store: Store) -> None:
    key = one_contract(store)
    twice = summary(TODAY, {"a": 1.0, "b": 2.0})
    object.__setattr__(twice, "user_ids", ("a", "a"))
    with pytest.raises(StoreError, match="twice"):
        stored(store, key, twice)
    assert usage_at(store, key, 10**6).user_ids == ()


@pytest.mark.parametrize("damage", ["gone", "cut", "other", "no packing", "fewer"])
def test_missing_figures_are_noticed_not_guessed(database_url: str, store: Store, damage: str) -> None:
    key = one_contract(store)
    snapshot_id = stored(store, key, summary(TODAY, {"a": 1.0, "b": 2.0}))
    packed = tables.user_area
    with store.engine.begin() as connection:
        was = connection.scalar(sa.select(packed.c.packed))
        harm = {
            "cut": was[:-1],
            "other": b"\x07" + was[1:],
            "no packing": b"",
            "fewer": pack(np.array([1]), np.array([1.0])),
        }
        broken = sa.delete(packed) if damage == "gone" else sa.update(packed).values(packed=harm[damage])
        connection.execute(broken)
    reader = Store(database_url)
    with pytest.raises(StoreError, match="restore a backup"):
        usage_at(reader, key, snapshot_id)
    reader.close()


def test_contracts_do_not_share_figures(store: Store) -> None:
    first, second = one_contract(store, "c-1"), one_contract(store, "c-2")
    stored(store, first, summary(TODAY, {"a": 1.0}))
    newest = stored(store, second, summary(TODAY, {"b": 2.0}))
    assert usage_at(store, first, newest).user_ids == ("a",)
    assert usage_at(store, second, newest).user_ids == ("b",)


def test_summary_days_tell_hash_time_and_whether_the_day_can_still_change(store: Store) -> None:
    key = one_contract(store)
    old, new = summary(TODAY - timedelta(days=9), {"a": 1.0}), summary(TODAY - timedelta(days=6), {"a": 2.0})
    stored(store, key, old, new)
    with store.read() as tx:
        days = tx.usage.summary_days(key)
    assert {day: (one.hash, one.read_at, one.final_read) for day, one in days.items()} == {
        old.day: (old.body_hash, NOW, True),
        new.day: (new.body_hash, NOW, False),
    }


def test_snapshots_grow_and_incomplete_ones_are_left_out(store: Store) -> None:
    key = one_contract(store)
    with store.write() as tx:
        ids = [tx.usage.add_snapshot(key, NOW, TODAY, complete=complete) for complete in (True, False, True, False)]
    assert ids == sorted(set(ids))
    with store.read() as tx:
        assert [one.id for one in tx.usage.snapshots(key, ids[0])] == [ids[2]]
        assert [one.id for one in tx.usage.snapshots(key, 0, complete_only=False)] == ids
        newest = tx.usage.newest_snapshot(key)
    assert newest is not None
    assert (newest.id, newest.fetched_at, newest.today, newest.contract_key) == (ids[2], NOW, TODAY, key)


def test_unknown_fields_are_kept_when_they_change(store: Store) -> None:
    key = one_contract(store)
    for extra in ({}, {"note": "a"}, {"note": "a"}, {"note": None}, {}):
        answer = replace(owner_range({TODAY: (1.0, 1.0)}), extra=extra)
        with store.write() as tx:
            tx.usage.add_owner_range(tx.usage.add_snapshot(key, NOW, TODAY), key, answer)
    stored(store, key, replace(summary(TODAY, {"a": 1.0}), extra={"more": [1]}))
    with store.engine.connect() as connection:
        assert list(connection.scalars(sa.select(tables.owner_extra.c.extra))) == [{"note": "a"}, {"note": None}, {}]
        assert connection.scalar(sa.select(tables.reading.c.extra)) == {"more": [1]}


def test_what_usage_gives_cannot_be_changed(store: Store) -> None:
    key = one_contract(store)
    usage = usage_at(store, key, stored(store, key, summary(TODAY, {"a": 1.0})))
    with pytest.raises(ValueError, match="read-only"):
        usage.user_areas[0, 0] = np.inf
