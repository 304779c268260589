"""Find out what a summary's figure means: cumulative since the term's start, or that day's alone.

The documentation leaves it open.  A range says both figures of a day apart, so wherever the two differ a summary of the
same day can match only one of them: each such day is one vote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from alerter.core.answers import RangeDay
from alerter.core.model import SummaryMeaning

USERS, UNIQUE = "summary_users", "summary_unique"  # the two questions
TOLERANCE = 1e-6  # relative: answers are rounded, sums are not
UNANIMOUS = 0.9  # share of the votes that settles it: a day revised between two calls must not block the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One day on which the two meanings differ: `said` is the summary's figure; all three in one unit."""

    day: date
    said: float
    total: float
    daily: float
    subject: str = ""  # the user's id; "" for the organisation

    @property
    def means(self) -> SummaryMeaning:
        """Which of the two the summary's figure equals."""
        if _close(self.said, self.total):
            return SummaryMeaning.CUMULATIVE
        return SummaryMeaning.DAILY if _close(self.said, self.daily) else SummaryMeaning.CONTRADICTED


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE * max(abs(a), abs(b), 1.0)


def votes(said: Mapping[date, float], days: Iterable[RangeDay], subject: str = "") -> list[Vote]:
    """Compare summaries' figures by day with a range's, both in one unit; days that cannot tell are left out."""
    return [
        Vote(day=entry.day, said=said[entry.day], total=entry.total_area, daily=entry.daily_area, subject=subject)
        for entry in days
        if entry.day in said and not _close(entry.total_area, entry.daily_area)
    ]


def without_moving(cast: Iterable[Vote], today: date) -> list[Vote]:
    """Leave out votes of the open day that fit neither meaning: its figures moved between the two calls."""
    return [vote for vote in cast if vote.day < today or vote.means is not SummaryMeaning.CONTRADICTED]


def judge(cast: Iterable[Vote], *, was: SummaryMeaning, contradicted: bool, recent_from: date) -> SummaryMeaning:
    """Weigh new votes against `was`, the meaning proved last: it stays until days read lately contradict it.

    A server that changed its mind is contradicted, not followed, for what is stored was said in the old meaning; it is
    believed again when the days from `recent_from` on fit the old one, or all days one meaning.
    """
    cast = list(cast)
    if not was.known:
        return settle(cast)
    recent = settle(vote for vote in cast if vote.day >= recent_from)
    if recent is was:
        return was
    if recent is SummaryMeaning.UNPROVEN:  # nothing new was learned
        return SummaryMeaning.CONTRADICTED if contradicted else was
    if contradicted and settle(cast).known and min(vote.day for vote in cast) < recent_from:
        return settle(cast)
    return SummaryMeaning.CONTRADICTED


def settle(cast: Iterable[Vote]) -> SummaryMeaning:
    """Count the votes: one meaning when nine in ten agree, CONTRADICTED when they do not, UNPROVEN without any."""
    means = [vote.means for vote in cast]
    if not means:
        return SummaryMeaning.UNPROVEN
    for answer in (SummaryMeaning.CUMULATIVE, SummaryMeaning.DAILY):
        if means.count(answer) >= UNANIMOUS * len(means):
            return answer
    return SummaryMeaning.CONTRADICTED
