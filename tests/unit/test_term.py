"""Days, windows and terms are told apart by UTC midnights."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from alerter.core.model import DayClass, Settling
from alerter.core.rules.base import Per
from alerter.core.term import day_class, day_of, elapsed_share, next_window, window_start
from tests.histories import at, contract

DAY = date(2026, 5, 14)


@pytest.mark.parametrize(
    ("later", "group"),
    [
        (timedelta(hours=23, minutes=59), DayClass.OPEN),
        (timedelta(days=1), DayClass.PROVISIONAL),
        (timedelta(days=3) - timedelta(seconds=1), DayClass.PROVISIONAL),
        (timedelta(days=3), DayClass.SETTLED),
        (timedelta(days=8), DayClass.SETTLED),
        (timedelta(days=8, seconds=1), DayClass.FINAL),
    ],
)
def test_a_day_settles_two_days_after_it_ended_and_is_final_after_seven(later, group):
    assert day_class(DAY, at(DAY, 0) + later, Settling()) is group


@pytest.mark.parametrize(
    ("per", "start", "following"),
    [
        (Per.DAY, date(2026, 5, 14), date(2026, 5, 15)),
        (Per.WEEK, date(2026, 5, 11), date(2026, 5, 18)),
        (Per.MONTH, date(2026, 5, 1), date(2026, 6, 1)),
    ],
)
def test_windows_begin_at_the_day_the_monday_the_first(per, start, following):
    assert window_start(per, DAY) == start
    assert next_window(per, start) == following


def test_a_term_has_no_windows_and_december_ends_in_january():
    assert window_start(Per.TERM, DAY) is None
    assert next_window(Per.MONTH, date(2026, 12, 1)) == date(2027, 1, 1)
    with pytest.raises(ValueError, match="term"):
        next_window(Per.TERM, DAY)


def test_a_key_that_is_no_day_is_none():
    assert day_of("2026-05-14") == DAY
    assert day_of("-") is None


def test_the_elapsed_share_stays_between_nothing_and_all():
    term = contract(start_on=date(2026, 1, 1), end_on=date(2026, 1, 11))
    shares = [elapsed_share(term, at(date(2026, 1, day), 0)) for day in (1, 6, 11, 20)]
    assert shares == [0, 0.5, 1, 1]
    assert elapsed_share(contract(end_on=None), at(DAY)) is None
