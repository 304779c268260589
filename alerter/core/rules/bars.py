"""Bars: what a series of days is to the methods that say how high a day may be, and what a method answers.

A bar never looks at the judged day or a later one: it is made of the days that were settled before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW = 56  # settled days that make the baseline
WARM_UP = 14  # known days before the first verdict
WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class LastYear:
    """One subject's days from the previous term's first on, without a break; index `offset` is the series' first day.

    NaN is unknown; `term` is the index of the present term's first day.
    """

    values: NDArray[np.float64]
    offset: int
    term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Daily areas of one subject (D,), NaN unknown; days up to index `settled` may make bars.

    `floors` (D,) is the least area that can be a spike on each day; before `ready` there is no verdict.  `week` is the
    number of steps that make a week: 7, unless somebody scores a series of other steps.
    """

    values: NDArray[np.float64]
    settled: int
    floors: NDArray[np.float64]
    ready: int = 0
    week: int = WEEK
    last_year: LastYear | None = None

    def steps(self, days: int) -> int:
        """Return how many steps of this series so many days are."""
        return days * self.week // WEEK


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSettings:
    """What the config says about bars; `at_least` in the series' unit."""

    sigma: float = 4.75
    ratio: float = 3.0
    at_least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The bar for one day, None for no verdict, and the baseline it came from (axis indexes `first` to `last`).

    `factor` is what the day's weekday is to the mean day, `lift` what the last two weeks added to the mean.
    """

    bar: float | None
    method: str
    reason: str
    days: int = 0
    active_days: int = 0
    mean: float | None = None
    sd: float | None = None
    left_out: int = 0
    first: int = 0
    last: int = -1
    factor: float = 1.0
    lift: float = 0.0
    season: Mapping[str, float] | None = None  # of method season: largest, its day's axis index, growth, days


BarMethod = Callable[[Series, Sequence[int], BarSettings], Mapping[int, Bar]]
