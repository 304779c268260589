"""Find out how the API writes ranges, from answers that are there anyway: the documentation leaves it open.

Nothing depends on the findings, for questions are asked so that every convention gives the same figures; they are kept
with their evidence for whoever has to explain an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from alerter.core.answers import RangeAnswer, RangeDay
from alerter.core.quality import differ

ZERO_DAYS, TODAY, RANGE_START, RANGE_END = "zero_days", "today_in_range", "range_start", "range_end"
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """An answer to one of the questions, with the days that show it (plain data)."""

    question: str
    answer: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def zero_days(answer: RangeAnswer) -> Convention | None:
    """Say whether a range lists days without new area; None while there was none, or gaps that may be something else.

    A gap is made of zero days where the total did not move over it.
    """
    listed = next((entry.day for entry in answer.days if entry.daily_area == 0), None)
    if listed is not None:
        return Convention(question=ZERO_DAYS, answer="listed", evidence={"day": listed.isoformat()})
    for before, after in pairwise(answer.days):
        idle = not differ(after.total_area - after.daily_area, before.total_area)
        if before.day + ONE_DAY < after.day and idle:
            evidence = {"after": before.day.isoformat(), "before": after.day.isoformat(), "total": before.total_area}
            return Convention(question=ZERO_DAYS, answer="omitted", evidence=evidence)
    return None


def today_in_range(answer: RangeAnswer, today: date, total: float | None) -> Convention | None:
    """Say whether a range has the open day; `total` is today's cumulative unique area in the range's unit, if known."""
    if any(entry.day == today for entry in answer.days):
        return Convention(question=TODAY, answer="included", evidence={"day": today.isoformat()})
    if total is None or not answer.days:
        return None
    last = answer.days[-1]
    if total <= last.total_area or not differ(total, last.total_area):
        return None  # nothing new today: it may be left out as an idle day
    evidence = {"day": today.isoformat(), "summary": total, "last_day": last.day.isoformat(), "last": last.total_area}
    return Convention(question=TODAY, answer="omitted", evidence=evidence)


def range_edge(question: str, asked: date, days: tuple[RangeDay, ...]) -> Convention | None:
    """Say whether a range has the very day it was asked from or to, on which there was use; None if it is empty."""
    if not days:
        return None
    answer = "inclusive" if any(entry.day == asked for entry in days) else "exclusive"
    evidence = {"asked": asked.isoformat(), "first": days[0].day.isoformat(), "last": days[-1].day.isoformat()}
    return Convention(question=question, answer=answer, evidence=evidence)
