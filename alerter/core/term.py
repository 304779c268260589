"""Say how far a day can still change, which window holds it and how much of a term is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from alerter.core.model import Contract, DayClass, Settling
from alerter.core.rules.base import Per


def day_of(key: str) -> date | None:
    """Read a window key that names a day; None for any other, such as the term's."""
    try:
        return date.fromisoformat(key)
    except ValueError:
        return None


def midnight(day: date) -> datetime:
    """Return the instant at which the UTC day begins."""
    return datetime.combine(day, time(), UTC)


def ended_at(day: date) -> datetime:
    """Return the first instant that the UTC day does not cover."""
    return midnight(day + timedelta(days=1))


def day_class(day: date, now: datetime, settling: Settling) -> DayClass:
    """Say how far the figures of `day` can still change, seen from `now`."""
    since = now - ended_at(day)
    if since < timedelta(0):
        return DayClass.OPEN
    if since < settling.settle:
        return DayClass.PROVISIONAL
    return DayClass.SETTLED if since <= settling.revise else DayClass.FINAL


def window_start(per: Per, day: date) -> date | None:
    """Return the day itself, its Monday or the first of its month: where its window begins; None for the term."""
    if per is Per.MONTH:
        return day.replace(day=1)
    if per is Per.WEEK:
        return day - timedelta(days=day.weekday())
    return day if per is Per.DAY else None


def next_window(per: Per, start: date) -> date:
    """Return the first day of the window after the one that begins on `start`; the term has none (ValueError)."""
    if per is Per.MONTH:
        return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    if per is Per.TERM:
        raise ValueError("a term has no next window")
    return start + timedelta(days=7 if per is Per.WEEK else 1)


def elapsed_share(contract: Contract, now: datetime) -> float | None:
    """Return the share of the term that is over at `now`, 0 to 1; None for a term without an end."""
    if contract.end_at is None or contract.end_at <= contract.start_at:
        return None
    share = (now - contract.start_at) / (contract.end_at - contract.start_at)
    return min(1.0, max(0.0, share))
