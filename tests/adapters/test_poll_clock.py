"""Clocks that jump, zones that skip hours, and the calendar's corners, through the real poll."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerter.errors import LeafMalformed
from tests.plain_leaf import PlainContract, PlainLeaf
from tests.poll_world import DAY, FIELDS, OPS, PASSWORD, QUARTER, SUMMARY, PollWorld, SandboxWorld, figures, same, story


def test_f18_a_clock_set_back_stops_no_poll_and_repeats_no_word(database_url: str, tmp_path: Path) -> None:
    start = datetime(2026, 3, 11, 0, 20, tzinfo=UTC)
    with SandboxWorld(database_url, tmp_path, story(), at=start) as world:
        world.good()
        told, firing = world.told(), {one.fingerprint for one in world.alerts()}
        world.clock.jump(-timedelta(hours=1))  # yesterday again
        assert world.runtime.poll("prod") is None, "it was polled a moment ago, by its own reckoning in the future"
        world.runtime.follow_clock(-timedelta(hours=1))
        for _ in range(6):  # until midnight has passed a second time
            outcome = world.runtime.poll("prod")
            assert outcome is not None
            assert outcome.poll.ok, outcome.poll.first_error
            world.clock.advance(QUARTER)
        world.good()
        assert world.told() == told
        assert {one.fingerprint for one in world.alerts()} == firing
        world.is_true()
        world.is_true(FIELDS)


def test_f18_ages_are_never_negative(database_url: str, tmp_path: Path) -> None:
    with SandboxWorld(database_url, tmp_path, story()) as world:
        world.good()
        world.server.stop()
        world.clock.jump(-timedelta(hours=5))
        for _ in range(3):
            world.poll(after=QUARTER)
        assert world.alerts("stale_data") == []
        with world.runtime.store.read() as tx:
            values = [one.value for one in tx.alerts.transitions() if one.value is not None]
        assert all(value >= 0 for value in values)


def test_f19_after_a_suspension_one_poll_catches_up_with_every_day(database_url: str, tmp_path: Path) -> None:
    with SandboxWorld(database_url, tmp_path, story()) as world:
        world.good()
        world.clock.jump(3 * DAY)  # the machine slept: no monotonic time went by
        outcome = world.runtime.poll("prod")
        assert outcome is not None
        assert outcome.poll.ok
        assert outcome.poll.filled_days == 2 * 2, "two contracts, two whole days missed; the day before was begun"
        assert world.runtime.poll("prod") is None, "one run, not one per poll missed"
        world.is_true()
        world.is_true(FIELDS)


@contextmanager
def zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


@pytest.mark.parametrize(
    ("name", "around"),
    [("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)), ("America/Santiago", datetime(2026, 9, 6, tzinfo=UTC))],
)
def test_f20_each_utc_day_is_read_once_whatever_the_local_clocks_do(
    database_url: str, tmp_path: Path, name: str, around: datetime
) -> None:
    def moved(document: dict[str, Any]) -> None:
        document["start"] = (around - 3 * DAY).date().isoformat()

    with zone(name), SandboxWorld(database_url, tmp_path, story(moved), at=around - DAY) as world:
        for _ in range(16):
            world.good(after=timedelta(hours=3))
        with world.runtime.store.read() as tx:
            snapshots = tx.usage.snapshots(world.key(), 0, complete_only=True)
            days = tx.usage.summary_days(world.key())
        assert {one.today for one in snapshots} == {(around + n * DAY).date() for n in range(-1, 2)}
        assert all(one.today == one.fetched_at.astimezone(UTC).date() for one in snapshots)
        assert sorted(days) == sorted(world.truth())
        windows = [path for path in world.calls(f"{OPS}/consumption") if path.endswith("consumption")]
        assert len(windows) <= 16 + 9 + 3 * 8, "today at every poll, and the window once a day"
        world.is_true()


@pytest.mark.parametrize(
    ("start", "end", "now"),
    [
        (date(2028, 2, 25), date(2029, 2, 25), datetime(2028, 3, 2, 12, tzinfo=UTC)),
        (date(2028, 2, 29), None, datetime(2028, 2, 29, 0, 5, tzinfo=UTC)),
        (date(2026, 12, 28), date(2027, 12, 28), datetime(2027, 1, 2, 0, 1, tzinfo=UTC)),
        (date(2026, 3, 1), date(2026, 3, 11), datetime(2026, 3, 10, 23, 59, tzinfo=UTC)),
        (date(2026, 3, 1), date(2026, 3, 11), datetime(2026, 3, 11, 0, 0, tzinfo=UTC)),
        (date(2026, 3, 1), date(2026, 3, 11), datetime(2026, 3, 14, 0, 1, tzinfo=UTC)),
    ],
)
def test_f21_the_calendars_corners(
    database_url: str, tmp_path: Path, start: date, end: date | None, now: datetime
) -> None:
    last = min(now.date(), end - DAY) if end else now.date()
    days = {start + n * DAY: 10.0 + n for n in range((last - start).days + 1)}
    with PlainLeaf([PlainContract("c", "P", start, end, {"u": days, "v": dict(days)})], now.date()) as leaf:
        leaf.password = PASSWORD
        with PollWorld(database_url, tmp_path, leaf.url, at=now) as world:
            world.good()
            history = world.history("c")
            for day, area in days.items():
                index = history.index_of(day)
                assert index is not None
                assert history.billed_daily[index] == pytest.approx(2 * area), day
            index = history.index_of(last)
            assert index is not None
            assert history.billed_total[index] == pytest.approx(2 * sum(days.values()))
            if end and now.date() >= end:
                assert len(history.billed_daily) == (now.date() - start).days + 1


def test_f21_a_summary_dated_in_the_future_is_refused_and_flagged(database_url: str, tmp_path: Path) -> None:
    with SandboxWorld(database_url, tmp_path, story()) as world:
        world.good()
        before = figures(world.history())
        body = '{"areaUnit":"Acre","date":"2036-01-01T00:00:00Z","totalUniqueArea":1,"leafUsersAreas":[]}'
        with world.faulty("body", body=body, path=SUMMARY, contract=OPS):
            outcome = world.poll(after=QUARTER)
            assert isinstance(outcome.poll.first_error, LeafMalformed)
            assert "2036-01-01" in str(outcome.poll.first_error)
            assert [(one.what, one.contract_id) for one in world.standing("refused")] == [("answer", OPS)]
        same(before, figures(world.history()))
        world.good(after=QUARTER)
        world.is_true()
