"""The windows of cap rules: which ones one snapshot can speak of, and which columns of the history they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from alerter.core.model import DayClass, History, Proof
from alerter.core.rules.base import EvalContext, Per
from alerter.core.term import day_class, day_of, ended_at, next_window, window_start

TERM_KEY = "-"


@dataclass(frozen=True, slots=True)
class Window:
    """One window within the term: days `first` to `last` as indexes of the axis, both included."""

    key: str
    first: int
    last: int
    final: bool  # it can change no more
    proof: Proof  # the best that a complete sum over it can prove


def term_proof(history: History, newest: int | None) -> Proof:
    """Say what a cumulative figure proves whose newest known day has index `newest`.

    Yesterday's is as good as today's, for the API's newest day may be that; anything older only says "at least".
    """
    recent = newest is not None and newest >= history.newest_index - 1
    whole = history.fresh and recent and not history.total_is_lower_bound
    return Proof.FRESH if whole else Proof.LOWER_BOUND


def windows(history: History, context: EvalContext, per: Per, *, rule: str, watched: set[str]) -> Iterator[Window]:
    """Yield the term's windows that can still change and ended no earlier than the rule began, and the watched ones."""
    active_on = context.activated_on.get(rule, history.today)
    found: dict[date, bool] = {}
    day = history.today - context.settling.revise - timedelta(days=1)
    while day <= history.today:
        start = window_start(per, day)
        if start is None:
            return
        day = next_window(per, start)
        last = min(day - timedelta(days=1), history.today)
        found[start] = day_class(last, history.fetched_at, context.settling) is DayClass.FINAL or last < active_on
    kept = {start for start, skip in found.items() if not skip}
    kept |= {start for key in watched if (start := _begins(key, per)) is not None}
    for start in sorted(kept):
        window = _window(history, context, per, start)
        if window is not None:
            yield window


def _begins(key: str, per: Per) -> date | None:
    """Read a watched window's key; None where the rule makes no such window any more, for its `per` was edited."""
    start = day_of(key)
    return start if start is not None and window_start(per, start) == start else None


def _window(history: History, context: EvalContext, per: Per, start: date) -> Window | None:
    last_on = next_window(per, start) - timedelta(days=1)
    first = max((start - history.first_on).days, history.term_index)
    last = min((last_on - history.first_on).days, history.newest_index)
    if last < first:
        return None
    over = history.fetched_at >= ended_at(last_on) and last_on < history.today
    # A day that is still open is never below its cap for good; longer windows move like the term itself.
    fresh = history.fresh and (over or per is not Per.DAY)
    return Window(
        key=start.isoformat(),
        first=first,
        last=last,
        final=day_class(last_on, history.fetched_at, context.settling) is DayClass.FINAL,
        proof=Proof.FRESH if fresh else Proof.LOWER_BOUND,
    )
