"""The plain figures that every finding carries for messages, `status` and `explain`: None where unknown, never NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Area
from alerter.core.model import Contract, History, LeafUser
from alerter.core.rules.base import EvalContext, Measure
from alerter.core.term import elapsed_share

UNIQUE_BOUND = "unique (lower bound)"  # the measure's name where unique stands in for a billed figure nobody knows
TOP_USERS = 5
TOP_USERS_DAYS = 28


def known(value: float | np.floating[Any] | None) -> float | None:
    """Return a plain float, None for NaN and infinities."""
    return float(value) if value is not None and math.isfinite(value) else None


def percent_of(value: float | None, whole: float | None) -> float | None:
    """Return 100 * value / whole where both are known and the whole is not empty."""
    return 100 * value / whole if value is not None and whole else None


def last_known(series: NDArray[np.float64], first: int) -> tuple[float, int] | None:
    """Return the newest finite value at or after index `first`, with its index."""
    indexes = np.flatnonzero(np.isfinite(series[first:]))
    if not len(indexes):
        return None
    index = first + int(indexes[-1])
    return float(series[index]), index


def in_unit(area: Area | None, history: History) -> float | None:
    """Return a cap as an amount in the history's unit; an empty one is no cap."""
    return area.to(history.unit).value if area is not None and area.value > 0 else None


def common(history: History, context: EvalContext, *, measure: str, cap: float | None, source: str) -> dict[str, Any]:
    """Return the figures of the whole term, `cap` in the history's unit."""
    billed = last_known(history.billed_total, history.term_index)
    unique = last_known(history.unique_total, history.term_index)
    used = billed[0] if billed else None
    used_unique = unique[0] if unique else None
    overlap = used - used_unique if used is not None and used_unique is not None else None
    newest = max((found[1] for found in (billed, unique) if found), default=None)
    share = elapsed_share(history.contract, context.now)
    return {
        "unit": history.unit.symbol,
        "measure": measure,
        "used_billed": used,
        "used_unique": used_unique,
        "overlap": overlap,
        "overlap_share": overlap / used if overlap is not None and used else None,
        "cap": cap,
        "cap_source": source,
        "used_percent": percent_of(used if measure == Measure.BILLED.value else used_unique, cap),
        **term_days(history.contract),
        "term_elapsed_percent": None if share is None else 100 * share,
        "as_of": history.fetched_at.isoformat(),
        "newest_day": None if newest is None else history.day_at(newest).isoformat(),
    }


def term_days(contract: Contract) -> dict[str, str | None]:
    """Return the term's first day and the first day that it does not cover."""
    end = contract.end_at
    return {
        "term_start": contract.start_at.date().isoformat(),
        "term_end": None if end is None else end.date().isoformat(),
    }


def rate(series: NDArray[np.float64], history: History, days: int) -> float | None:
    """Return the mean area a day over the last `days` days of the term that are over, None without a known one."""
    part = series[max(history.term_index, history.days - 1 - days) : history.days - 1]
    part = part[np.isfinite(part)]
    return float(part.mean()) if len(part) else None


def top_users(history: History) -> list[dict[str, Any]]:
    """Return the users with the most new area in the last 28 days, with their share of all users' area."""
    in_term = history.days - history.term_index
    width = min(TOP_USERS_DAYS, in_term, history.window)
    if not len(history.users) or not width:
        return []
    areas = np.zeros(len(history.users))
    for column in history.user_daily[:, -width:].T:  # day by day: there may be many users
        areas += np.where(np.isnan(column), 0.0, column)
    whole = float(areas.sum())
    if whole <= 0:
        return []
    return [
        {**named(history.users[index]), "area": float(areas[index]), "share": float(areas[index]) / whole}
        for index in largest(areas, TOP_USERS)
    ]


def largest(values: NDArray[np.float64], count: int) -> Iterable[int]:
    """Return the indexes of the `count` largest positive values, largest first, equal ones in their order."""
    if len(values) > count:
        bar = np.partition(values, -count)[-count]
        chosen = np.flatnonzero(values >= bar)
    else:
        chosen = np.arange(len(values))
    ordered = sorted((int(index) for index in chosen if values[index] > 0), key=lambda index: -values[index])
    return ordered[:count]


def named(user: LeafUser) -> dict[str, Any]:
    """Return a user's id and name."""
    return {"id": user.id, "name": user.name}
