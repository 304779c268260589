"""Readings as chains of differences: find the smallest difference, write it, and unpack it again exactly.

A reading is one version of one day's summary.  Its rows say only in what it differs from its base: an earlier version
of the day, a neighbouring day, or nothing.  A base is always an older reading, so ids order the chain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import sqlalchemy as sa

from alerter.errors import StoreError
from alerter.store.cache import Floats, Ints, Positions
from alerter.store.part import Part
from alerter.store.tables import reading

_R = reading.c
_ROWS_AT_ONCE = 200_000
_IDS_AT_ONCE = 500
_HUNDREDTHS = 100.0
_EXACT = 2.0**53

# Areas with two decimals, by far the most, are whole hundredths: SQLite stores those in three or four bytes instead of
# eight.  The division is exact to the last bit, which `_compact` has checked.
_SELECT_SQLITE = sa.text(
    "SELECT reading_id, number, CASE typeof(area) WHEN 'integer' THEN area / 100.0 ELSE area END"
    " FROM user_area WHERE reading_id IN :ids ORDER BY reading_id"
).bindparams(sa.bindparam("ids", expanding=True))
_SELECT_POSTGRES = sa.text(
    "SELECT reading_id, number, area FROM user_area WHERE reading_id IN :ids ORDER BY reading_id"
).bindparams(sa.bindparam("ids", expanding=True))
# The drivers' own bulk paths: executemany of SQLite, one statement with two arrays in Postgres.
_INSERT_SQLITE = "INSERT INTO user_area (reading_id, number, area) VALUES (?, ?, ?)"
_INSERT_POSTGRES = (
    "INSERT INTO user_area (reading_id, number, area)"
    " SELECT %s, number, area FROM unnest(%s::integer[], %s::double precision[]) AS new (number, area)"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reading differs from its base in: positions and the areas there, NaN for gone."""

    base_id: int | None
    positions: Ints
    areas: Floats


def padded(array: Floats, size: int) -> Floats:
    """Return a copy that is `size` long, unknown (NaN) at its end."""
    grown = np.full(max(size, len(array)), np.nan)
    grown[: len(array)] = array
    return grown


def smallest_difference(array: Floats, bases: Iterable[tuple[int, Floats]]) -> Difference:
    """Return the difference of `array` from the base that leaves the fewest rows; from nothing in case of doubt."""
    present = np.flatnonzero(~np.isnan(array))
    best = Difference(None, present, array[present])
    for base_id, base in bases:
        size = max(len(base), len(array))
        ours = padded(array, size)
        # As bits: NaN equals NaN here, and 0.0 does not equal -0.0.
        changed = np.flatnonzero(ours.view(np.int64) != padded(base, size).view(np.int64))
        if len(changed) < len(best.positions):
            best = Difference(base_id, changed, ours[changed])
    return best


def _compact(areas: Floats) -> list[object]:
    """Return what SQLite shall store: whole hundredths where they are exact, the double elsewhere, None for NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        hundredths = np.rint(areas * _HUNDREDTHS)
        back = hundredths / _HUNDREDTHS
    exact = (back.view(np.int64) == areas.view(np.int64)) & (np.abs(hundredths) < _EXACT) & ~np.signbit(areas)
    stored = areas.astype(object)
    stored[exact] = hundredths[exact].astype(np.int64)
    stored[np.isnan(areas)] = None
    return list(stored.tolist())


class Chain(Part):
    """The rows of readings in one transaction."""

    def _write_rows(self, reading_id: int, numbers: Ints, areas: Floats) -> None:
        """Store a reading's differences in bulk."""
        if not len(numbers):
            return
        if self._on_postgres:
            values = [None if isnan(area) else area for area in areas.tolist()]
            self._connection.exec_driver_sql(_INSERT_POSTGRES, (reading_id, numbers.tolist(), values))
        else:
            rows = [(reading_id, *row) for row in zip(numbers.tolist(), _compact(areas), strict=True)]
            self._connection.exec_driver_sql(_INSERT_SQLITE, rows)

    def _unpacked(self, contract_key: int, reading_ids: Collection[int]) -> Iterator[tuple[int, Floats]]:
        """Yield each reading's areas by position, those at hand first; memory holds what is still needed only.

        Arrays may be shorter than the contract has positions; what is missing is NaN.
        """
        wanted = set(reading_ids)
        have = {one: array for one in wanted if (array := self._cache.array(one)) is not None}
        missing = wanted - have.keys()
        yield from sorted(have.items())
        if missing:
            yield from self._rebuilt(contract_key, missing, have)

    def _rebuilt(self, contract_key: int, missing: set[int], have: dict[int, Floats]) -> Iterator[tuple[int, Floats]]:
        links = self._links(contract_key, max(missing))
        todo = self._closure(links, missing, have)
        uses = Counter(links[one][0] for one in todo)
        positions = self._cache.shared.positions(contract_key)
        for one, numbers, areas in self._rows_of(sorted(todo), links):
            base_id = links[one][0]
            places = positions.of(numbers)
            array = padded(have[base_id] if base_id else np.zeros(0), int(places.max(initial=-1)) + 1)
            array[places] = areas
            uses[base_id] -= 1
            if not uses[base_id]:
                have.pop(base_id or 0, None)
            if uses[one]:
                have[one] = array
            if one in missing:
                yield one, array

    def _links(self, contract_key: int, up_to: int) -> dict[int, tuple[int | None, int]]:
        """Return base and number of rows of each of the contract's readings."""
        rows = self._all(
            sa.select(_R.id, _R.base_id, _R.row_count).where(_R.contract_key == contract_key, _R.id <= up_to)
        )
        return {row.id: (row.base_id, row.row_count) for row in rows}

    def _closure(
        self, links: dict[int, tuple[int | None, int]], missing: set[int], have: dict[int, Floats]
    ) -> set[int]:
        """Return the readings to rebuild; put into `have` those known already that they rest on."""
        todo: set[int] = set()
        stack = list(missing)
        while stack:
            one = stack.pop()
            if one in todo or one in have:
                continue
            known = None if one in missing else self._cache.array(one)
            if known is not None:
                have[one] = known
                continue
            if one not in links:
                raise StoreError(f"the reading {one} is missing from the database; restore a backup")
            todo.add(one)
            base_id = links[one][0]
            if base_id is not None:
                stack.append(base_id)
        return todo

    def _rows_of(
        self, ids: Sequence[int], links: dict[int, tuple[int | None, int]]
    ) -> Iterator[tuple[int, Ints, Floats]]:
        """Yield each reading's rows as numbers and areas, a bounded number of rows at a time."""
        for part in _parts(ids, links):
            result = self._connection.execute(_SELECT_POSTGRES if self._on_postgres else _SELECT_SQLITE, {"ids": part})
            columns = list(zip(*result.all(), strict=True)) or [(), (), ()]
            owners = np.array(columns[0], dtype=np.int64)
            numbers = np.array(columns[1], dtype=np.int64)
            areas = np.array(columns[2], dtype=np.float64)  # None becomes NaN
            starts = np.searchsorted(owners, part, side="left")
            ends = np.searchsorted(owners, part, side="right")
            for one, start, end in zip(part, starts.tolist(), ends.tolist(), strict=True):
                if end - start != links[one][1]:
                    raise StoreError(f"rows of the reading {one} are missing from the database; restore a backup")
                yield one, numbers[start:end], areas[start:end]

    def _positions(self, contract_key: int) -> Positions:
        return self._cache.shared.positions(contract_key)


def _parts(ids: Sequence[int], links: dict[int, tuple[int | None, int]]) -> Iterator[list[int]]:
    part: list[int] = []
    rows = 0
    for one in ids:
        if part and (rows + links[one][1] > _ROWS_AT_ONCE or len(part) >= _IDS_AT_ONCE):
            yield part
            part, rows = [], 0
        part.append(one)
        rows += links[one][1]
    if part:
        yield part
