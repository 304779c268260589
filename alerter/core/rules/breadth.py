"""Who made a day large: the users with the most area above their own mean, and how many others were above theirs."""

from __future__ import annotations

from typing import Any

import numpy as np

from alerter.core.model import History
from alerter.core.rules.figures import largest, named

TOP = 5
NEWCOMER_DAYS = 14

NOBODY: dict[str, Any] = {
    "contributors": [],
    "others": {"count": 0, "value": None},
    "breadth": {"top1_share": None, "users_above_mean": None, "users": None},
}


def breadth(history: History, day: int, first: int, last: int) -> dict[str, Any]:
    """Return the contributors to axis day `day` against their mean day from `first` to `last`, idle days included.

    With idle days in them the users' means add up to the contract's mean day, so shares of the excess add up to one.
    """
    before = history.days - history.window
    if day < before or not len(history.users):
        return dict(NOBODY)
    on_day = np.nan_to_num(history.user_daily[:, day - before])
    rows = np.flatnonzero(on_day > 0)
    values = on_day[rows]
    part = history.user_daily[rows, max(0, first - before) : max(0, last + 1 - before)]
    finite = np.isfinite(part)
    means = np.nansum(part, axis=1) / np.maximum(finite.sum(axis=1), 1)
    excess = np.maximum(values - means, 0.0)
    whole = float(excess.sum())
    top = list(largest(excess, TOP))
    day_number = history.day_at(day).toordinal()
    seen = history.user_first_on[rows]
    shown = [
        {
            **named(history.users[int(rows[at])]),
            "value": float(values[at]),
            "own_mean": float(means[at]),
            "share_of_excess": float(excess[at]) / whole,
            "is_new": bool(seen[at] == 0 or day_number - int(seen[at]) < NEWCOMER_DAYS),
        }
        for at in top
    ]
    return {
        "contributors": shown,
        "others": {"count": len(rows) - len(top), "value": float(values.sum()) - sum(one["value"] for one in shown)},
        "breadth": {
            "top1_share": shown[0]["share_of_excess"] if shown else None,
            "users_above_mean": int((values > means).sum()),
            "users": len(rows),
        },
    }
