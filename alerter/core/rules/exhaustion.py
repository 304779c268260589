"""`exhaustion`: the probability that a contract's cap is reached before its term ends; level = that in percent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Area, reaches
from alerter.core.forecast import Forecast, forecast
from alerter.core.model import Finding, History, Proof
from alerter.core.rules.base import EvalContext, Measure, Rule
from alerter.core.rules.figures import common, in_unit

Floats = NDArray[np.float64]

LEAST_DAYS = 28  # settled days of the term before the first verdict
LEAST_KNOWN = 0.8  # of the previous term's days, or it is left out
SOON, SOON_PERCENT = 30, 90.0  # a likely day this near counts as this much at least
EXHAUSTED = "exhausted"  # why a finding is muted: the cap rule speaks now


@dataclass(frozen=True, slots=True)
class _Settled:
    """The term's settled days without a gap (t,), and the days before the term."""

    daily: Floats
    before: Floats
    term_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustion(Rule):
    """A forecast from settled days alone; the least probability of the last `days` settled days counts."""

    kind: ClassVar[str] = "exhaustion"

    cap: Area | None = None
    days: int = 3
    gap: float = 10.0

    def findings(self, history: History, context: EvalContext) -> Iterator[Finding]:
        """Yield one finding; none without a cap, an end or enough settled days, unless an alert waits to hear of it."""
        cap = in_unit(self.cap or context.cap, history)
        known = settled_days(history, context)
        if cap is None or known is None or len(known.daily) < LEAST_DAYS + self.days - 1:
            if self.watched_windows(context, ""):
                figures = self._figures(history, context, cap)
                yield self.finding(history.contract, value=None, proof=Proof.UNKNOWN, figures=figures)
            return
        found = [
            forecast(known.daily[: len(known.daily) - back], known.before, term_days=known.term_days, cap=cap)
            for back in range(self.days)
        ]
        newest = found[0]
        value = min(self._level(one, len(known.daily) - back) for back, one in enumerate(found))
        yield self.finding(
            history.contract,
            value=value,
            proof=Proof.FRESH,
            figures=self._figures(history, context, cap) | _said(history, known, newest, cap),
            muted=EXHAUSTED if reaches(newest.used, cap) else "",
        )

    def _level(self, one: Forecast, elapsed: int) -> float:
        """Return the probability in percent; a day that is likely and near is as good as certain."""
        percent = 100 * (one.p_exhausted or 0.0)
        near = one.exhaust_day is not None and one.exhaust_day - elapsed < SOON
        return max(percent, SOON_PERCENT) if near and percent >= 50 else percent

    def _figures(self, history: History, context: EvalContext, cap: float | None) -> dict[str, Any]:
        source = f"{self.where}: cap" if self.cap is not None else context.cap_source
        return {
            **common(history, context, measure=Measure.BILLED.value, cap=cap, source=source),
            "probability_percent": None, "total": None, "p10": None, "p90": None, "overage": None,
            "exhaust_on": None, "is_date_certain": False, "settled_on": None, "with_last_term": False,
            "days": self.days,
        }  # fmt: skip


def _said(history: History, known: _Settled, found: Forecast, cap: float) -> dict[str, Any]:
    start_on = history.day_at(history.term_index)
    day = found.exhaust_day
    within = day is not None and day < known.term_days
    return {
        "probability_percent": 100 * (found.p_exhausted or 0.0),
        "total": found.total,
        "p10": found.p10,
        "p90": found.p90,
        "overage": found.total - cap,
        "exhaust_on": _after(start_on, day).isoformat() if day is not None and within else None,
        # A date from so wide an interval would be off by a month or more.
        "is_date_certain": found.p90 - found.p10 <= found.total / 2,
        "settled_on": _after(start_on, len(known.daily) - 1).isoformat(),
        "with_last_term": found.with_last_term,
    }


def _after(start_on: date, days: int) -> date:
    return start_on + timedelta(days=days)


def settled_days(history: History, context: EvalContext) -> _Settled | None:
    """Return the term up to its newest settled day; None where that day, the term's end or the meaning is unknown.

    The gain over a gap is spread evenly over its days.  Products whose area may fall have no forecast.
    """
    end_at, contract = history.contract.end_at, history.contract
    if end_at is None or not history.meaning.known or contract.product.startswith("AUDIT_"):
        return None
    newest = (history.fetched_at - context.settling.settle).date() - timedelta(days=1)
    last = min((newest - history.first_on).days, history.days - 1)
    totals = history.billed_total[history.term_index : last + 1]
    if last < history.term_index or not np.isfinite(totals[-1]):
        return None
    at = np.flatnonzero(np.isfinite(totals))
    whole = np.interp(np.arange(-1, len(totals)), np.concatenate(([-1], at)), np.concatenate(([0.0], totals[at])))
    term_days = (end_at.date() - history.day_at(history.term_index)).days
    if term_days < len(totals):
        return None
    return _Settled(np.maximum(np.diff(whole), 0.0), _before(history), term_days)


def _before(history: History) -> Floats:
    """Return the previous term's days, unknown ones as its mean day; nothing where too many are unknown."""
    if history.previous is None:
        return np.zeros(0)
    days = history.previous.billed_daily
    known = np.isfinite(days)
    if known.sum() < LEAST_KNOWN * len(days):
        return np.zeros(0)
    return np.maximum(np.where(known, days, days[known].mean()), 0.0)
