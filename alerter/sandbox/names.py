"""Invented names of farms and co-ops."""

from __future__ import annotations

_FIRST = (
    "Cedar", "Prairie", "Willow", "Stone", "Hawk", "Maple", "River", "Sunset", "Amber", "Badger", "Clover", "Elk",
    "Fox", "Granite", "Heron", "Iron", "Juniper", "Larkspur", "Meadow", "North", "Oak", "Pine", "Quail", "Red",
    "Silver", "Thistle", "Union", "Valley", "Walnut", "Yarrow", "Zephyr",
)  # fmt: skip
_SECOND = ("Ridge", "Creek", "Hollow", "Bend", "Crossing", "Fork", "Grove", "Hill", "Lake", "Mesa", "Point")
_THIRD = ("Farms", "Co-op", "Ag", "Growers", "Land & Cattle", "Family Farm", "Agronomy")


def invented_name(seed: int, position: int) -> str:
    """Return the name of the user at `position`: no two alike among the first 2,387, numbered after that."""
    number = position * 1009 + seed % 1_000_003  # 1009 is prime to 31 × 11 × 7: a walk that meets every name
    first, second, third = number % 31, number % 11, number % 7
    repeat = position // (31 * 11 * 7)
    name = f"{_FIRST[first]} {_SECOND[second]} {_THIRD[third]}"
    return f"{name} {repeat + 1}" if repeat else name
