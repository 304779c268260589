from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerter.core.model import Severity, Tier
from alerter.core.routing import Matcher, Silence
from alerter.core.states import Alert, Entry, Status, Told, Transition
from alerter.errors import StoreError
from alerter.store import Store
from tests.store_samples import HOUR, NOW

text = st.text(st.characters(), max_size=8) | st.sampled_from(["\0", "\ud800x", "\u241b", '\u241b"a"', "<!channel>"])
number = st.floats(allow_nan=False)
count = st.integers(0, 2**31 - 1)
zones = st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone(timedelta(hours=14))])
instant = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001 - the strategy adds zones
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
severity = st.sampled_from(Severity)
span = st.none() | st.timedeltas(timedelta(0), timedelta(days=3650))
alerts = st.builds(
    Alert,
    fingerprint=st.text("0123456789abcdef", min_size=32, max_size=32),
    rule=text,
    kind=st.sampled_from(["contract_cap", "daily_spike"]),
    account=text,
    contract_id=text,
    user_id=text,
    period=text,
    window=st.sampled_from(["-", "2026-05-01"]),
    status=st.sampled_from(Status),
    level=number,
    episode=count,
    entries=st.lists(st.builds(Entry, snapshot_id=count, value=number, fresh=st.booleans()), max_size=3).map(tuple),
    held=st.booleans(),
    recovering=st.booleans(),
    told=st.dictionaries(text, st.builds(Told, level=number, at=instant, repeat=count), max_size=3),
    started_at=st.none() | instant,
    changed_at=instant,
    snapshot_id=count,
    revision=st.text("0123456789abcdef", max_size=16),
    acked_level=st.none() | number,
    close_reason=st.sampled_from(["", "rule_removed"]),
    severity=st.none() | severity,
    tiers=st.lists(st.builds(Tier, at=number, severity=severity, remind=span, label=text), max_size=3).map(tuple),
    labels=st.dictionaries(text, text, max_size=3),
    figures=st.dictionaries(text, plain, max_size=3),
)


def sample(fingerprint: str = "a" * 32, **changes: object) -> Alert:
    values: dict[str, object] = {
        "fingerprint": fingerprint,
        "rule": "cap",
        "kind": "contract_cap",
        "account": "main",
        "contract_id": "c-1",
        "user_id": "",
        "period": "c-1@2026-01-01",
        "window": "-",
        "status": Status.FIRING,
        "changed_at": NOW,
    }
    return Alert(**(values | changes))  # type: ignore[arg-type]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(given_alerts=st.lists(alerts, max_size=3, unique_by=lambda one: one.fingerprint))
def test_every_field_of_an_alert_comes_back_as_it_was(store: Store, given_alerts: list[Alert]) -> None:
    with store.write() as tx:
        tx.alerts.save(given_alerts)
    with store.read() as tx:
        found = tx.alerts.load(one.fingerprint for one in given_alerts)
    assert found == {one.fingerprint: one for one in given_alerts}
    for one in given_alerts:
        assert repr(sorted(found[one.fingerprint].figures.items())) == repr(sorted(one.figures.items()))


def test_saving_again_replaces_the_whole_alert(store: Store) -> None:
    first = sample(told={"ops": Told(level=80, at=NOW)}, entries=(Entry(snapshot_id=1, value=2.0, fresh=True),))
    second = replace(first, told={}, entries=(), status=Status.RESOLVED, level=0.0, acked_level=80.0)
    for one in (first, second):
        with store.write() as tx:
            tx.alerts.save([one])
    with store.read() as tx:
        assert tx.alerts.load([first.fingerprint, "missing"]) == {first.fingerprint: second}


def test_a_thousand_alerts_are_saved_and_loaded_at_once(store: Store) -> None:
    many = [sample(f"{n:032x}") for n in range(1200)]
    with store.write() as tx:
        tx.alerts.save(many)
    with store.read() as tx:
        assert list(tx.alerts.load(one.fingerprint for one in many).values()) == many
        assert tx.alerts.live() == many
        assert tx.alerts.find("0" * 30 + "0a") == [many[10]]
        assert len(tx.alerts.find("0" * 30)) == 256
        assert tx.alerts.find("%") == []


def test_live_alerts_are_those_that_can_still_move(store: Store) -> None:
    by_status = {status: sample(f"{n:032x}", status=status) for n, status in enumerate(Status)}
    elsewhere = sample("f" * 32, period="c-1@2027-01-01")
    live = [by_status[status] for status in (Status.PENDING, Status.FIRING, Status.RESOLVED)]
    with store.write() as tx:
        tx.alerts.save([*by_status.values(), elsewhere])
    with store.read() as tx:
        assert tx.alerts.live() == [*live, elsewhere]
        assert tx.alerts.of_contract("main", "c-1", "c-1@2026-01-01") == live
        assert tx.alerts.of_contract("main", "c-1", "c-1@2026-01-01", live_only=False) == list(by_status.values())
        assert tx.alerts.of_contract("other", "c-1", "c-1@2026-01-01") == []


def test_transitions_come_back_newest_first(store: Store) -> None:
    moves = [
        Transition(
            fingerprint=fingerprint * 32,
            episode=1,
            snapshot_id=n,
            at=NOW + n * HOUR,
            from_status=Status.PENDING,
            to_status=Status.FIRING,
            from_level=0.0,
            to_level=80.0,
            reason="reached",
            value=None if n else 81.5,
        )
        for n, fingerprint in enumerate("aabb")
    ]
    with store.write() as tx:
        tx.alerts.add_transitions(iter(moves))
        tx.alerts.add_transitions([])
    with store.read() as tx:
        assert tx.alerts.transitions() == moves[::-1]
        assert tx.alerts.transitions("a" * 32) == [moves[1], moves[0]]
        assert tx.alerts.transitions(limit=1) == [moves[3]]


def test_an_instant_without_a_zone_is_refused(store: Store) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(StoreError, match="zone"), store.write() as tx:
        tx.alerts.save([sample(changed_at=naive)])


def silence(**changes: object) -> Silence:
    values: dict[str, object] = {
        "id": 0,
        "matchers": (Matcher("user", "=~", "8f3c.*"), Matcher("severity", "!=", "critical\0")),
        "starts_at": NOW,
        "ends_at": NOW + 4 * HOUR,
        "author": "me",
        "comment": "maintenance \ud800",
        "up_to": 80.0,
    }
    return Silence(**(values | changes))  # type: ignore[arg-type]


def test_a_silence_comes_back_as_it_was_and_runs_from_start_to_end(store: Store) -> None:
    with store.write() as tx:
        now_id = tx.silences.add(silence())
        later_id = tx.silences.add(silence(starts_at=NOW + HOUR, up_to=None))
    now, later = silence(id=now_id), silence(id=later_id, starts_at=NOW + HOUR, up_to=None)
    with store.read() as tx:
        assert tx.silences.list(NOW) == [now, later]
        assert tx.silences.active(NOW) == [now]
        assert tx.silences.active(NOW + HOUR) == [now, later]
        assert tx.silences.active(NOW + 4 * HOUR) == []
        assert tx.silences.list(NOW + 4 * HOUR) == []
        assert tx.silences.list(NOW + 4 * HOUR, all=True) == [now, later]


def test_an_ended_silence_mutes_no_more_and_stays_visible(store: Store) -> None:
    with store.write() as tx:
        one = tx.silences.add(silence())
        assert tx.silences.end(one, NOW + HOUR)
        assert not tx.silences.end(one, NOW + 2 * HOUR)
        assert not tx.silences.end(one + 1, NOW)
        assert tx.silences.active(NOW + HOUR) == []
        assert tx.silences.list(NOW + HOUR, all=True) == [silence(id=one, ends_at=NOW + HOUR)]


def test_a_fact_is_replaced_by_the_next(store: Store) -> None:
    with store.write() as tx:
        assert tx.journal.get("x") is None
        for value in ({"a": 1}, {"b": [None, 1e-9, "\0"]}):
            tx.journal.put("x", value, NOW)
    with store.read() as tx:
        assert tx.journal.get("x") == {"b": [None, 1e-9, "\0"]}
