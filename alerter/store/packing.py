"""One reading's differences as a few bytes: user numbers and areas, packed and given back to the last bit.

Numbers ascend, so their gaps are small; areas with two decimals, by far the most, are whole hundredths, and doubles
otherwise.  Both are laid out by byte planes (all lowest bytes first), which leaves long runs for the compression.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from alerter.errors import StoreError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HUNDREDTHS, _DOUBLES = b"\x01", b"\x02"  # the first byte says how areas are written
_EXACT = 2.0**53
_GONE = -1  # among hundredths: the user is not in the summary any more
_GAP_BYTES, _AREA_BYTES = 4, 8
_LEVEL = 6


def pack(numbers: Ints, areas: Floats) -> bytes:
    """Return the packed form of a reading's differences, at least one; NaN means gone, numbers are distinct."""
    order = np.argsort(numbers, kind="stable")
    gaps = np.diff(numbers[order], prepend=0)
    areas = areas[order]
    whole = _as_hundredths(areas)
    form, values = (_DOUBLES, areas.view(np.int64)) if whole is None else (_HUNDREDTHS, whole)
    return form + zlib.compress(_planes(gaps, _GAP_BYTES) + _planes(values, _AREA_BYTES), _LEVEL)


def unpack(packed: bytes) -> tuple[Ints, Floats]:
    """Return user numbers, ascending, and areas; raise StoreError for bytes that `pack` did not make."""
    try:
        plain = zlib.decompress(packed[1:])
    except zlib.error as error:
        raise StoreError(f"a reading is damaged in the database ({error}); restore a backup") from None
    size, rest = divmod(len(plain), _GAP_BYTES + _AREA_BYTES)
    if rest or packed[:1] not in (_HUNDREDTHS, _DOUBLES):
        raise StoreError("a reading is damaged in the database; restore a backup")
    split = size * _GAP_BYTES
    numbers = np.cumsum(_from_planes(plain[:split], size, np.dtype("<i4")), dtype=np.int64)
    values = _from_planes(plain[split:], size, np.dtype("<i8"))
    if packed[:1] == _DOUBLES:
        return numbers, values.view(np.float64)
    return numbers, np.where(values == _GONE, np.nan, values / 100.0)


def _as_hundredths(areas: Floats) -> Ints | None:
    """Return the areas as whole hundredths, or None where one of them would not come back to the last bit."""
    gone = np.isnan(areas)
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.where(gone, float(_GONE), np.rint(areas * 100.0))
        back = whole / 100.0
    exact = (back.view(np.int64) == areas.view(np.int64)) & (whole < _EXACT) & ~np.signbit(areas)
    return whole.astype(np.int64) if bool((exact | gone).all()) else None


def _planes(values: Ints, width: int) -> bytes:
    """Return the lowest `width` bytes of each value, all lowest ones first."""
    bytes_ = np.ascontiguousarray(values, dtype="<i8").view(np.uint8).reshape(-1, 8)
    return bytes_[:, :width].T.tobytes()


def _from_planes(planes: bytes, size: int, dtype: np.dtype[np.signedinteger]) -> Ints:
    """Undo `_planes`."""
    bytes_ = np.frombuffer(planes, dtype=np.uint8).reshape(dtype.itemsize, size)
    return np.ascontiguousarray(bytes_.T).view(dtype).reshape(size).astype(np.int64, copy=False)
