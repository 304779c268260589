"""Where the bar for one day lies: one small function per method, each from the days that were settled before that day.

A bar never looks at the judged day or a later one.  The active method folds over the whole series, for days that
alarmed stay out of the baseline; that state is recomputed from the figures every time, so live, replay and backtest
agree.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import reaches

WINDOW = 56  # settled days that make the baseline
RATIO_WINDOW = 28
WARM_UP = 14  # known days before the first verdict
LEAST_ACTIVE = 4  # days with use that a mean and a spread need
LAST_ACTIVE = 10  # where there are fewer: look at the highest of these
BUSIEST_SHARE = 0.05  # of the days with use, left out, at least one
LEAST_SPREAD = 0.15  # of the mean
LEAST_RATIO = 1.5
NEW_LEVEL, NEW_LEVEL_DAYS = 3, 7  # so many alarms in so many days are the new level


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Daily areas of one subject (D,), NaN unknown; days up to index `settled` may make bars.

    `floors` (D,) is the least area that can be a spike on each day; before `ready` there is no verdict.
    """

    values: NDArray[np.float64]
    settled: int
    floors: NDArray[np.float64]
    ready: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSettings:
    """What the config says about bars; `at_least` in the series' unit."""

    sigma: float = 5.0
    ratio: float = 3.0
    at_least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The bar for one day, None for no verdict, and the baseline it came from (axis indexes `first` to `last`)."""

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


BarMethod = Callable[[Series, Sequence[int], BarSettings], Mapping[int, Bar]]


# ------------------------------------------------------------------ active
@dataclass(slots=True)
class _Fold:
    """The state of the active method after the days seen so far."""

    series: Series
    sigma: float
    values: list[float]
    known: list[int]  # how many days are known before each index
    active: list[int] = field(default_factory=list)
    out: set[int] = field(default_factory=set)  # alarmed, and not the new level yet
    alarms: list[int] = field(default_factory=list)

    def admit(self, day: int) -> None:
        """Take in one settled day with use."""
        if day >= self.series.ready and reaches(self.values[day], self.series.floors[day]):
            bar = self.height(day - 1)
            if bar is not None and reaches(self.values[day], bar):
                self._alarm(day)
        self.active.append(day)

    def _alarm(self, day: int) -> None:
        self.alarms.append(day)
        self.out.add(day)
        recent = [alarm for alarm in self.alarms[-NEW_LEVEL_DAYS:] if alarm > day - NEW_LEVEL_DAYS]
        if len(recent) >= NEW_LEVEL:
            self.out.difference_update(recent)

    def height(self, last: int) -> float | None:
        """Return where the days up to `last` put the bar, None for no verdict."""
        if self.known[last + 1] < WARM_UP or len(self.active) < LEAST_ACTIVE:
            return None
        kept = self._kept(self._window(last))
        return self._highest() if len(kept) < LEAST_ACTIVE else _spread(kept, self.sigma)[0]

    def bar(self, last: int) -> Bar:
        """Return the bar that the days up to `last` make, with all that is to be said of it."""
        window = self._window(last)
        kept = self._kept(window)
        first, known = max(0, last - WINDOW + 1), self.known[last + 1]
        mean = sum(kept) / len(kept) if kept else None
        sd, busiest, reason = None, 0, ""
        if known < WARM_UP:
            reason = f"baseline {known}/{WARM_UP} days"
        elif len(self.active) < LEAST_ACTIVE:
            reason = f"fewer than {LEAST_ACTIVE} days with use so far"
        elif len(kept) < LEAST_ACTIVE:
            reason = f"few days with use: {LEAST_RATIO:g} times the highest of the last {LAST_ACTIVE}"
        else:
            _, mean, sd, busiest = _spread(kept, self.sigma)
            reason = f"days with use among the last {WINDOW} settled days{self._new_level(first)}"
        return Bar(
            bar=self.height(last), method="active", reason=reason, days=known - self.known[first],
            active_days=len(window), mean=mean, sd=sd, left_out=len(window) - len(kept) + busiest,
            first=first, last=last,
        )  # fmt: skip

    def _window(self, last: int) -> list[int]:
        return self.active[bisect_left(self.active, last - WINDOW + 1) :]

    def _kept(self, window: list[int]) -> list[float]:
        return sorted([self.values[day] for day in window if day not in self.out])

    def _highest(self) -> float:
        return LEAST_RATIO * max(self.values[day] for day in self.active[-LAST_ACTIVE:])

    def _new_level(self, first: int) -> str:
        """Say so where days that once alarmed are part of the window by now."""
        if any(alarm >= first and alarm not in self.out for alarm in self.alarms):
            return f"; {NEW_LEVEL} alarms within {NEW_LEVEL_DAYS} days became the new level"
        return ""


def _spread(kept: list[float], sigma: float) -> tuple[float, float, float, int]:
    """Return bar, mean and spread of the days with use, and how many of the busiest were left out; `kept` ascends."""
    busiest = max(1, int(BUSIEST_SHARE * len(kept)))
    usual = kept[:-busiest]
    mean = sum(usual) / len(usual)
    sd = math.sqrt(sum([(value - mean) ** 2 for value in usual]) / len(usual))
    return max(mean + sigma * max(sd, LEAST_SPREAD * mean), LEAST_RATIO * mean), mean, sd, busiest


def active(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Return the bars of the judged days by the days with use before them (see docs/design.md, the spike rule)."""
    known = np.concatenate(([0], np.cumsum(np.isfinite(series.values)))).tolist()
    fold = _Fold(series=series, sigma=settings.sigma, values=series.values.tolist(), known=known)
    waiting = sorted(((min(day - 1, series.settled), day) for day in judged), reverse=True)
    bars: dict[int, Bar] = {}
    for day in np.flatnonzero(series.values[: series.settled + 1] > 0).tolist():
        while waiting and waiting[-1][0] < day:
            last, wanted = waiting.pop()
            bars[wanted] = fold.bar(last)
        if not waiting:
            break
        fold.admit(day)
    bars.update((wanted, fold.bar(last)) for last, wanted in waiting)
    return bars


# ------------------------------------------------------------------ the others
def absolute(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Return the configured area as every day's bar; what is usual is told beside it."""
    reason = "the configured area" if settings.at_least is not None else "a share of the cap, and no cap is known"
    return {
        day: replace(bar, bar=settings.at_least, method="absolute", reason=reason)
        for day, bar in active(series, judged, settings).items()
    }


def ratio(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Return `ratio` times the median of the last 28 settled days, idle ones included, and a minimum excess."""
    bars = {}
    for day, usual in active(series, judged, settings).items():
        first = max(0, usual.last - RATIO_WINDOW + 1)
        window = series.values[first : usual.last + 1]
        window = window[np.isfinite(window)]
        bar = replace(usual, method="ratio", first=first, days=len(window), left_out=0)
        if len(window) < WARM_UP:
            bars[day] = replace(bar, bar=None, reason=f"baseline {len(window)}/{WARM_UP} days")
            continue
        median = statistics.median(window.tolist())
        # The minimum volume is here the least excess over the median.
        at = max(settings.ratio * median, median + float(series.floors[day]))
        reason = f"{settings.ratio:g} times the median of {RATIO_WINDOW} settled days"
        bars[day] = replace(bar, bar=at if 0 < at < math.inf else None, reason=reason)
    return bars


def auto(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Pick the method for each day and say why; for now that is always `active`."""
    return {day: replace(bar, reason=f"auto: {bar.reason}") for day, bar in active(series, judged, settings).items()}


METHODS: Mapping[str, BarMethod] = MappingProxyType(
    {"auto": auto, "active": active, "absolute": absolute, "ratio": ratio}
)
