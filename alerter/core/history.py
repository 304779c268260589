"""Turn what the API said, as stored, into a History: one unit, one meaning, one axis of days.

Nothing is repaired on the way.  A day without a summary is NaN, and so is the daily figure of the day after it (for it
would span both); a day whose figures fell stays negative; users who vanished make the total a lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice
from operator import lt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Unit, factor
from alerter.core.model import Contract, History, PreviousTerm, SummaryMeaning
from alerter.core.users import LeafUsers

Floats = NDArray[np.float64]
Days = NDArray[np.int64]

USER_WINDOW = 84  # days of per-user figures: 56 of baseline, the revision window, and room to fold alarmed days
SPARE = 8  # days more than the window for which reusing memory wastes little
BEFORE_TERM = 120  # days of the predecessor term put before the term's own, so that baselines cross a renewal


class UsageColumns(Protocol):
    """One contract's newest readings as known at a snapshot, as said: every figure in its own reading's unit."""

    @property
    def days(self) -> Days:
        """Ordinals of the days with a summary, ascending (n)."""

    @property
    def units(self) -> Sequence[Unit]:
        """Unit of each summary (n)."""

    @property
    def unique(self) -> Floats:
        """`totalUniqueArea` of each summary (n)."""

    @property
    def user_sum(self) -> Floats:
        """Sum of the users' areas of each summary (n)."""

    @property
    def owner_days(self) -> Days:
        """Ordinals of the organisation's range days, ascending (m)."""

    @property
    def owner_units(self) -> Sequence[Unit]:
        """Unit of each range day (m)."""

    @property
    def owner_total(self) -> Floats:
        """`totalArea` of each range day (m)."""

    @property
    def owner_daily(self) -> Floats:
        """`dailyArea` of each range day (m)."""

    @property
    def user_ids(self) -> tuple[str, ...]:
        """Ids of all users ever seen in this term (U)."""

    @property
    def window_days(self) -> Days:
        """Ordinals of the summary days that `user_areas` covers, ascending (w)."""

    @property
    def user_areas(self) -> Floats:
        """Users' areas as said (U, w); NaN where the user was not in that day's summary."""

    @property
    def user_first_on(self) -> Days:
        """Ordinal of each user's first day with use in this term (U); 0 never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermUsage:
    """One term with its stored figures and what they were found to mean."""

    contract: Contract
    columns: UsageColumns
    meaning: SummaryMeaning  # of the users' figures
    unique_meaning: SummaryMeaning  # of `totalUniqueArea`
    owned: bool = False  # nobody else looks at `columns.user_areas` afterwards: its memory may be used again


@dataclass(frozen=True, slots=True)
class _Series:
    daily: Floats
    total: Floats


@dataclass(frozen=True, slots=True)
class _Axis:
    """`size` consecutive days from `first_on`, every area in `unit`."""

    first_on: date
    size: int
    unit: Unit

    def place(self, days: Days, values: Floats, units: Sequence[Unit]) -> Floats:
        """Put converted values on the axis; days without one are NaN."""
        axis = np.full(self.size, np.nan)
        if len(days):
            scale = np.array([factor(source, self.unit) for source in units])
            index = days - self.first_on.toordinal()
            inside = (index >= 0) & (index < self.size)
            axis[index[inside]] = values[inside] * scale[inside]
        return axis


def build_history(
    *,
    term: TermUsage,
    predecessor: TermUsage | None,
    snapshot_id: int,
    fetched_at: datetime,
    names: Mapping[str, str],
    max_lag: timedelta = timedelta(days=1),
) -> History:
    """Build the History of `term` as known at one snapshot; `names` maps user ids to what a person calls them."""
    today = fetched_at.date()
    if today <= term.contract.start_at.date():
        # On a term's first day the total is the day's own figure: both meanings say the same.
        term = replace(term, meaning=SummaryMeaning.CUMULATIVE, unique_meaning=SummaryMeaning.CUMULATIVE)
    columns = term.columns
    # So it is where only the newest day has use, or none: nothing was there before to be counted in, or not.
    if term.meaning is SummaryMeaning.UNPROVEN and _is_first_use(columns.user_sum):
        term = replace(term, meaning=SummaryMeaning.DAILY)
    if term.unique_meaning is SummaryMeaning.UNPROVEN and _is_first_use(columns.unique):
        term = replace(term, unique_meaning=SummaryMeaning.DAILY)
    unit = _unit(columns)
    start_on = min(term.contract.start_at.date(), today)
    first_on = start_on if predecessor is None else _first_before(predecessor, start_on)
    size = (today - first_on).days + 1
    term_index = (start_on - first_on).days

    billed, unique = _contract_series(term, unit, start_on, size - term_index)
    previous = None if predecessor is None or not term_index else _previous(predecessor, unit, start_on)
    if predecessor is not None and term_index:
        before_billed, before_unique = _contract_series(predecessor, unit, first_on, term_index)
        billed, unique = _joined(before_billed, billed), _joined(before_unique, unique)
    # Days of the user window are always the last ones of the axis, so that both end today.
    width = min(USER_WINDOW, size)
    lower_bound = _has_vanished_users(columns, today) or _has_holes(term, start_on, today)
    users, first_seen, user_total, user_daily = _users(term, predecessor, unit, today, width)
    newest = _newest_day(columns, today)
    return History(
        contract=term.contract,
        snapshot_id=snapshot_id,
        fetched_at=fetched_at,
        fresh=newest is not None and min(today, _last_on(term.contract, today)) - newest <= max_lag,
        unit=unit,
        meaning=term.meaning,
        today=today,
        first_on=first_on,
        term_index=term_index,
        billed_daily=billed.daily,
        billed_total=billed.total,
        unique_daily=unique.daily,
        unique_total=unique.total,
        total_is_lower_bound=lower_bound,
        users=LeafUsers(users, names),
        user_first_on=first_seen,
        user_total=user_total,
        user_daily=user_daily,
        previous=previous,
    )


# ------------------------------------------------------------------ the contract's figures
def _is_first_use(said: Floats) -> bool:
    return len(said) > 0 and not (said[:-1] > 0).any()


def _unit(columns: UsageColumns) -> Unit:
    if len(columns.units):
        return columns.units[-1]
    return columns.owner_units[-1] if len(columns.owner_units) else Unit.ACRE


def _first_before(predecessor: TermUsage, start_on: date) -> date:
    return max(predecessor.contract.start_at.date(), start_on - timedelta(days=BEFORE_TERM))


def _last_on(contract: Contract, today: date) -> date:
    return today if contract.end_at is None else (contract.end_at - timedelta(microseconds=1)).date()


def _newest_day(columns: UsageColumns, today: date) -> date | None:
    known = columns.days[columns.days <= today.toordinal()]
    return date.fromordinal(int(known[-1])) if len(known) else None


def _contract_series(term: TermUsage, unit: Unit, first_on: date, size: int) -> tuple[_Series, _Series]:
    """Return the billed and the unique series over `size` days from `first_on`, in `unit`."""
    columns = term.columns
    # Totals count from the term's start, so the axis begins there even if only a later part is asked for.
    offset = max(0, (first_on - term.contract.start_at.date()).days)
    axis = _Axis(first_on - timedelta(days=offset), size + offset, unit)
    users = axis.place(columns.days, columns.user_sum, columns.units)
    unique = axis.place(columns.days, columns.unique, columns.units)
    owner_daily = axis.place(columns.owner_days, columns.owner_daily, columns.owner_units)
    owner_total = axis.place(columns.owner_days, columns.owner_total, columns.owner_units)
    billed = _by_meaning(users, term.meaning)
    said = _by_meaning(unique, term.unique_meaning)
    # The range says daily and cumulative figures apart, so it is preferred day by day; a summary fills the idle days
    # that ranges may leave out.
    unique_daily = np.where(np.isnan(owner_daily), said.daily, owner_daily)
    unique_total = np.where(np.isnan(said.total), owner_total, said.total)
    return (
        _Series(billed.daily[-size:], billed.total[-size:]),
        _Series(unique_daily[-size:], unique_total[-size:]),
    )


def _previous(predecessor: TermUsage, unit: Unit, start_on: date) -> PreviousTerm:
    """Return the predecessor's own days, from its first to the last before `start_on`; the users' stay in the store."""
    first_on = predecessor.contract.start_at.date()
    billed, unique = _contract_series(predecessor, unit, first_on, max(0, (start_on - first_on).days))
    return PreviousTerm(first_on=first_on, billed_daily=billed.daily, unique_daily=unique.daily)


def _by_meaning(said: Floats, meaning: SummaryMeaning) -> _Series:
    """Derive daily and cumulative figures over a term that begins at index 0."""
    if meaning is SummaryMeaning.CUMULATIVE:
        before = np.concatenate(([0.0], said[:-1]))
        return _Series(said - before, said)
    if meaning is SummaryMeaning.DAILY:
        total = np.nancumsum(said)
        total[np.isnan(said)] = np.nan
        return _Series(said, total)
    unknown = np.full_like(said, np.nan)
    return _Series(unknown, unknown)


def _joined(before: _Series, after: _Series) -> _Series:
    return _Series(np.concatenate((before.daily, after.daily)), np.concatenate((before.total, after.total)))


def _has_holes(term: TermUsage, start_on: date, today: date) -> bool:
    """Say whether a sum of daily figures misses days; cumulative figures carry what a missing day brought."""
    if term.meaning is not SummaryMeaning.DAILY:
        return False
    newest = _newest_day(term.columns, today)
    if newest is None:
        return True
    expected = (newest - start_on).days + 1
    return int((term.columns.days >= start_on.toordinal()).sum()) < expected


def _has_vanished_users(columns: UsageColumns, today: date) -> bool:
    """Say whether users with use are missing from the newest summary: absence proves no smaller total."""
    if columns.user_areas.shape[1] < 2 or columns.window_days[-1] > today.toordinal():
        return False
    gone = np.flatnonzero(np.isnan(columns.user_areas[:, -1]))
    return bool((columns.user_areas[gone, :-1] > 0).any())


# ------------------------------------------------------------------ the users' figures
def _users(
    term: TermUsage, predecessor: TermUsage | None, unit: Unit, today: date, width: int
) -> tuple[tuple[str, ...], Days, Floats, Floats]:
    """Return user ids (U), first days with use (U), totals (U) and daily figures (U, width) of the term's users."""
    columns = term.columns
    ids, first_seen = tuple(columns.user_ids), columns.user_first_on
    order: list[int] | None = None
    if not all(map(lt, ids, islice(ids, 1, None))):
        order = sorted(range(len(ids)), key=ids.__getitem__)
        ids, first_seen = tuple(ids[index] for index in order), first_seen[order]
    if not term.meaning.known:
        return ids, first_seen, np.full(len(ids), np.nan), np.full((len(ids), width), np.nan)
    daily, total = _user_series(term, _Axis(today - timedelta(days=width - 1), width, unit))
    if order is not None:
        daily, total = daily[order], total[order]
    if predecessor is not None and predecessor.meaning.known:
        window = _Axis(today - timedelta(days=width - 1), width, unit)
        before = max(0, (term.contract.start_at.date() - window.first_on).days)
        _fill_before(daily[:, :before], ids, predecessor, window)
        first_seen = _seen_before(first_seen, ids, predecessor)
    return ids, first_seen, total, daily


def _user_series(term: TermUsage, window: _Axis) -> tuple[Floats, Floats]:
    """Return daily figures (U, window) and totals (U) of one term's users, in the columns' order.

    Day by day, so that beside the columns and the result little memory is needed, however many users there are.
    """
    columns = term.columns
    scales = _window_scale(columns, window.unit)
    daily = _room(term, window)
    filled = np.zeros(window.size, dtype=np.bool_)
    total = np.full(len(columns.user_ids), np.nan)
    before, day_before = np.full(len(columns.user_ids), np.nan), 0
    for column, day in enumerate(columns.window_days.tolist()):
        said = columns.user_areas[:, column] * scales[column]
        if term.meaning is SummaryMeaning.DAILY:
            step = np.nan_to_num(said)  # idle users may be left out of a day's own figures
            total = step if column == 0 else total + step
        else:
            said = _zero_before_first(said, columns, day)
            total = np.where(np.isnan(said), total, said)
            if day == term.contract.start_at.date().toordinal():
                step = said
            else:
                step = said - before if day == day_before + 1 else np.full_like(said, np.nan)
            before, day_before = said, day
        index = day - window.first_on.toordinal()
        if 0 <= index < window.size:
            daily[:, index] = step
            filled[index] = True
    daily[:, ~filled] = np.nan
    return daily, total


def _room(term: TermUsage, window: _Axis) -> Floats:
    """Return an array (U, window) for the daily figures: the columns' own memory where they may be overwritten.

    A day's figures then land on a day that was read already: the window has every day and begins no later.
    """
    areas, days = term.columns.user_areas, term.columns.window_days
    first = int(days[0]) - window.first_on.toordinal() if len(days) else 1
    is_whole = len(days) > 0 and int(days[-1]) - int(days[0]) == len(days) - 1
    if term.owned and is_whole and first <= 0 and window.size <= len(days) <= window.size + SPARE:
        areas.flags.writeable = True
        return areas[:, : window.size]
    return np.empty((window.size, len(areas))).T


def _window_scale(columns: UsageColumns, unit: Unit) -> Floats:
    unit_of = dict(zip(columns.days.tolist(), columns.units, strict=True))
    return np.array([factor(unit_of[day], unit) for day in columns.window_days.tolist()])


def _zero_before_first(said: Floats, columns: UsageColumns, day: int) -> Floats:
    """A user with no use yet may be left out of a summary: that is a zero; left out later it is unknown."""
    seen = columns.user_first_on
    return np.where(np.isnan(said) & ((seen == 0) | (day < seen)), 0.0, said)


def _fill_before(daily: Floats, ids: tuple[str, ...], predecessor: TermUsage, window: _Axis) -> None:
    """Put the predecessor's daily figures of the same users into the days before the term (U, days), in place."""
    older, _ = _user_series(predecessor, window)
    row_of = {user: row for row, user in enumerate(predecessor.columns.user_ids)}
    for row, user in enumerate(ids):
        daily[row] = older[row_of[user], : daily.shape[1]] if user in row_of else 0.0


def _seen_before(first_seen: Days, ids: tuple[str, ...], predecessor: TermUsage) -> Days:
    """A user of the last term is no newcomer in this one: take the earlier first day."""
    older = dict(zip(predecessor.columns.user_ids, predecessor.columns.user_first_on.tolist(), strict=True))
    return np.array(
        [older.get(user) or seen for user, seen in zip(ids, first_seen.tolist(), strict=True)], dtype=np.int64
    )


# ------------------------------------------------------------------ one user, the whole term
def user_series(term: TermUsage, unit: Unit, size: int) -> tuple[Floats, Floats]:
    """Return daily figures (size) and running totals (size) of the columns' only user, from the term's first day on."""
    columns, start_on = term.columns, term.contract.start_at.date()
    # On a term's first day both meanings say the same.
    meaning = SummaryMeaning.CUMULATIVE if size <= 1 else term.meaning
    days, areas, first_on = columns.window_days, columns.user_areas[0], columns.user_first_on[0]
    # Who is left out of a summary was idle that day, or had no use yet; of totals, left out later is unknown.
    is_idle = (meaning is SummaryMeaning.DAILY) | (first_on == 0) | (days < first_on)
    said = np.where(np.isnan(areas) & is_idle, 0.0, areas)
    unit_of = dict(zip(columns.days.tolist(), columns.units, strict=True))
    units = [unit_of[day] for day in days.tolist()]
    series = _by_meaning(_Axis(start_on, size, unit).place(days, said, units), meaning)
    return series.daily, series.total
