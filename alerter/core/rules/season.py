"""The season method: the same weeks of the year before, scaled by how much more is used since.

Same time last year is what keeps planting and harvest from alarming.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from alerter.core.rules.bars import Bar, LastYear, Series

YEAR = 365
AROUND = 28  # days on both sides of the same day a year before
LEAST_KNOWN = 0.8  # of those days
HEADROOM = 1.25  # times the largest of them
STEADY_SHARE = 0.15  # of last term's use, added to both sums so that a young term's growth is not all noise
MOST_GROWTH = 3.0


def season_bar(series: Series, day: int, usual: Bar) -> Bar:
    """Return the bar of one day from the same weeks a year before; without one the reason says what is missing.

    `usual` is the active bar, whose mean and spread are told beside it.
    """
    none = replace(usual, bar=None, method="season")
    last_year = series.last_year
    if last_year is None:
        return replace(none, reason="no previous term is stored")
    middle = last_year.offset + day - YEAR
    first = max(0, middle - AROUND)
    around = last_year.values[first : max(0, middle + AROUND + 1)]
    known = int(np.isfinite(around).sum())
    if len(around) <= AROUND or known < LEAST_KNOWN * len(around):
        said = f"{known} of {max(len(around), AROUND + 1)} days around the same day of the previous term are stored"
        return replace(none, reason=said)
    largest = float(np.nanmax(around))
    growth = growth_since(last_year, last_year.offset + min(day - 1, series.settled))
    if largest <= 0 or growth is None:
        return replace(none, reason="nothing was used around the same day of the previous term")
    at = first + int(np.nanargmax(around))
    return replace(
        none,
        bar=HEADROOM * growth * largest,
        reason=f"{HEADROOM:g} times the largest day within {AROUND} days of the same day of the previous term, "
        f"scaled by growth {growth:.2f}",
        season={"largest": largest, "largest_at": at - last_year.offset, "growth": growth, "days": known},
    )


def growth_since(last_year: LastYear, last: int) -> float | None:
    """Return this term's use up to index `last` against the same days a year before, clipped to 1/3 and 3."""
    term, values = last_year.term, last_year.values
    begin = term - YEAR
    before = values[max(0, begin) : term]
    steady = STEADY_SHARE * float(np.nansum(before))
    if not steady or not math.isfinite(steady):
        return None
    now = values[term + max(0, -begin) : last + 1]
    then = values[max(0, begin) : max(0, begin) + len(now)]
    both = np.isfinite(now) & np.isfinite(then)
    growth = (float(now[both].sum()) + steady) / (float(then[both].sum()) + steady)
    return min(MOST_GROWTH, max(1 / MOST_GROWTH, growth))
