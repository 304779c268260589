"""Snapshots, and the summaries and ranges they brought: append-only, change-only, exact, as known at any snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from alerter.core.answers import RangeAnswer, SummaryAnswer
from alerter.core.area import Unit
from alerter.core.model import Settling
from alerter.errors import StoreError
from alerter.store.cache import Floats, Ints
from alerter.store.chain import Chain, smallest_difference
from alerter.store.rows import NewestSummary, SnapshotRow, SummaryState
from alerter.store.tables import contract, leaf_user, owner_day, owner_extra, reading, snapshot
from alerter.store.users import Users

_REVISE = Settling().revise
_R, _S, _O = reading.c, snapshot.c, owner_day.c


def newest_versions(table: sa.Table, key: int, up_to_snapshot: int | None = None) -> sa.Select[Any]:
    """Return a subquery of the newest version's id of each of a contract's days, as known at a snapshot."""
    ids = sa.select(sa.func.max(table.c.id)).where(table.c.contract_key == key).group_by(table.c.day)
    return ids if up_to_snapshot is None else ids.where(table.c.snapshot_id <= up_to_snapshot)


_KEY: sa.BindParameter[Any] = sa.bindparam("key")
_AFTER = sa.select(snapshot).where(_S.contract_key == _KEY, _S.id > sa.bindparam("after")).order_by(_S.id)
_COMPLETE_AFTER = _AFTER.where(_S.complete)
_NEWEST = sa.select(snapshot).where(_S.contract_key == _KEY, _S.complete).order_by(_S.id.desc()).limit(1)
_NEWEST_AT = _NEWEST.where(_S.fetched_at <= sa.bindparam("at"))
_HASH = sa.select(_R.hash).where(_R.contract_key == _KEY, _R.day == sa.bindparam("day")).order_by(_R.id.desc()).limit(1)
_NEWEST_SUMMARY = (
    sa.select(_R.day, _R.unit, _R.user_sum, _R.user_count)
    .where(_R.contract_key == _KEY)
    .order_by(_R.day.desc(), _R.id.desc())
    .limit(1)
)
_NEWEST_EXTRA = (
    sa.select(owner_extra.c.extra).where(owner_extra.c.contract_key == _KEY).order_by(owner_extra.c.id.desc()).limit(1)
)
_RANGE = sa.select(_O.day, _O.total_area, _O.daily_area, _O.unit).where(
    _O.id.in_(sa.select(sa.func.max(_O.id)).where(_O.contract_key == _KEY).group_by(_O.day))
)
_LOCK = sa.select(contract.c.account_key).where(contract.c.key == _KEY).with_for_update(key_share=True)


class Readings(Chain, Users):
    """What was said, in one transaction."""

    # -------------------------------------------------------------- snapshots
    def add_snapshot(self, key: int, fetched_at: datetime, today: date, complete: bool = True) -> int:
        """Add a snapshot of one contract and return its id, which grows over the whole store."""
        self._lock_contract(key)
        return self._add(snapshot, contract_key=key, fetched_at=fetched_at, today=today, complete=complete)

    def snapshots(self, key: int, after: int, complete_only: bool = True) -> list[SnapshotRow]:
        """Return a contract's snapshots with an id above `after`, in order."""
        rows = self._all(_COMPLETE_AFTER if complete_only else _AFTER, key=key, after=after)
        return [SnapshotRow(**row._asdict()) for row in rows]

    def newest_snapshot(self, key: int, at: datetime | None = None) -> SnapshotRow | None:
        """Return a contract's newest complete snapshot, of those up to `at`."""
        row = self._first(_NEWEST, key=key) if at is None else self._first(_NEWEST_AT, key=key, at=at)
        return None if row is None else SnapshotRow(**row._asdict())

    # -------------------------------------------------------------- summaries
    def add_summary(self, snapshot_id: int, key: int, answer: SummaryAnswer) -> bool:
        """Add one day's summary; False, and nothing written, when its newest stored version has the same hash.

        Raises StoreError for a summary older than what is stored, or one that names a user twice.
        """
        account_key = self._lock_contract(key)
        same, *neighbours = self._bases(key, answer.day)
        if same is not None and same.snapshot_id > snapshot_id:
            raise StoreError(
                f"the day {answer.day} was already read by snapshot {same.snapshot_id}, after {snapshot_id}"
            )
        if same is not None and same.hash == answer.body_hash:
            return False
        numbers = self._numbers(account_key, answer.user_ids)
        positions = self._positions(key)
        places = positions.of(numbers)
        array = np.full(int(places.max(initial=-1)) + 1, np.nan)
        array[places] = answer.user_areas
        if np.count_nonzero(~np.isnan(array)) != len(answer.user_ids):
            raise StoreError(f"the summary of {answer.day} names a user twice or without an area")
        bases = {row.id for row in (same, *neighbours) if row is not None}
        known = {}
        for base_id, base in self._unpacked(key, bases):
            self._cache.keep(base_id, base)
            known[base_id] = base
        found = smallest_difference(array, known.items())
        self._cache.dirty = True
        reading_id = self._add(
            reading,
            contract_key=key,
            snapshot_id=snapshot_id,
            day=answer.day,
            base_id=found.base_id,
            hash=answer.body_hash,
            unit=answer.unit.value,
            unique_area=answer.unique_area,
            user_sum=answer.user_sum,
            user_count=len(answer.user_ids),
            difference=len(found.positions),
            extra=answer.extra or None,
        )
        self._write_difference(reading_id, positions.numbers[found.positions], found.areas)
        self._cache.keep(reading_id, array)
        return True

    def _bases(self, key: int, day: date) -> list[sa.Row[Any] | None]:
        """Return the newest readings of the day, of the nearest day before it and of the nearest after it."""
        columns = sa.select(_R.id, _R.snapshot_id, _R.hash).where(_R.contract_key == key).limit(1)
        return [
            self._first(columns.where(_R.day == day).order_by(_R.id.desc())),
            self._first(columns.where(_R.day < day).order_by(_R.day.desc(), _R.id.desc())),
            self._first(columns.where(_R.day > day).order_by(_R.day, _R.id.desc())),
        ]

    def known_hash(self, key: int, day: date) -> bytes | None:
        """Return the hash of a day's newest stored summary."""
        found: bytes | None = self._scalar(_HASH, key=key, day=day)
        return found

    def newest_summary(self, key: int) -> NewestSummary | None:
        """Return what the newest day's newest summary said, None before the first."""
        row = self._first(_NEWEST_SUMMARY, key=key)
        return None if row is None else NewestSummary(**row._asdict())

    def summary_days(self, key: int, revise: timedelta = _REVISE) -> dict[date, SummaryState]:
        """Return the days that have a summary; `final_read`: its newest version was read `revise` after the day."""
        newest = (
            sa.select(_R.day, _R.hash, _S.fetched_at)
            .join_from(reading, snapshot, _S.id == _R.snapshot_id)
            .where(_R.id.in_(newest_versions(reading, key)))
            .order_by(_R.day)
        )
        return {
            row.day: SummaryState(
                hash=row.hash,
                read_at=row.fetched_at,
                final_read=row.fetched_at >= datetime.combine(row.day, time(), UTC) + timedelta(days=1) + revise,
            )
            for row in self._all(newest)
        }

    def areas_of(self, key: int, up_to_snapshot: int, user_id: str) -> tuple[Ints, Floats]:
        """Return one user's areas as said and as known at a snapshot: ordinals (n) and areas (n) of all summary days.

        NaN: not in that day's summary.  Memory holds one day's users at a time, whatever the term's length.
        """
        ordinal = sa.type_coerce(_R.day, sa.Integer).label("ordinal")
        newest = newest_versions(reading, key, up_to_snapshot)
        rows = self._all(sa.select(_R.id, ordinal).where(_R.id.in_(newest)).order_by(_R.day))
        areas = np.full(len(rows), np.nan)
        account_key = sa.select(contract.c.account_key).where(contract.c.key == key).scalar_subquery()
        named = sa.select(leaf_user.c.number).where(
            leaf_user.c.account_key == account_key, leaf_user.c.user_id == user_id
        )
        number = self._connection.scalar(named)
        if number is not None:
            place = int(self._positions(key).of(np.array([number], dtype=np.int64))[0])
            index = {row.id: one for one, row in enumerate(rows)}
            for reading_id, array in self._unpacked(key, index.keys()):
                areas[index[reading_id]] = array[place] if place < len(array) else np.nan
        return np.array([row.ordinal for row in rows], dtype=np.int64), areas

    # -------------------------------------------------------------- ranges
    def add_owner_range(self, snapshot_id: int, key: int, answer: RangeAnswer) -> tuple[date, ...]:
        """Add the days of the organisation's range that are new or say something else; return those days."""
        self._lock_contract(key)
        known = {row.day: (row.total_area, row.daily_area, row.unit) for row in self._all(_RANGE, key=key)}
        changed = [
            one for one in answer.days if known.get(one.day) != (one.total_area, one.daily_area, answer.unit.value)
        ]
        rows = [
            {
                "contract_key": key,
                "snapshot_id": snapshot_id,
                "day": one.day,
                "unit": answer.unit.value,
                "total_area": one.total_area,
                "daily_area": one.daily_area,
            }
            for one in changed
        ]
        if rows:
            self._cache.dirty = True
            self._run(sa.insert(owner_day), rows)
        self._keep_extra(snapshot_id, key, answer.extra)
        return tuple(one.day for one in changed)

    def _keep_extra(self, snapshot_id: int, key: int, extra: dict[str, Any]) -> None:
        if extra != (self._scalar(_NEWEST_EXTRA, key=key) or {}):
            self._add(owner_extra, contract_key=key, snapshot_id=snapshot_id, extra=extra)

    def owner_days(self, key: int) -> dict[date, tuple[float, float, Unit]]:
        """Return the newest stored total and daily area of each day of the organisation's range, as said, in a unit."""
        return {row.day: (row.total_area, row.daily_area, Unit(row.unit)) for row in self._owner_rows(key)}

    def _owner_rows(self, key: int, up_to_snapshot: int | None = None) -> Sequence[sa.Row[Any]]:
        newest = newest_versions(owner_day, key, up_to_snapshot)
        return self._all(sa.select(owner_day).where(_O.id.in_(newest)).order_by(_O.day))

    # -------------------------------------------------------------- one writer per contract
    def _lock_contract(self, key: int) -> int:
        """Return the contract's account, and let nobody else write this contract until the transaction ends.

        So the ids of one contract's readings grow in the order in which they become visible.
        """
        if key not in self._cache.account_of:
            found = self._scalar(_LOCK, key=key)
            if found is None:
                raise StoreError(f"there is no contract {key}")
            self._cache.account_of[key] = int(found)
        return self._cache.account_of[key]
