"""What a summary means is settled by days on which the two meanings differ, and by nothing else."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerter.core.answers import RangeDay
from alerter.core.meaning import settle, votes
from alerter.core.model import SummaryMeaning

FIRST = date(2026, 4, 1)


def ranged(areas: list[float]) -> list[RangeDay]:
    total, days = 0.0, []
    for n, area in enumerate(areas):
        total += area
        days.append(RangeDay(day=FIRST + timedelta(days=n), total_area=total, daily_area=area))
    return days


@given(st.lists(st.floats(0, 1e6).map(lambda x: round(x, 3)), min_size=2, max_size=30))
def test_the_right_meaning_is_found_or_none(areas: list[float]) -> None:
    days = ranged(areas)
    cumulative = {entry.day: entry.total_area for entry in days}
    daily = {entry.day: entry.daily_area for entry in days}
    assert settle(votes(cumulative, days)) in (SummaryMeaning.CUMULATIVE, SummaryMeaning.UNPROVEN)
    assert settle(votes(daily, days)) in (SummaryMeaning.DAILY, SummaryMeaning.UNPROVEN)


def test_a_first_day_tells_nothing() -> None:
    days = ranged([7.0])
    assert settle(votes({FIRST: 7.0}, days)) is SummaryMeaning.UNPROVEN


def test_figures_that_fit_neither_are_a_contradiction() -> None:
    days = ranged([5.0, 5.0, 5.0])
    assert settle(votes({entry.day: 1.0 for entry in days}, days)) is SummaryMeaning.CONTRADICTED


def test_one_revised_day_in_twenty_does_not_block_the_rest() -> None:
    days = ranged([5.0] * 21)
    said = {entry.day: entry.total_area for entry in days}
    said[days[10].day] = 1.0
    assert settle(votes(said, days)) is SummaryMeaning.CUMULATIVE
