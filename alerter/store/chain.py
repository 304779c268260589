"""Readings as chains of differences: find the smallest difference, write it, and unpack it again exactly.

A reading is one version of one day's summary.  It holds only the users in whom it differs from its base: an earlier
version of the day, a neighbouring day, or nothing.  A base is always an older reading, so ids order the chain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from alerter.errors import StoreError
from alerter.store.cache import Floats, Ints, Positions
from alerter.store.packing import pack, unpack
from alerter.store.part import Part
from alerter.store.tables import reading, user_area

_R, _P = reading.c, user_area.c
_USERS_AT_ONCE = 200_000
_IDS_AT_ONCE = 500
_EMPTY = np.zeros(0)
_NOTHING = (np.zeros(0, dtype=np.int64), _EMPTY)


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
    """Return the difference of `array` from the base that leaves the fewest users; from nothing in case of doubt."""
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


class Chain(Part):
    """The differences of readings in one transaction."""

    def _write_difference(self, reading_id: int, numbers: Ints, areas: Floats) -> None:
        """Store in whom a reading differs from its base, if in anybody."""
        if len(numbers):
            self._run(sa.insert(user_area).values(reading_id=reading_id, packed=pack(numbers, areas)))

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
        own: set[int] = set()  # made here and seen by nobody: may become the next link instead of being copied
        for one, numbers, areas in self._differences_of(sorted(todo), links):
            base_id = links[one][0]
            places = positions.of(numbers)
            size = int(places.max(initial=-1)) + 1
            uses[base_id] -= 1
            base = _EMPTY if base_id is None else have[base_id]
            if base_id is not None and not uses[base_id]:
                del have[base_id]
            array = base if base_id in own and not uses[base_id] and len(base) >= size else padded(base, size)
            array[places] = areas
            if uses[one]:
                have[one] = array
            if one in missing:
                yield one, array
            else:
                own.add(one)

    def _links(self, contract_key: int, up_to: int) -> dict[int, tuple[int | None, int]]:
        """Return base and number of differences of each of the contract's readings."""
        rows = self._all(
            sa.select(_R.id, _R.base_id, _R.difference).where(_R.contract_key == contract_key, _R.id <= up_to)
        )
        return {row.id: (row.base_id, row.difference) for row in rows}

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

    def _differences_of(
        self, ids: Sequence[int], links: dict[int, tuple[int | None, int]]
    ) -> Iterator[tuple[int, Ints, Floats]]:
        """Yield each reading's differences as numbers and areas; a bounded number of them is read at a time."""
        for part in _parts(ids, links):
            stored = sa.select(_P.reading_id, _P.packed).where(_P.reading_id.in_(part))
            packed = {row.reading_id: row.packed for row in self._all(stored)}
            for one in part:
                numbers, areas = unpack(packed.pop(one)) if one in packed else _NOTHING
                if len(numbers) != links[one][1]:
                    raise StoreError(f"figures of the reading {one} are missing from the database; restore a backup")
                yield one, numbers, areas

    def _positions(self, contract_key: int) -> Positions:
        return self._cache.shared.positions(contract_key)


def _parts(ids: Sequence[int], links: dict[int, tuple[int | None, int]]) -> Iterator[list[int]]:
    part: list[int] = []
    users = 0
    for one in ids:
        if part and (users + links[one][1] > _USERS_AT_ONCE or len(part) >= _IDS_AT_ONCE):
            yield part
            part, users = [], 0
        part.append(one)
        users += links[one][1]
    if part:
        yield part
