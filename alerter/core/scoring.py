"""Detection and forecasts on plain series of numbers: the code of the rules, for measuring how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alerter.core.area import reaches
from alerter.core.forecast import forecast
from alerter.core.rules.bars import WEEK, BarSettings, Series
from alerter.core.rules.methods import METHODS


def detect(values: Sequence[float], *, week: int = WEEK) -> list[int]:
    """Return the indexes of the values that `daily_spike` with its defaults alarms on, every value settled at once.

    There is no cap and no previous term here, so no minimum volume and no season; `week` is the steps in a week.
    """
    days = np.asarray(values, dtype=np.float64)
    series = Series(values=days, settled=len(days) - 1, floors=np.zeros(len(days)), week=week)
    used = np.flatnonzero(days > 0).tolist()
    bars = METHODS["auto"](series, used, BarSettings())
    return [day for day in used if (bar := bars[day].bar) is not None and reaches(values[day], bar)]


def forecast_term(history: Sequence[float], *, term_start: int, term_days: int, cap: float | None) -> dict[str, Any]:
    """Return the forecast of a term whose day 0 is `history[term_start]`; what lies before is the previous term."""
    days = np.asarray(history, dtype=np.float64)
    found = forecast(days[term_start:], days[:term_start], term_days=term_days, cap=cap)
    return {
        "total": found.total, "p10": found.p10, "p90": found.p90, "exhaust_day": found.exhaust_day,
        "p_exhaust": found.p_exhausted,
    }  # fmt: skip
