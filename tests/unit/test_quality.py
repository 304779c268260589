from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from alerter.core.answers import RangeAnswer, RangeDay, SummaryAnswer
from alerter.core.area import Unit
from alerter.core.conventions import range_edge, today_in_range, zero_days
from alerter.core.meaning import Vote, judge
from alerter.core.model import SummaryMeaning
from alerter.core.quality import (
    Event,
    KnownRange,
    KnownSummary,
    describe,
    future_days,
    range_contradictions,
    range_revision,
    shrunk_users,
    summary_contradiction,
    summary_revision,
    unique_contradictions,
    unit_event,
)

DAY = timedelta(days=1)
TODAY = date(2026, 3, 10)
C, D, X, U = SummaryMeaning.CUMULATIVE, SummaryMeaning.DAILY, SummaryMeaning.CONTRADICTED, SummaryMeaning.UNPROVEN


def days(*said: tuple[int, float, float]) -> RangeAnswer:
    """Make a range of (days ago, total, daily)."""
    listed = tuple(RangeDay(day=TODAY - ago * DAY, total_area=total, daily_area=daily) for ago, total, daily in said)
    return RangeAnswer(unit=Unit.ACRE, days=listed, body_hash=b"")


def summary(*areas: float, unique: float | None = None, ago: int = 0, unit: Unit = Unit.ACRE) -> SummaryAnswer:
    return SummaryAnswer(
        day=TODAY - ago * DAY,
        unit=unit,
        unique_area=sum(areas) if unique is None else unique,
        user_ids=tuple(f"u-{n}" for n in range(len(areas))),
        user_areas=np.array(areas, dtype=np.float64),
        body_hash=b"",
    )


def known(total: float, daily: float, *, read: int, unit: Unit = Unit.ACRE) -> KnownRange:
    return KnownRange(total=total, daily=daily, unit=unit, read_on=TODAY - read * DAY)


def standing(events: list[Event]) -> list[int]:
    return [(TODAY - one.day).days for one in events if one.standing and one.day]


@pytest.mark.parametrize(
    ("answer", "may_fall", "wrong"),
    [
        (days((2, 10, 10), (1, 15, 5), (0, 15, 0)), False, []),
        (days((2, 10, 10), (1, 15, 6), (0, 15, 0)), False, [1]),
        (days((2, 10.004, 10), (1, 15.01, 5), (0, 15, 0)), False, []),  # rounded
        (days((3, 10, 10), (0, 40, 5)), False, []),  # a gap says nothing
        (days((3, 10, 11)), False, [3]),  # above its own total
        (days((1, 10, 10), (0, 8, 0)), False, [0]),
        (days((1, 10, 10), (0, 8, 0)), True, []),  # audited boundaries may shrink
    ],
)
def test_a_days_area_must_be_the_step_of_the_totals(answer: RangeAnswer, may_fall: bool, wrong: list[int]) -> None:
    found = list(range_contradictions(answer.days, answer.unit, may_fall=may_fall))
    assert standing(found) == wrong
    assert len(found) == len(answer.days), "fitting days too, so that a contradiction can end"


@pytest.mark.parametrize(
    ("areas", "unique", "wrong"), [((5, 5), 10, False), ((5, 5), 10.02, False), ((5, 5), 10.1, True), ((), 1, True)]
)
def test_users_cannot_sum_to_less_than_what_overlap_leaves(
    areas: tuple[float, ...], unique: float, wrong: bool
) -> None:
    assert summary_contradiction(summary(*areas, unique=unique)).standing is wrong


def test_rounding_of_many_users_is_no_contradiction() -> None:
    assert summary_contradiction(summary(*[1.0] * 1000, unique=1004)).standing is False
    assert summary_contradiction(summary(*[1.0] * 1000, unique=1006)).standing is True


@pytest.mark.parametrize(
    ("meaning", "unique", "wrong"), [(C, 15, []), (D, 5, []), (C, 5, [1]), (D, 15, [1]), (U, 1, [])]
)
def test_a_past_days_summary_and_range_must_agree(meaning: SummaryMeaning, unique: float, wrong: list[int]) -> None:
    said = [summary(20, unique=unique, ago=1), summary(20, unique=99, ago=0)]  # the open day may have moved
    found = list(unique_contradictions(said, days((1, 15, 5), (0, 20, 5)), meaning, TODAY))
    assert standing(found) == wrong


def test_only_a_day_read_after_its_end_can_be_revised() -> None:
    answer = days((3, 10, 10), (2, 30, 20), (1, 35, 5), (0, 36, 1))
    before = {
        TODAY - 3 * DAY: known(10, 10, read=1),
        TODAY - 2 * DAY: known(15, 5, read=1),
        TODAY - DAY: known(16, 1, read=1),  # read on the day itself: not whole yet
    }
    (event,) = range_revision(answer, before, TODAY)
    assert event.day == TODAY - 2 * DAY
    assert event.details["shown"] == [{"day": "2026-03-08", "before": 5.0, "after": 20.0}]
    assert "1 past day(s) revised" in describe(event.what, event.day, event.details)


def test_a_unit_is_no_revision() -> None:
    acres = {TODAY - DAY: known(10 / 0.40468564224, 10 / 0.40468564224, read=0)}
    answer = RangeAnswer(unit=Unit.HECTARE, days=days((1, 10, 10)).days, body_hash=b"")
    assert list(range_revision(answer, acres, TODAY)) == []
    assert [one.details["to"] for one in unit_event(Unit.ACRE, Unit.HECTARE, TODAY)] == ["Hectare"]
    assert list(unit_event(Unit.ACRE, Unit.ACRE, TODAY)) == list(unit_event(None, Unit.ACRE, TODAY)) == []


def test_a_summary_is_revised_by_its_sum_or_its_unique_area() -> None:
    before = {TODAY - DAY: KnownSummary(unit=Unit.ACRE, unique=9, user_sum=10, user_count=2, read_on=TODAY)}
    assert list(summary_revision([summary(5, 5, unique=9, ago=1)], before, TODAY)) == []
    assert len(list(summary_revision([summary(5, 6, unique=9, ago=1)], before, TODAY))) == 1
    assert len(list(summary_revision([summary(5, 5, unique=8, ago=1)], before, TODAY))) == 1


@pytest.mark.parametrize(("now", "less"), [(100, False), (96, False), (95, True), (0, True)])
def test_five_percent_of_the_users_are_missed(now: int, less: bool) -> None:
    before = {TODAY - DAY: KnownSummary(unit=Unit.ACRE, unique=1, user_sum=1, user_count=100, read_on=TODAY)}
    (event,) = shrunk_users(summary(*[1.0] * now), before, C, timedelta(days=7))
    assert event.standing is less
    assert list(shrunk_users(summary(), before, D, timedelta(days=7))) == [], "idle users may be left out of a day"
    assert list(shrunk_users(summary(), {TODAY - 9 * DAY: before[TODAY - DAY]}, C, timedelta(days=7))) == []


def test_tomorrow_is_no_wonder_about_midnight() -> None:
    assert future_days(days((-1, 1, 1)), TODAY).standing is False
    assert future_days(days((-2, 1, 1)), TODAY).standing is True


def test_zero_days_are_listed_omitted_or_an_open_question() -> None:
    assert zero_days(days((1, 5, 5), (0, 6, 1))) is None
    listed, omitted = zero_days(days((1, 5, 5), (0, 5, 0))), zero_days(days((3, 5, 5), (0, 6, 1)))
    assert listed is not None
    assert omitted is not None
    assert (listed.answer, omitted.answer) == ("listed", "omitted")
    assert zero_days(days((3, 5, 5), (0, 9, 1))) is None, "the total moved over the gap: those days are missing"


def test_an_idle_today_tells_nothing() -> None:
    assert today_in_range(days((1, 5, 5)), TODAY, 5.0) is None
    assert today_in_range(days((1, 5, 5)), TODAY, None) is None
    omitted, included = today_in_range(days((1, 5, 5)), TODAY, 7.0), today_in_range(days((0, 5, 5)), TODAY, None)
    assert omitted is not None
    assert included is not None
    assert (omitted.answer, included.answer) == ("omitted", "included")


def test_an_edge_is_told_by_the_day_asked_for() -> None:
    answer = days((2, 5, 5), (1, 6, 1))
    found = [range_edge("range_end", TODAY - ago * DAY, answer.days) for ago in (1, 0)]
    assert [one.answer for one in found if one] == ["inclusive", "exclusive"]
    assert range_edge("range_end", TODAY, ()) is None


def cast(means: SummaryMeaning, *ago: int) -> list[Vote]:
    said = {C: 10.0, D: 1.0, X: 5.0}[means]
    return [Vote(day=TODAY - one * DAY, said=said, total=10.0, daily=1.0) for one in ago]


@pytest.mark.parametrize(
    ("votes", "was", "contradicted", "answer"),
    [
        (cast(C, 1, 2), U, False, C),
        (cast(C, 1, 2), C, False, C),
        ([], C, False, C),
        ([], C, True, X),
        (cast(D, 1, 2), C, False, X),  # followed by nobody
        (cast(D, 1, 2), C, True, X),
        (cast(C, 1, 2), C, True, C),  # back again
        (cast(D, 1, 30), C, True, D),  # all that is stored says so
        (cast(D, 1) + cast(C, 30), C, True, X),
        (cast(C, 1) + cast(X, 30), C, False, C),  # an old reading may miss a late change
    ],
)
def test_a_proved_meaning_yields_to_no_change_of_mind(
    votes: list[Vote], was: SummaryMeaning, contradicted: bool, answer: SummaryMeaning
) -> None:
    assert judge(votes, was=was, contradicted=contradicted, recent_from=TODAY - 7 * DAY) is answer
