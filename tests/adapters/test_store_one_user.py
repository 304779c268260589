"""One user's areas of a whole term are those of everybody's, as known at any snapshot, on both databases."""

from __future__ import annotations

import random
from datetime import date, timedelta

import numpy as np
import pytest

from alerter.store import Store
from tests.store_samples import one_contract, stored, summary, usage_at

FIRST = date(2026, 3, 1)


@pytest.mark.parametrize("seed", range(3))
def test_one_users_areas_are_the_row_of_everybodys(store: Store, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  figures, not secrets
    key = one_contract(store)
    snapshots = []
    for day in range(20):
        again = FIRST + timedelta(days=chance.randrange(day + 1))
        for on in {FIRST + timedelta(days=day), again}:
            areas = {f"u{n}": chance.choice([0.0, 1.5, 2.25, float(day)]) for n in range(6) if chance.random() < 0.8}
            snapshots.append(stored(store, key, summary(on, areas)))
    for snapshot in (snapshots[0], snapshots[len(snapshots) // 2], snapshots[-1]):
        usage = usage_at(store, key, snapshot, FIRST)
        with store.read() as tx:
            for row, user in enumerate(usage.user_ids):
                days, areas_of_user = tx.usage.areas_of(key, snapshot, user)
                assert days.tolist() == usage.days.tolist()
                np.testing.assert_array_equal(areas_of_user, usage.user_areas[row])


def test_a_user_never_named_is_in_no_summary(store: Store) -> None:
    key = one_contract(store)
    snapshot = stored(store, key, summary(FIRST, {"u1": 1.0}))
    with store.read() as tx:
        days, areas = tx.usage.areas_of(key, snapshot, "nobody")
    assert days.tolist() == [FIRST.toordinal()]
    assert np.isnan(areas).all()


def test_the_newest_answer_up_to_an_instant_is_found(store: Store) -> None:
    key = one_contract(store)
    ids = [stored(store, key, summary(FIRST, {"u1": float(n)})) for n in range(3)]
    with store.read() as tx:
        rows = tx.usage.snapshots(key, 0)
        for row in rows:
            found = tx.usage.newest_snapshot(key, row.fetched_at)
            assert found is not None
            assert found.fetched_at == row.fetched_at
        assert tx.usage.newest_snapshot(key, rows[0].fetched_at - timedelta(seconds=1)) is None
        newest = tx.usage.newest_snapshot(key)
        assert newest is not None
        assert newest.id == ids[-1]
