"""The usage of one term, day by day: a pure function of the plan and the instant it is asked at.

Amounts are int64 hundredths of an acre, so sums are exact and a day is always the difference of two totals.  Days
are ordinals (date.toordinal).  Days are generated once, in order, when first needed, and kept sparse: a term of
100,000 users with a tenth of them active takes about 120 kB a day.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Unit
from alerter.sandbox.scenario import Peak, Usage

Amounts = NDArray[np.int64]
CENTI = 100  # amounts per acre
_CHECKPOINT = 16  # days between two stored running totals
_DAY = 86_400


@dataclass(frozen=True)
class DayFigures:
    """One day's new area of the users who have any; `users` ascending positions, `areas` as long."""

    users: NDArray[np.int32]
    areas: Amounts
    overlap: float

    @cached_property
    def billed(self) -> int:
        """The sum over users."""
        return int(self.areas.sum())

    @cached_property
    def unique(self) -> int:
        """The land without what several users share; never below the largest user's."""
        top = int(self.areas.max()) if len(self.areas) else 0
        return top + math.floor((self.billed - top) * (1 - self.overlap))

    def of_user(self, user: int) -> int:
        """One user's area, 0 without any."""
        at = int(np.searchsorted(self.users, user))
        return int(self.areas[at]) if at < len(self.users) and self.users[at] == user else 0

    def scaled(self, share: float) -> DayFigures:
        """Return the part of it that is known while the day is still coming in."""
        return DayFigures(self.users, np.floor(self.areas * share).astype(np.int64), self.overlap)


@dataclass(frozen=True, kw_only=True)
class Extra:
    """An event in a plan: on `first` to `last` the users' areas are multiplied by `factor`, then get `plus`.

    `users` None means everybody; `plus_usual` adds that many usual active days; `plus` is an amount.
    """

    first: int
    last: int
    users: int | None = None
    factor: float = 1.0
    plus: int = 0
    plus_usual: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Late:
    """A revision in a plan: `day` is multiplied by `factor` from the start of the day `seen` on."""

    day: int
    seen: int
    user: int | None
    factor: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides a term's figures; `sizes` (U,) sums to 1."""

    seed: str
    first: int
    end: int  # exclusive
    sizes: NDArray[np.float64]
    usage: Usage
    refresh: int  # seconds between two movements of the open day
    extras: Sequence[Extra] = ()
    lates: Sequence[Late] = ()
    absences: Sequence[tuple[int, int, int]] = ()  # user position, first day, end day


def key_of(text: str) -> int:
    """Return a 64-bit key made of text: the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _season(peaks: Sequence[Peak], day: date) -> float:
    level = 1.0
    for peak in peaks:
        month, on = (int(part) for part in peak.day.split("-"))
        apart = abs(day.timetuple().tm_yday - date(2023, month, min(on, 28) if month == 2 else on).timetuple().tm_yday)
        level += peak.height * math.exp(-0.5 * (min(apart, 365 - apart) / peak.width) ** 2)
    return level


def _season_mean(peaks: Sequence[Peak]) -> float:
    return sum(_season(peaks, date.fromordinal(date(2023, 1, 1).toordinal() + day)) for day in range(365)) / 365


class TermFigures:
    """Answer what a term's figures are, at any instant; thread-safe."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._key = key_of(plan.seed)
        self._lock = threading.RLock()
        self._final: list[DayFigures] = []
        self._earlier: dict[int, list[tuple[int, DayFigures]]] = {}  # day -> (good before this day, figures)
        self._running = np.zeros(len(plan.sizes), np.int64)
        self._checkpoints: list[Amounts] = []
        self._billed = [0]  # totals before each day
        self._unique = [0]
        usage = plan.usage
        weekday_mean = sum(usage.weekdays) / 7 or 1.0
        per_day = usage.per_year.to(Unit.ACRE).value * CENTI / 365 / _season_mean(usage.peaks)
        self._usual = plan.sizes * per_day / (usage.activity * weekday_mean)
        self._estates = plan.sizes * usage.per_year.to(Unit.ACRE).value * CENTI if usage.area_once else None
        self._worked = np.zeros(len(plan.sizes))

    # -------------------------------------------------------------- questions
    def day(self, day: int, now: datetime) -> DayFigures:
        """Return a day's new area as known at `now`; nothing outside the term and after today."""
        today = now.date().toordinal()
        if not self._plan.first <= day < self._plan.end or day > today:
            return _NOTHING
        self._generate(day)
        figures = self._version(day, today)
        share = self._known_share(day, now)
        return figures if share >= 1 else figures.scaled(share)

    def user_totals(self, day: int, now: datetime) -> Amounts:
        """Return each user's total (U,) since the term's start, up to and including `day`, as known at `now`."""
        last = self._last(day, now)
        totals = self._final_totals(last)
        for seen, final in self._moving(last, now):
            totals[final.users] -= final.areas
            totals[seen.users] += seen.areas
        return totals

    def totals(self, day: int, now: datetime) -> tuple[int, int]:
        """Return the billed and the unique total since the term's start, up to and including `day`."""
        last = self._last(day, now)
        self._generate(last)
        at = last - self._plan.first + 1
        billed, unique = self._billed[at], self._unique[at]
        for seen, final in self._moving(last, now):
            billed += seen.billed - final.billed
            unique += seen.unique - final.unique
        return billed, unique

    def final_day(self, day: int) -> DayFigures:
        """Return a day's new area as it will be known in the end."""
        if not self._plan.first <= day < self._plan.end:
            return _NOTHING
        self._generate(day)
        return self._final[day - self._plan.first]

    # -------------------------------------------------------------- what is known when
    def _last(self, day: int, now: datetime) -> int:
        return max(min(day, now.date().toordinal(), self._plan.end - 1), self._plan.first - 1)

    def _version(self, day: int, today: int) -> DayFigures:
        for until, figures in self._earlier.get(day, ()):
            if today < until:
                return figures
        return self._final[day - self._plan.first]

    def _known_share(self, day: int, now: datetime) -> float:
        usage = self._plan.usage
        age = now.date().toordinal() - day
        late = usage.late_share * max(0.0, 1 - age / usage.late_days)
        if age > 0:
            return 1 - late
        seconds = now.hour * 3600 + now.minute * 60 + now.second
        return (seconds - seconds % self._plan.refresh) / _DAY * (1 - late)

    def _moving(self, last: int, now: datetime) -> Iterator[tuple[DayFigures, DayFigures]]:
        """Yield (seen, final) of the days up to `last` that are not final at `now`."""
        today = now.date().toordinal()
        settling = self._plan.usage.late_days if self._plan.usage.late_share else 1
        days = set(range(max(self._plan.first, today - settling + 1), last + 1))
        days.update(late.day for late in self._plan.lates if self._plan.first <= late.day <= last)
        for day in sorted(days):
            seen, final = self.day(day, now), self.final_day(day)
            if seen is not final:
                yield seen, final

    # -------------------------------------------------------------- generation
    def _final_totals(self, last: int) -> Amounts:
        if last < self._plan.first:
            return np.zeros(len(self._plan.sizes), np.int64)
        self._generate(last)
        at = last - self._plan.first
        totals = self._checkpoints[at // _CHECKPOINT].copy()
        for figures in self._final[at - at % _CHECKPOINT : at + 1]:
            totals[figures.users] += figures.areas
        return totals

    def _generate(self, day: int) -> None:
        with self._lock:
            for missing in range(self._plan.first + len(self._final), day + 1):
                if (missing - self._plan.first) % _CHECKPOINT == 0:
                    self._checkpoints.append(self._running.copy())
                figures = self._revised(missing, self._made(missing))
                self._running[figures.users] += figures.areas
                self._billed.append(self._billed[-1] + figures.billed)
                self._unique.append(self._unique[-1] + figures.unique)
                self._final.append(figures)

    def _made(self, day: int) -> DayFigures:
        usage = self._plan.usage
        on = date.fromordinal(day)
        random = np.random.Generator(np.random.Philox(key=np.array([self._key, day], np.uint64)))
        draws = random.random((3, len(self._usual)))
        usual = self._usual * _season(usage.peaks, on)
        areas = usual * (1 + usage.noise * (draws[1] + draws[2] - 1))
        areas[draws[0] >= usage.activity * usage.weekdays[on.weekday()]] = 0
        areas = self._with_events(day, areas, usual)
        found = np.rint(areas).astype(np.int64)
        users = np.flatnonzero(found)
        return DayFigures(users.astype(np.int32), found[users], usage.overlap * (0.7 + 0.6 * float(random.random())))

    def _with_events(self, day: int, areas: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
        extras = [extra for extra in self._plan.extras if extra.first <= day <= extra.last]
        absent = [user for user, first, end in self._plan.absences if first <= day < end]
        for extra in extras:
            areas[_picked(extra.users)] *= extra.factor
        areas[absent] = 0
        if self._estates is not None:
            areas = self._new_land(areas)
        for extra in extras:
            picked = _picked(extra.users)
            areas[picked] += extra.plus + extra.plus_usual * usual[picked]
        areas[absent] = 0
        return areas

    def _new_land(self, areas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what of the worked land counts for the first time: a user's estate fills up exponentially."""
        assert self._estates is not None  # noqa: S101 -- asked only in that mode
        estates = np.maximum(self._estates, 1e-9)
        before = np.exp(-self._worked / estates)
        self._worked += areas
        new: NDArray[np.float64] = estates * (before - np.exp(-self._worked / estates))
        return new

    def _revised(self, day: int, figures: DayFigures) -> DayFigures:
        for late in sorted((late for late in self._plan.lates if late.day == day), key=lambda late: late.seen):
            self._earlier.setdefault(day, []).append((late.seen, figures))
            picked = np.ones(len(figures.users), bool) if late.user is None else figures.users == late.user
            areas = np.where(picked, np.rint(figures.areas * late.factor).astype(np.int64), figures.areas)
            figures = DayFigures(figures.users, areas, figures.overlap)
        return figures


def _picked(user: int | None) -> slice:
    return slice(None) if user is None else slice(user, user + 1)


def heavy_tailed(count: int, *, tail: float, seed: str, fixed: Mapping[int, float]) -> NDArray[np.float64]:
    """Return `count` shares that sum to 1: `fixed` by position, the rest log-normal with sd `tail`."""
    random = np.random.Generator(np.random.Philox(key=np.array([key_of(seed), 0], np.uint64)))
    sizes = np.exp(tail * random.standard_normal(count))
    free = np.ones(count, bool)
    free[list(fixed)] = False
    if free.any():
        sizes[free] *= (1 - sum(fixed.values())) / sizes[free].sum()
    for position, share in fixed.items():
        sizes[position] = share
    return sizes


_NOTHING = DayFigures(np.zeros(0, np.int32), np.zeros(0, np.int64), 0.0)
