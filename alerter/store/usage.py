"""Usage of one transaction: contracts, readings, and what was found out about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from alerter.core.area import Unit
from alerter.store.cache import ARRAY_BYTES, Floats, Fold, Ints, Order
from alerter.store.contracts import Contracts
from alerter.store.events import DataEvents
from alerter.store.readings import Readings, newest_versions
from alerter.store.rows import BadAnswer, MeaningRow, StoredUsage
from alerter.store.tables import activation, bad_answer, contract, meaning, owner_day, reading

_R, _M, _A, _B = reading.c, meaning.c, activation.c, bad_answer.c
_NEVER = np.iinfo(np.int64).max
_AREA_BYTES = 8
Bools = NDArray[np.bool_]
_MOVING = 10  # the newest days, which still change: what lies before them is folded once and kept

_KEY: sa.BindParameter[Any] = sa.bindparam("key")
_NEWEST_SAID = sa.select(
    *(
        sa.select(sa.func.max(table.c.id))
        .where(table.c.contract_key == _KEY, table.c.snapshot_id <= sa.bindparam("snapshot_id"))
        .label(name)
        for name, table in (("readings", reading), ("days", owner_day))
    ),
    sa.select(sa.func.max(_M.id)).where(_M.contract_key == _KEY).label("meanings"),
)
_MEANINGS = sa.select(_M.question, _M.answer, _M.evidence, _M.decided_at).where(_M.contract_key == _KEY).order_by(_M.id)
_MEANINGS_AT = _MEANINGS.where(_M.decided_at <= sa.bindparam("up_to"))
_ACTIVATIONS = sa.select(_A.rule, _A.active_on).where(_A.contract_key == _KEY)


class Usage(Contracts, Readings, DataEvents):
    """Everything about usage in one transaction."""

    def usage(self, key: int, up_to_snapshot: int, window_from: date) -> StoredUsage:
        """Return one contract's usage as known at a snapshot; `user_areas` covers the days from `window_from`."""
        newest = self._newest(key, up_to_snapshot)
        owner = self._owner_rows(key, up_to_snapshot)
        days = np.array([row.ordinal for row in newest], dtype=np.int64)
        window = [row for row in newest if row.ordinal >= window_from.toordinal()]
        areas, first_on, named = self._arrays(key, newest, [row.id for row in window])
        order = self._order(key, named)
        user_areas = _by_id(_wide(areas, len(named)), order.positions)
        user_areas.flags.writeable = False
        shown_first = first_on[order.positions]
        return StoredUsage(
            days=days,
            units=[Unit(row.unit) for row in newest],
            unique=np.array([row.unique_area for row in newest], dtype=np.float64),
            user_sum=np.array([row.user_sum for row in newest], dtype=np.float64),
            user_count=np.array([row.user_count for row in newest], dtype=np.int64),
            owner_days=np.array([row.day.toordinal() for row in owner], dtype=np.int64),
            owner_units=[Unit(row.unit) for row in owner],
            owner_total=np.array([row.total_area for row in owner], dtype=np.float64),
            owner_daily=np.array([row.daily_area for row in owner], dtype=np.float64),
            user_ids=order.ids,
            window_days=days[len(newest) - len(window) :],
            user_areas=user_areas,
            user_first_on=np.where(shown_first == _NEVER, 0, shown_first),
        )

    def newest_said(self, key: int, up_to_snapshot: int) -> tuple[int, int, int]:
        """Return numbers that grow whenever anything is added that `usage` or `meanings` would say of a contract."""
        row = self._all(_NEWEST_SAID, key=key, snapshot_id=up_to_snapshot)[0]
        return row.readings or 0, row.days or 0, row.meanings or 0

    def _newest(self, key: int, up_to_snapshot: int) -> Sequence[sa.Row[Any]]:
        columns = (_R.id, _R.unit, _R.unique_area, _R.user_sum, _R.user_count)
        ordinal = sa.type_coerce(_R.day, sa.Integer).label("ordinal")
        newest = newest_versions(reading, key, up_to_snapshot)
        return self._all(sa.select(*columns, ordinal).where(_R.id.in_(newest)).order_by(_R.day))

    def _arrays(self, key: int, newest: Sequence[sa.Row[Any]], shown: list[int]) -> tuple[Floats, Ints, Bools]:
        """Return the shown readings' areas (w, P), each position's first day of use and whether any day names it.

        Readings are looked at one by one: beside the areas themselves only the newest few are in memory at once.
        """
        settled = tuple(row.id for row in newest[:-_MOVING])
        day_of = {row.id: row.ordinal for row in newest}
        fold = self._cache.shared.folds.get(key)
        if fold is None or settled[: len(fold.reading_ids)] != fold.reading_ids:
            fold = Fold()
        to_fold = set(settled[len(fold.reading_ids) :])
        moving = {row.id for row in newest[-_MOVING:]}
        column_of = {one: column for column, one in enumerate(shown)}
        size = max(len(self._positions(key).numbers), max((row.user_count for row in newest), default=0))
        fits = len(shown) * size * _AREA_BYTES <= ARRAY_BYTES
        areas = np.full((len(shown), size), np.nan)
        kept: dict[int, Floats] = {}
        first_on, named = fold.first_on, fold.named
        for one, array in self._unpacked(key, to_fold | moving | column_of.keys()):
            if one in to_fold:
                first_on, named = _folded(first_on, named, array, day_of[one])
            if one in column_of:
                areas = _wide(areas, len(array))
                areas[column_of[one], : len(array)] = array
            if one in moving:
                kept[one] = array
            if one in moving or (one in column_of and fits):
                self._cache.keep(one, array)
        if not fits:  # a part of them spares little reading, and they would lie beside the window
            self._cache.shared.drop(column_of.keys() - moving)
        if to_fold and not self._cache.dirty:
            self._cache.shared.folds[key] = Fold(settled, first_on, named)
        for one in sorted(moving):
            first_on, named = _folded(first_on, named, kept[one], day_of[one])
        return areas, first_on, named

    def _order(self, key: int, named: Bools) -> Order:
        """Return the named users by id: sorting is kept until another user is named."""
        known = self._cache.shared.orders.get(key)
        if known is not None and np.array_equal(known.named, named):
            return known
        places = np.flatnonzero(named)
        account_key = self._connection.scalar(sa.select(contract.c.account_key).where(contract.c.key == key))
        numbers = self._positions(key).numbers[places].tolist()
        ids = self._ids(int(account_key or 0), numbers)
        by_id = sorted(range(len(ids)), key=ids.__getitem__)
        order = Order(named, places[by_id], tuple(ids[one] for one in by_id))
        if not self._cache.dirty:
            self._cache.shared.orders[key] = order
        return order

    # -------------------------------------------------------------- what was found out
    def save_meaning(self, key: int, question: str, answer: str, evidence: Mapping[str, Any], now: datetime) -> None:
        """Add an answer to a question about a contract; earlier ones stay."""
        self._add(meaning, contract_key=key, question=question, answer=answer, evidence=dict(evidence), decided_at=now)

    def meanings(self, key: int, up_to: datetime | None = None) -> dict[str, MeaningRow]:
        """Return the newest answer to each question, as known now or at `up_to`."""
        rows = self._all(_MEANINGS, key=key) if up_to is None else self._all(_MEANINGS_AT, key=key, up_to=up_to)
        return {
            row.question: MeaningRow(answer=row.answer, evidence=row.evidence, decided_at=row.decided_at)
            for row in rows
        }

    def activate(self, rule: str, key: int, on: date) -> date:
        """Say from which day on a rule's day verdicts count for a contract; return that day: the first call wins."""
        new = self._insert(activation).values(rule=rule, contract_key=key, active_on=on)
        self._run(new.on_conflict_do_nothing(index_elements=[_A.contract_key, _A.rule]))
        return self.activations(key)[rule]

    def activations(self, key: int) -> dict[str, date]:
        """Return the first day of each rule that was activated for a contract."""
        return {row.rule: row.active_on for row in self._all(_ACTIVATIONS, key=key)}

    def save_bad_answer(  # noqa: PLR0917 - the agreed signature
        self, account: str, contract_id: str, endpoint: str, at: datetime, reason: str, sample: str
    ) -> None:
        """Keep an answer that was refused."""
        self._add(
            bad_answer,
            account=account,
            contract_id=contract_id,
            endpoint=endpoint,
            at=at,
            reason=reason,
            sample=sample,
        )

    def last_bad_answer(self, account: str, contract_id: str) -> BadAnswer | None:
        """Return the newest refused answer about a contract ("": about the account), None without any."""
        columns = [_B[name] for name in BadAnswer.__dataclass_fields__]
        found = sa.select(*columns).where(_B.account == account, _B.contract_id == contract_id)
        row = self._first(found.order_by(_B.id.desc()).limit(1))
        return None if row is None else BadAnswer(**row._asdict())

    def bad_answers(self, limit: int) -> list[BadAnswer]:
        """Return refused answers, the newest first."""
        columns = [_B[name] for name in BadAnswer.__dataclass_fields__]
        return [
            BadAnswer(**row._asdict()) for row in self._all(sa.select(*columns).order_by(_B.id.desc()).limit(limit))
        ]


def _wide(areas: Floats, size: int) -> Floats:
    """Return `areas` with room for `size` positions."""
    if areas.shape[1] >= size:
        return areas
    grown = np.full((len(areas), size), np.nan)
    grown[:, : areas.shape[1]] = areas
    return grown


def _by_id(areas: Floats, positions: Ints) -> Floats:
    """Return the areas (w, P) of the given positions as (U, w), in the same memory."""
    for column in areas:
        column[: len(positions)] = column[positions]
    return areas[:, : len(positions)].T


def _folded(first_on: Ints, named: Bools, array: Floats, ordinal: int) -> tuple[Ints, Bools]:
    """Return first day of use and being named, with one more day taken in."""
    size = max(len(array), len(named))
    first = np.full(size, _NEVER, dtype=np.int64)
    first[: len(first_on)] = first_on
    seen = np.zeros(size, dtype=np.bool_)
    seen[: len(named)] = named
    part = slice(0, len(array))
    seen[part] |= ~np.isnan(array)
    first[part] = np.where(array > 0, np.minimum(first[part], ordinal), first[part])
    return first, seen
