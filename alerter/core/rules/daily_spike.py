"""`daily_spike`: a day far above what is usual for a contract, or for one of its users; level = percent of the bar."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from alerter.core.area import Area, reaches
from alerter.core.model import DayClass, Finding, History, LeafUser, Proof
from alerter.core.rules.bars import WINDOW, Bar, BarSettings, LastYear, Series
from alerter.core.rules.base import EvalContext, Measure, Rule
from alerter.core.rules.breadth import NEWCOMER_DAYS, NOBODY, breadth
from alerter.core.rules.figures import common, in_unit, known, last_known, named, percent_of
from alerter.core.rules.methods import METHODS
from alerter.core.rules.planned import PLANNED, plan_for
from alerter.core.term import day_class, day_of, ended_at

Floats = NDArray[np.float64]

LEAST_SHARE_OF_CAP = 0.02  # of the contract's cap, or of last term's total
LEAST_SHARE_OF_MEAN_DAY = 0.25  # of the account's mean active day, for one user


@dataclass(frozen=True, slots=True)
class _Days:
    """What one evaluation looks at: axis indexes to judge, and the last index that bars may be made of."""

    judged: tuple[int, ...]
    settled: int


@dataclass(frozen=True, slots=True)
class _Case:
    """One subject's series from axis index `offset` on, and why it may have no verdict of its own yet."""

    series: Series
    offset: int = 0
    user: LeafUser | None = None
    first_use: int = 0  # index within the series
    least_alone: float | None = None  # what makes a newcomer's day large by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class DailySpike(Rule):
    """A bar for every day: `at_least` and its share belong to `absolute`, `ratio` to itself, `sigma` to `active`.

    Of two absolute bars the higher one counts.
    """

    kind: ClassVar[str] = "daily_spike"

    scope: str = "contract"
    method: str = "auto"
    sigma: float = 4.75
    at_least: Area | None = None
    at_least_share: float | None = None
    ratio: float = 3.0
    minimum: Area | None = None
    measure: Measure = Measure.BILLED
    gap: float = 10.0

    def findings(self, history: History, context: EvalContext) -> Iterator[Finding]:
        """Yield a finding for each day that can still change and comes near its bar, and for each watched one."""
        days = self._days(history, context)
        watched = self.watched_windows(context)
        cases = (
            self._users(history, context, days, watched)
            if self.scope == "user"
            else [self._whole(history, context, days)]
        )
        seen: set[tuple[str, str]] = set()
        for case in cases:
            for finding in self._of_case(history, context, days, case, watched):
                seen.add((finding.labels["user"], finding.window))
                yield finding
        for who, window in sorted(watched - seen):
            day = day_of(window)
            if day is not None and self._still_meant(history, who):
                yield self._silent(history, context, who, day)

    # -------------------------------------------------------------- which days
    def _days(self, history: History, context: EvalContext) -> _Days:
        """Days before the rule first saw the contract are never judged, nor are those that can change no more."""
        settling, as_of = context.settling, history.fetched_at
        newest_settled = (as_of - settling.settle).date() - timedelta(days=1)
        settled = min((newest_settled - history.first_on).days, history.days - 2)
        start = max(
            context.activated_on.get(self.id, history.today), history.today - settling.revise - timedelta(days=1)
        )
        first = max((start - history.first_on).days, history.term_index)
        judged = tuple(
            index
            for index in range(first, history.days)
            if day_class(history.day_at(index), as_of, settling) is not DayClass.FINAL
        )
        return _Days(judged, max(settled, -1))

    def _watched_days(self, history: History, watched: set[tuple[str, str]], who: str) -> set[int]:
        """Return the axis indexes of one subject's watched days, this term's only."""
        days = (day_of(window) for user, window in watched if user == who)
        indexes = (history.index_of(day) for day in days if day is not None)
        return {index for index in indexes if index is not None and index >= history.term_index}

    # -------------------------------------------------------------- whose days
    def _whole(self, history: History, context: EvalContext, days: _Days) -> _Case:
        floor = self._least(history, context)
        floors = np.full(history.days, floor or 0.0)
        last_year = self._last_year(history) if self.method in ("auto", "season") else None
        return _Case(Series(values=self._daily(history), settled=days.settled, floors=floors, last_year=last_year))

    def _last_year(self, history: History) -> LastYear | None:
        """Return the previous term's days and this term's after them, None without a previous term."""
        before = history.previous
        if before is None:
            return None
        offset = (history.first_on - before.first_on).days
        term = offset + history.term_index
        values = np.full(offset + history.days, np.nan)
        older = before.unique_daily if self.measure is Measure.UNIQUE else before.billed_daily
        count = min(term, len(older))
        values[:count] = older[:count]
        values[term:] = self._daily(history)[history.term_index :]
        return LastYear(values=values, offset=offset, term=term)

    def _daily(self, history: History) -> Floats:
        if self.measure is Measure.UNIQUE:
            return history.unique_daily
        return history.billed_daily if history.meaning.known else np.full(history.days, np.nan)

    def _users(
        self, history: History, context: EvalContext, days: _Days, watched: set[tuple[str, str]]
    ) -> Iterator[_Case]:
        """Yield the users whose days are large enough to look at, and the watched ones, by id."""
        if not history.meaning.known or not history.window:
            return
        offset = history.days - history.window
        floors = self._user_floors(history, days)[offset:]
        alone = None if self.method == "absolute" else least_of_contract(history, context)
        columns = [index - offset for index in days.judged if index >= offset]
        bar = self._settings(history, context).at_least if self.method == "absolute" else 0.0
        least = np.maximum(floors[columns], math.inf if bar is None else bar)
        rows = self._candidates(history.user_daily[:, columns], least, alone)
        named_rows = {who for who, _ in watched}
        if named_rows:
            rows = sorted({*rows, *(row for row, user in enumerate(history.users) if user.id in named_rows)})
        for row in rows:
            user = history.users[row]
            if self.match.covers_user(user):
                first_use = _first_use(history, row, offset)
                ready = first_use + NEWCOMER_DAYS
                series = Series(
                    values=history.user_daily[row], settled=days.settled - offset, floors=floors, ready=ready
                )
                yield _Case(series, offset, user, first_use, alone)

    def _candidates(self, values: Floats, floors: Floats, alone: float | None) -> list[int]:
        """Return the rows with a day that may come near a bar: no bar is below its floor."""
        least = (
            np.minimum(floors, math.inf if alone is None else alone) * max(0.0, self.clear_below() / 100) * (1 - 1e-9)
        )
        with np.errstate(invalid="ignore"):
            large = (values >= least) & (values > 0)
        return np.flatnonzero(large.any(axis=1)).tolist()

    def _still_meant(self, history: History, who: str) -> bool:
        """Say whether an alert of this subject is still the rule's business: scope and match may have been edited."""
        if bool(who) is not (self.scope == "user"):
            return False
        known_as = {user.id: user for user in history.users}.get(who, LeafUser(id=who)) if who else None
        return known_as is None or self.match.covers_user(known_as)

    # -------------------------------------------------------------- least volumes
    def _least(self, history: History, context: EvalContext) -> float | None:
        """Return the configured least area of a spike, else the contract's own; an absolute bar needs no other."""
        if self.minimum is not None:
            return self.minimum.to(history.unit).value
        return None if self.method == "absolute" else least_of_contract(history, context)

    def _user_floors(self, history: History, days: _Days) -> Floats:
        """Return the least area of a user's spike for each axis day: a quarter of the contract's mean active day."""
        if self.minimum is not None:
            return np.full(history.days, self.minimum.to(history.unit).value)
        if self.method == "absolute":
            return np.zeros(history.days)
        last = np.minimum(np.arange(history.days) - 1, days.settled)
        means = mean_active_days(history.billed_daily)
        # Without a single active day before there is nothing to compare with, and so no spike.
        return np.where(last >= 0, LEAST_SHARE_OF_MEAN_DAY * means[np.maximum(last, 0)], math.inf)

    def _settings(self, history: History, context: EvalContext) -> BarSettings:
        shares = [] if self.at_least is None else [self.at_least.to(history.unit).value]
        cap = in_unit(context.cap, history)
        if self.at_least_share is not None and cap is not None:
            shares.append(self.at_least_share * cap)
        at_least = max(shares, default=None)
        return BarSettings(sigma=self.sigma, ratio=self.ratio, at_least=at_least)

    # -------------------------------------------------------------- verdicts
    def _of_case(
        self, history: History, context: EvalContext, days: _Days, case: _Case, watched: set[tuple[str, str]]
    ) -> Iterator[Finding]:
        who = case.user.id if case.user else ""
        kept = self._watched_days(history, watched, who)
        indexes = [index for index in sorted({*days.judged, *kept}) if index >= case.offset]
        wanted = [index for index in indexes if index in kept or case.series.values[index - case.offset] > 0]
        if not wanted:
            return
        columns = [index - case.offset for index in wanted]
        bars = METHODS[self.method](case.series, columns, self._settings(history, context))
        for index, column in zip(wanted, columns, strict=True):
            bar = _floored(self._judged_by_size(bars[column], case, column), float(case.series.floors[column]))
            value = float(case.series.values[column])
            level = percent_of(known(value), bar.bar)
            near = level is not None and reaches(level, self.clear_below())
            if near or index in kept:
                yield self._word(history, context, case, index, value=value, bar=bar, level=level)

    def _judged_by_size(self, bar: Bar, case: _Case, column: int) -> Bar:
        """Judge a newcomer's days by their size alone; an area that the config names holds for everybody."""
        if case.user is None or self.method == "absolute" or column >= case.first_use + NEWCOMER_DAYS:
            return bar
        reason = (
            f"new user, day {max(0, column - case.first_use) + 1}: only a day that is large for the contract counts"
        )
        return replace(bar, bar=case.least_alone, method="onboarding", reason=reason)

    def _proof(self, history: History, index: int) -> Proof:
        day = history.day_at(index)
        if day >= history.today or history.fetched_at < ended_at(day):
            # An open day has at least what it has, unless the product's figures may fall.
            return Proof.UNKNOWN if history.contract.may_fall else Proof.LOWER_BOUND
        return Proof.FRESH if history.fresh else Proof.LOWER_BOUND

    def _word(
        self,
        history: History,
        context: EvalContext,
        case: _Case,
        index: int,
        *,
        value: float,
        bar: Bar,
        level: float | None,
    ) -> Finding:
        day = history.day_at(index)
        group = day_class(day, history.fetched_at, context.settling)
        figures = self._figures(history, context, day, group) | {
            "user": named(case.user) if case.user else None,
            "value": known(value),
            **_bar_figures(history, case, bar, known(value), self.sigma),
            "minimum": known(float(case.series.floors[index - case.offset])) or None,
            **self._cap_shares(history, context, index),
        }
        if case.user is None and level is not None:
            figures |= breadth(history, index, bar.first, bar.last)
        plan = plan_for(context.planned, history.contract, case.user, day)
        figures["planned"] = plan.words() if plan else None
        return self.finding(
            history.contract,
            value=level,
            proof=self._proof(history, index),
            figures=figures,
            window=day.isoformat(),
            user=case.user,
            final=group is DayClass.FINAL,
            muted=PLANNED if plan else "",
        )

    def _silent(self, history: History, context: EvalContext, who: str, day: date) -> Finding:
        """Speak of a watched day that no figure is left of."""
        user = {user.id: user for user in history.users}.get(who, LeafUser(id=who)) if who else None
        group = day_class(day, history.fetched_at, context.settling)
        nothing = Bar(bar=None, method=self.method, reason="no figures for that day")
        series = Series(values=np.empty(0), settled=-1, floors=np.empty(0))
        figures = self._figures(history, context, day, group) | {
            "user": named(user) if user else None,
            "value": None,
            **_bar_figures(history, _Case(series), nothing, None, self.sigma),
            "minimum": None,
            "cap_percent_before": None,
            "cap_percent_after": None,
            "planned": None,
        }
        return self.finding(
            history.contract, value=None, proof=Proof.UNKNOWN, figures=figures, window=day.isoformat(), user=user,
            final=group is DayClass.FINAL,
        )  # fmt: skip

    def _figures(self, history: History, context: EvalContext, day: date, group: DayClass) -> dict[str, Any]:
        cap = in_unit(context.cap, history)
        return {
            **common(history, context, measure=self.measure.value, cap=cap, source=context.cap_source),
            "scope": self.scope,
            "day": day.isoformat(),
            "day_class": group.value,
            **NOBODY,
        }

    def _cap_shares(self, history: History, context: EvalContext, index: int) -> dict[str, Any]:
        """Return how much of the cap was used before and after the day."""
        total = history.unique_total if self.measure is Measure.UNIQUE else history.billed_total
        cap = in_unit(context.cap, history)
        before = 0.0 if index == history.term_index else known(total[index - 1])
        return {
            "cap_percent_before": percent_of(before, cap),
            "cap_percent_after": percent_of(known(total[index]), cap),
        }


def _floored(bar: Bar, floor: float) -> Bar:
    """Lift a bar to the least area that counts as a spike."""
    if bar.bar is None or bar.method == "onboarding" or bar.bar >= floor:
        return bar
    if not math.isfinite(floor):
        return replace(bar, bar=None, reason="no day with use to compare with")
    return replace(bar, bar=floor, reason=f"{bar.reason}; lifted to the minimum volume")


def _bar_figures(history: History, case: _Case, bar: Bar, value: float | None, sigma: float) -> dict[str, Any]:
    mean = bar.mean
    there = bar.last >= bar.first
    return {
        "bar": bar.bar,
        "normal": mean,
        "ratio": value / mean if value is not None and mean else None,
        "excess": value - mean if value is not None and mean is not None else None,
        "method": bar.method,
        "method_reason": bar.reason,
        "baseline": {
            "days": bar.days,
            "active_days": bar.active_days,
            "mean": mean,
            "sd": bar.sd,
            "sigma": sigma,
            "left_out": bar.left_out,
            "factor": bar.factor,
            "lift": bar.lift,
            "season": _season_figures(history, bar),
            "from": history.day_at(bar.first + case.offset).isoformat() if there else None,
            "to": history.day_at(bar.last + case.offset).isoformat() if there else None,
        },
    }


def _season_figures(history: History, bar: Bar) -> dict[str, Any] | None:
    if bar.season is None:
        return None
    largest_on = history.day_at(int(bar.season["largest_at"]))
    return {
        "largest": bar.season["largest"],
        "largest_on": largest_on.isoformat(),
        "growth": bar.season["growth"],
        "days": int(bar.season["days"]),
    }


def _first_use(history: History, row: int, offset: int) -> int:
    """Return the index of a user's first known use relative to `offset`; negative where it lies before."""
    used = np.flatnonzero(history.user_daily[row] > 0)
    firsts = [int(used[0])] if len(used) else []
    if history.user_first_on[row]:
        firsts.append(int(history.user_first_on[row]) - history.first_on.toordinal() - offset)
    return min(firsts, default=history.window)


def least_of_contract(history: History, context: EvalContext) -> float | None:
    """Return 2 % of the contract's cap, else of last term's total, else None."""
    cap = in_unit(context.cap, history)
    if cap is not None:
        return LEAST_SHARE_OF_CAP * cap
    before = last_known(history.billed_total[: history.term_index], 0)
    return LEAST_SHARE_OF_CAP * before[0] if before and before[0] > 0 else None


def mean_active_days(daily: Floats) -> Floats:
    """Return for each index the mean of the days with use among the 56 days up to it (D,), infinite without one."""
    used = np.where(daily > 0, daily, 0.0)
    padding = np.zeros(WINDOW - 1)
    sums = sliding_window_view(np.concatenate((padding, used)), WINDOW).sum(axis=1)
    counts = sliding_window_view(np.concatenate((padding, used > 0)), WINDOW).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), math.inf)
