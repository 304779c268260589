"""The active method: a bar from the days with use before, for regular and for rare use.

It folds over the whole series, for days that alarmed count less in the baseline; that state is recomputed from the
figures every time, so live, replay and backtest agree.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from alerter.core.area import reaches
from alerter.core.rules.bars import WARM_UP, WINDOW, Bar, BarSettings, Series

REGULAR_SHARE = 0.65  # of the window's days: with less use than that it is rare
BUSIEST_SHARE = 0.05  # of the days with use, left out, at least one
LEAST_SPREAD = 0.15  # of the mean
LEAST_RATIO = 1.5
LEAST_KEPT = 7  # days with use; with fewer left the alarmed ones count too
NEW_LEVEL, NEW_LEVEL_DAYS = 3, 7  # so many alarms in so many days are the new level

WEEKDAY_DAYS = 14  # days with use before weekdays are told apart
WEEKDAY_SHRINK = 4  # mean days added to each weekday's own
WEEKDAY_EXPLAINS = 0.4  # of the variance, or weekdays do not matter

RECENT_DAYS, RECENT_LEAST = 14, 4
RECENT_PULL = 0.7  # how far a higher mean of the last two weeks pulls the mean up

LEAST_RARE = 3  # days with use that rare use needs; where there are fewer:
LAST_ACTIVE = 10  # look at the highest of these
LEAST_ACTIVE = 4  # days with use ever, for any verdict
RARE_PER_SIGMA = 0.79  # the rare bar in means, for each sigma: 3.75 means at 4.75 sigma
ALARMED_AT_MOST = 1.6  # bars: what a day that alarmed counts as, in rare use
BUSIEST_AT_MOST = 3.0  # times the second busiest: what the busiest day counts as, in rare use

REGULAR, RARE, FEW = "regular", "rare", "few"


@dataclass(slots=True)
class _Spread:
    """What regular use comes to: the mean day and its spread, weekdays evened out."""

    mean: float
    sd: float
    busiest: int
    lift: float
    factor: float

    def bar(self, sigma: float) -> float:
        mean = self.mean + self.lift
        return self.factor * max(mean + sigma * max(self.sd, LEAST_SPREAD * mean), LEAST_RATIO * mean)


@dataclass(slots=True)
class _Fold:
    """The state of the method after the days seen so far."""

    series: Series
    sigma: float
    values: list[float]
    known: list[int]  # how many days are known before each index
    active: list[int] = field(default_factory=list)
    counted: dict[int, float] = field(default_factory=dict)  # what each active day counts as in rare use
    out: set[int] = field(default_factory=set)  # alarmed, and not the new level yet
    alarms: list[int] = field(default_factory=list)

    def admit(self, day: int) -> None:
        """Take in one settled day with use."""
        value = self.values[day]
        self.counted[day] = value
        if day >= self.series.ready and reaches(value, self.series.floors[day]):
            bar = self.height(day, day - 1)
            if bar is not None and reaches(value, bar):
                self._alarm(day)
                self.counted[day] = min(value, ALARMED_AT_MOST * bar)
        self.active.append(day)

    def _alarm(self, day: int) -> None:
        self.alarms.append(day)
        self.out.add(day)
        recent = [alarm for alarm in self.alarms[-NEW_LEVEL_DAYS:] if alarm > day - NEW_LEVEL_DAYS]
        if len(recent) >= NEW_LEVEL:
            self.out.difference_update(recent)

    # -------------------------------------------------------------- the bar
    def height(self, day: int, last: int) -> float | None:
        """Return where the days up to `last` put the bar of `day`, None for no verdict."""
        if self._warming(last):
            return None
        window = self._window(last)
        shape = self._shape(window, last)
        if shape == REGULAR:
            return self._regular(self._kept(window), day, last).bar(self.sigma)
        return self._few() if shape == FEW else self._rare(window)

    def bar(self, day: int, last: int) -> Bar:
        """Return the bar that the days up to `last` make for `day`, with all that is to be said of it."""
        window, first, known = self._window(last), self._first(last), self.known[last + 1]
        whole = self._rare_mean(window) if window else None
        plain = Bar(
            bar=self.height(day, last), method="active", reason=self._warming(last), days=known - self.known[first],
            active_days=len(window), first=first, last=last, mean=whole,
        )  # fmt: skip
        if plain.reason:
            return plain
        shape = self._shape(window, last)
        if shape == FEW:
            reason = f"few days with use: {LEAST_RATIO:g} times the highest of the last {LAST_ACTIVE}"
            return replace(plain, reason=reason)
        if shape == RARE:
            capped = sum(one in self.out for one in window)
            reason = f"rare use: {self._means():.3g} times the mean day with use of the last {WINDOW} settled days"
            if capped:
                reason += f"; {capped} that alarmed count as at most {ALARMED_AT_MOST:g} times their bar"
            return replace(plain, reason=reason)
        kept = self._kept(window)
        spread = self._regular(kept, day, last)
        return replace(
            plain, reason=self._why_regular(spread, first), mean=spread.mean, sd=spread.sd,
            left_out=len(window) - len(kept) + spread.busiest, factor=spread.factor, lift=spread.lift,
        )  # fmt: skip

    def _warming(self, last: int) -> str:
        """Say why there is no verdict yet, or nothing."""
        known, needed = self.known[last + 1], self.series.steps(WARM_UP)
        if known < needed:
            return f"baseline {known}/{needed} days"
        return f"fewer than {LEAST_ACTIVE} days with use so far" if len(self.active) < LEAST_ACTIVE else ""

    def _why_regular(self, spread: _Spread, first: int) -> str:
        said = f"days with use among the last {WINDOW} settled days"
        if spread.factor != 1.0:
            said += f"; this weekday is {spread.factor:.2g} times the mean day"
        if spread.lift > 0:
            said += "; raised by the last two weeks"
        if any(alarm >= first and alarm not in self.out for alarm in self.alarms):
            said += f"; {NEW_LEVEL} alarms within {NEW_LEVEL_DAYS} days became the new level"
        return said

    # -------------------------------------------------------------- its parts
    def _first(self, last: int) -> int:
        return max(0, last - self.series.steps(WINDOW) + 1)

    def _window(self, last: int) -> list[int]:
        return self.active[bisect_left(self.active, self._first(last)) :]

    def _shape(self, window: list[int], last: int) -> str:
        if len(window) < LEAST_RARE:
            return FEW
        known = self.known[last + 1] - self.known[self._first(last)]
        return REGULAR if len(window) >= max(REGULAR_SHARE * known, LEAST_ACTIVE) else RARE

    def _kept(self, window: list[int]) -> list[int]:
        kept = [day for day in window if day not in self.out]
        return kept if len(kept) >= LEAST_KEPT else window

    def _few(self) -> float:
        return LEAST_RATIO * max(self.counted[day] for day in self.active[-LAST_ACTIVE:])

    def _means(self) -> float:
        return max(LEAST_RATIO, RARE_PER_SIGMA * self.sigma)

    def _rare(self, window: list[int]) -> float:
        return self._means() * self._rare_mean(window)

    def _rare_mean(self, window: list[int]) -> float:
        *usual, busiest = sorted(self.counted[day] for day in window)
        return (sum(usual) + (min(busiest, BUSIEST_AT_MOST * usual[-1]) if usual else busiest)) / len(window)

    def _regular(self, kept: list[int], day: int, last: int) -> _Spread:
        week = self.series.week
        raw = [self.values[one] for one in kept]
        factors = _weekdays(kept, raw, week)
        even = raw if factors is None else [value / factors[one % week] for one, value in zip(kept, raw, strict=True)]
        recent = even[bisect_left(kept, last + 1 - self.series.steps(RECENT_DAYS)) :]
        usual = sorted(even)
        busiest = max(1, int(BUSIEST_SHARE * len(usual)))
        usual = usual[:-busiest]
        mean = sum(usual) / len(usual)
        sd = math.sqrt(sum([(value - mean) ** 2 for value in usual]) / len(usual))
        lift = 0.0
        if len(recent) >= RECENT_LEAST:
            lift = max(0.0, RECENT_PULL * ((sum(recent) - max(recent)) / (len(recent) - 1) - mean))
        return _Spread(mean, sd, busiest, lift, 1.0 if factors is None else factors[day % week])


def _weekdays(kept: list[int], raw: list[float], week: int) -> list[float] | None:
    """Return what each weekday is to the mean day, None where weekdays explain too little to matter."""
    if len(kept) < WEEKDAY_DAYS:
        return None
    most = sorted(raw)[-max(1, int(BUSIEST_SHARE * len(raw))) - 1]
    clipped = [min(value, most) for value in raw]
    mean = sum(clipped) / len(clipped)
    sums, counts = [WEEKDAY_SHRINK * mean] * week, [WEEKDAY_SHRINK] * week
    for day, value in zip(kept, clipped, strict=True):
        sums[day % week] += value
        counts[day % week] += 1
    means = [whole / count for whole, count in zip(sums, counts, strict=True)]
    before = sum([(value - mean) ** 2 for value in clipped])
    after = sum([(value - means[day % week]) ** 2 for day, value in zip(kept, clipped, strict=True)])
    if after > (1 - WEEKDAY_EXPLAINS) * before or before <= 0:
        return None
    return [one / mean for one in means]


def active(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Return the bars of the judged days by the days with use before them (see docs/rules.md, the spike rule)."""
    known = np.concatenate(([0], np.cumsum(np.isfinite(series.values)))).tolist()
    fold = _Fold(series=series, sigma=settings.sigma, values=series.values.tolist(), known=known)
    waiting = sorted(((min(day - 1, series.settled), day) for day in judged), reverse=True)
    bars: dict[int, Bar] = {}
    for day in np.flatnonzero(series.values[: series.settled + 1] > 0).tolist():
        while waiting and waiting[-1][0] < day:
            last, wanted = waiting.pop()
            bars[wanted] = fold.bar(wanted, last)
        if not waiting:
            break
        fold.admit(day)
    bars.update((wanted, fold.bar(wanted, last)) for last, wanted in waiting)
    return bars
