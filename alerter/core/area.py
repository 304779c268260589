"""Areas with their unit, and the one comparison that decides whether a bar is reached.

1 acre = 0.40468564224 ha exactly (international acre, 1959).  Amounts are doubles; `reaches` allows a relative
error of 1e-9, so converting a series to the other unit changes no verdict.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

HECTARES_PER_ACRE = 0.40468564224
RELATIVE_TOLERANCE = 1e-9


class Unit(StrEnum):
    """A unit of area, spelled as the Leaf API spells it."""

    ACRE = "Acre"
    HECTARE = "Hectare"

    @property
    def symbol(self) -> str:
        """`ac` or `ha`."""
        return "ac" if self is Unit.ACRE else "ha"


_NAMES = {
    "acre": Unit.ACRE, "acres": Unit.ACRE, "ac": Unit.ACRE,
    "hectare": Unit.HECTARE, "hectares": Unit.HECTARE, "ha": Unit.HECTARE,
}  # fmt: skip
_AREA = re.compile(r"\s*([0-9][0-9_,' ]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]+)\s*")


def factor(source: Unit, target: Unit) -> float:
    """What an amount in `source` is multiplied by to be in `target`."""
    if source is target:
        return 1.0
    return HECTARES_PER_ACRE if source is Unit.ACRE else 1 / HECTARES_PER_ACRE


def parse_unit(text: str) -> Unit:
    """Read `acre`, `acres`, `ac`, `hectare`, `hectares` or `ha`, in any case; raise ValueError otherwise."""
    unit = _NAMES.get(text.strip().lower())
    if unit is None:
        raise ValueError(f"unknown unit {text!r}, expected acre or hectare")
    return unit


@dataclass(frozen=True, slots=True)
class Area:
    """An amount of land: `value` in `unit`."""

    value: float
    unit: Unit

    def to(self, unit: Unit) -> Area:
        """Return the same land in `unit`."""
        return self if unit is self.unit else Area(self.value * factor(self.unit, unit), unit)

    def __add__(self, other: Area) -> Area:
        return Area(self.value + other.to(self.unit).value, self.unit)

    def __sub__(self, other: Area) -> Area:
        return Area(self.value - other.to(self.unit).value, self.unit)

    def __mul__(self, by: float) -> Area:
        return Area(self.value * by, self.unit)

    def share_of(self, whole: Area) -> float:
        """Return this as a share of `whole` (1.0 = all of it); raise ZeroDivisionError for an empty whole."""
        return self.value / whole.to(self.unit).value

    def __str__(self) -> str:
        return f"{self.value:,.10g} {self.unit.symbol}"


def parse_area(text: str) -> Area:
    """Read `800000 acre`, `5,000 ac` or `320.5 ha`; raise ValueError with a sentence otherwise."""
    match = _AREA.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an area; write a number and a unit, for example 5000 acre")
    value = float(re.sub(r"[_,' ]", "", match[1]))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large for an area")
    return Area(value, parse_unit(match[2]))


def reaches(value: float, bar: float) -> bool:
    """Say whether `value` is at or above `bar`, both in one unit, forgiving a relative error of 1e-9."""
    return value >= bar - RELATIVE_TOLERANCE * max(abs(value), abs(bar))
