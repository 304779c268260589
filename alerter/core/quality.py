"""Find in what was said whatever does not fit together, and say so: nothing is repaired, nothing is left out.

Every check yields an Event for what it looked at, fitting or not, so that a contradiction that is over ends too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from alerter.core.answers import RangeAnswer, RangeDay, SummaryAnswer
from alerter.core.area import Unit, factor
from alerter.core.model import SummaryMeaning

ROUNDING = 0.02  # answers are rounded to hundredths: two figures that are the same may differ by this much
HALF_A_HUNDREDTH = 0.005  # what rounding may take from each figure of a sum
RELATIVE = 1e-6
SHRUNK = 0.05  # share of the users that is missing before it counts
SHOWN_DAYS = 10  # days of a revision listed in its event
ONE_DAY = timedelta(days=1)


class EventKind(StrEnum):
    """What sort of thing was noticed."""

    CONTRADICTION = "contradiction"  # two figures that cannot both be true
    UNIT_CHANGED = "unit_changed"
    REVISION = "revision"  # a past day says something else than before
    SHRUNK = "shrunk"  # users or contracts are missing that were there
    REFUSED = "refused"  # an answer, or a part of it, could not be used


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing noticed: `what` names the check, `standing` is None where it happened and cannot end.

    True: it is so.  False: it was looked at and is not so, which ends an earlier True.  `details` are plain data.
    """

    kind: EventKind
    what: str
    day: date | None = None
    standing: bool | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRange:
    """One day of the organisation's range as stored; `read_on` is the UTC day on which it was read."""

    total: float
    daily: float
    unit: Unit
    read_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSummary:
    """One day's newest summary as stored; areas in `unit`."""

    unit: Unit
    unique: float
    user_sum: float
    user_count: int
    read_on: date


def differ(a: float, b: float, rounding: float = ROUNDING) -> bool:
    """Say whether two areas of one unit differ by more than rounding explains."""
    return abs(a - b) > rounding + RELATIVE * max(abs(a), abs(b))


# ------------------------------------------------------------------ contradictions
def range_contradictions(days: Sequence[RangeDay], unit: Unit, *, may_fall: bool) -> Iterator[Event]:
    """Compare each day's own area with its total and the day before's; over a gap nothing can be said.

    `may_fall`: the product's total may go down, and then says nothing about the day.
    """
    before: RangeDay | None = None
    for entry in days:
        step = None if before is None or before.day + ONE_DAY != entry.day else entry.total_area - before.total_area
        above = differ(entry.daily_area, entry.total_area) and entry.daily_area > entry.total_area
        off = step is not None and differ(step, entry.daily_area) and not (may_fall and step < 0)
        yield Event(
            kind=EventKind.CONTRADICTION,
            what="daily_and_total",
            day=entry.day,
            standing=above or off,
            details={
                "daily": entry.daily_area,
                "total": entry.total_area,
                "total_before": before.total_area if before is not None and step is not None else None,
                "unit": unit.value,
            },
        )
        before = entry


def summary_contradiction(summary: SummaryAnswer) -> Event:
    """Compare the sum of the users with the area that is left after taking overlap away: it cannot be less."""
    rounding = ROUNDING + HALF_A_HUNDREDTH * len(summary.user_ids)
    short = summary.unique_area > summary.user_sum and differ(summary.unique_area, summary.user_sum, rounding)
    return Event(
        kind=EventKind.CONTRADICTION,
        what="users_below_unique",
        day=summary.day,
        standing=short,
        details={"users": summary.user_sum, "unique": summary.unique_area, "unit": summary.unit.value},
    )


def unique_contradictions(
    summaries: Iterable[SummaryAnswer], answer: RangeAnswer, meaning: SummaryMeaning, today: date
) -> Iterator[Event]:
    """Compare summaries' unique areas of past days with the range read in the same poll; the open day moves."""
    if not meaning.known:
        return
    listed = {entry.day: entry for entry in answer.days}
    for summary in summaries:
        entry = listed.get(summary.day)
        if entry is None or summary.day >= today:
            continue
        said = entry.total_area if meaning is SummaryMeaning.CUMULATIVE else entry.daily_area
        said *= factor(answer.unit, summary.unit)
        yield Event(
            kind=EventKind.CONTRADICTION,
            what="unique_and_range",
            day=summary.day,
            standing=differ(summary.unique_area, said),
            details={"summary": summary.unique_area, "range": said, "unit": summary.unit.value},
        )


# ------------------------------------------------------------------ changes
def unit_event(before: Unit | None, now: Unit, today: date) -> Iterator[Event]:
    """Say that figures come in another unit than before."""
    if before is not None and before is not now:
        details = {"from": before.value, "to": now.value}
        yield Event(kind=EventKind.UNIT_CHANGED, what="areaUnit", day=today, details=details)


def range_revision(answer: RangeAnswer, known: Mapping[date, KnownRange], today: date) -> Iterator[Event]:
    """Say which ended days of the range have other figures than when they were last read after their end."""
    found = []
    moved = []
    for entry in answer.days:
        old = known.get(entry.day)
        if old is None or entry.day >= today or old.read_on <= entry.day:
            continue
        scale = factor(old.unit, answer.unit)
        if differ(entry.daily_area, old.daily * scale):
            found.append((entry.day, old.daily * scale, entry.daily_area))
        elif differ(entry.total_area, old.total * scale):
            moved.append((entry.day, old.total * scale, entry.total_area))
    # Days after a revised one have another total too: that follows and is not said again.
    yield from _revision("range", found or moved[:1], answer.unit)


def summary_revision(
    summaries: Iterable[SummaryAnswer], known: Mapping[date, KnownSummary], today: date
) -> Iterator[Event]:
    """Say which ended days' summaries have another sum of users or unique area than when last read after their end."""
    found = []
    unit = Unit.ACRE
    for summary in sorted(summaries, key=lambda one: one.day):
        old = known.get(summary.day)
        if old is None or summary.day >= today or old.read_on <= summary.day:
            continue
        scale, unit = factor(old.unit, summary.unit), summary.unit
        rounding = ROUNDING + HALF_A_HUNDREDTH * len(summary.user_ids)
        if differ(summary.user_sum, old.user_sum * scale, rounding):
            found.append((summary.day, old.user_sum * scale, summary.user_sum))
        elif differ(summary.unique_area, old.unique * scale):
            found.append((summary.day, old.unique * scale, summary.unique_area))
    yield from _revision("summary", found, unit)


def _revision(what: str, found: Sequence[tuple[date, float, float]], unit: Unit) -> Iterator[Event]:
    if found:
        shown = [{"day": day.isoformat(), "before": old, "after": new} for day, old, new in found[:SHOWN_DAYS]]
        details = {"days": len(found), "unit": unit.value, "shown": shown}
        yield Event(kind=EventKind.REVISION, what=what, day=found[0][0], details=details)


def shrunk_users(
    summary: SummaryAnswer, known: Mapping[date, KnownSummary], meaning: SummaryMeaning, window: timedelta
) -> Iterator[Event]:
    """Say whether the newest summary names at least 5 % fewer users than the most of the days before it.

    Only where figures are cumulative: of a day's own figures idle users may be left out.
    """
    if meaning is not SummaryMeaning.CUMULATIVE:
        return
    recent = {day: one for day, one in known.items() if summary.day - window <= day <= summary.day}
    if not recent:
        return
    most_on = max(recent, key=lambda day: (recent[day].user_count, day))
    most, now = recent[most_on].user_count, len(summary.user_ids)
    details = {"users": now, "before": most, "before_on": most_on.isoformat()}
    is_less = now < most and now <= (1 - SHRUNK) * most
    yield Event(kind=EventKind.SHRUNK, what="users", standing=is_less, details=details)


# ------------------------------------------------------------------ what was not taken
def future_days(answer: RangeAnswer, today: date) -> Event:
    """Say whether a range has days that have not come; tomorrow's is no wonder about midnight."""
    ahead = [entry.day for entry in answer.days if entry.day > today + ONE_DAY]
    details = {"days": len(ahead), "first": ahead[0].isoformat()} if ahead else {}
    return Event(kind=EventKind.REFUSED, what="future_days", standing=bool(ahead), details=details)


def refused(what: str, reason: str, day: date | None = None) -> Event:
    """Say that an answer could not be used; `what` is answer, day or list."""
    return Event(kind=EventKind.REFUSED, what=what, day=day, standing=True, details={"reason": reason})


def accepted(what: str, day: date | None = None) -> Event:
    """Say that an answer was used, which ends an earlier refusal."""
    return Event(kind=EventKind.REFUSED, what=what, day=day, standing=False)


# ------------------------------------------------------------------ in words
_WORDS = {
    "daily_and_total": "the range's daily area{on} does not fit its totals ({daily} {unit})",
    "users_below_unique": "the users' sum{on} is below the area without overlap ({users} against {unique} {unit})",
    "unique_and_range": "summary and range{on} disagree on the area without overlap ({summary} against {range} {unit})",
    "areaUnit": "figures come in {to} instead of {from}; all are converted",
    "range": "{days} past day(s) revised in the range, the first {day}",
    "summary": "{days} past day(s) revised in the summaries, the first {day}",
    "users": "the summary names {users} users, {before} before",
    "contract_list": "the contract is missing from the list",
    "future_days": "the range has days that have not come, from {first}",
    "day": "the summary{on} could not be used",
    "list": "the contract list could not be used",
    "answer": "an answer could not be used",
}


def describe(what: str, day: date | None, details: Mapping[str, Any]) -> str:
    """Say in one line what an event is about; texts of others are in its details alone, and stay there."""
    shown = {name: _shown(value) for name, value in details.items()}
    on = f" on {day}" if day else ""
    return _WORDS.get(what, what).format_map(_Shown(shown, on=on, day=str(day)))


class _Shown(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def _shown(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
