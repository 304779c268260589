"""Turn figures into what a person reads: areas, percentages, days, instants and spans of time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alerter.core.area import Unit, factor, parse_unit, reaches
from alerter.notify.filters.clean import clean
from alerter.notify.message import MessageSettings

UNKNOWN = "unknown"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_DIGITS = 9
_LIMIT_DIGITS = 6  # of an area that the config names


def as_number(value: object) -> float | None:
    """Return `value` as a finite float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def number(value: object, digits: int = 3) -> str:
    """Write a number with `digits` significant digits and thousands separators: `18,400`, `0.457`, `-12.3`."""
    amount = as_number(value)
    if amount is None:
        return UNKNOWN
    if amount == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(amount)))
    rounded = round(amount, decimals)
    shown = f"{rounded:,.{max(0, decimals)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def percent(value: object) -> str:
    """Write a percentage with at most one decimal; a value below 100 never reads as 100."""
    amount = as_number(value)
    if amount is None:
        return UNKNOWN
    if reaches(amount, 100.0):
        return f"{math.floor(amount + 1e-6):,} %"
    shown = round(amount, 1)
    if shown >= 100:
        shown = 99.9
    return f"{shown:,.1f}".removesuffix(".0") + " %"


def times(value: object) -> str:
    """Write a ratio: `16 ×`, `3.2 ×`."""
    amount = as_number(value)
    return UNKNOWN if amount is None else f"{number(amount, 2)} ×"


def span(seconds: object) -> str:
    """Write a length of time by its largest unit: `7 days`, `36 hours`, `15 minutes`."""
    amount = as_number(seconds)
    if amount is None or amount < 0:
        return UNKNOWN
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if amount >= size * (2 if size == 86400 and amount % size else 1) or (size == 60):
            count = int(amount // size)
            return f"{count:,} {word}{'' if count == 1 else 's'}"
    return UNKNOWN


def as_instant(value: object) -> datetime | None:
    """Read an ISO instant; a plain date is its midnight in UTC, anything else None."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo("UTC"))


def as_day(value: object) -> date | None:
    """Read an ISO date, or the UTC day of an ISO instant; None for anything else."""
    if isinstance(value, str) and len(value) == len("2026-01-01"):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    instant = as_instant(value)
    return instant.astimezone(ZoneInfo("UTC")).date() if instant else None


def user_label(user: object) -> str:
    """Name a user: `Prairie Co-op (8f3c)`; the id alone, shortened, only where no name is known."""
    if not isinstance(user, Mapping):
        return "unknown user"
    user_id, name = clean(user.get("id") or "", 60), clean(user.get("name") or "", 60)
    if not name:
        return f"user {user_id}" if user_id else "unknown user"
    return f"{name} ({user_id[:4]})" if user_id else name


def _telling(amount: float, other: float, digits: int) -> int:
    """Return how many digits it takes to read on which side of `other` an amount lies; equal ones read alike."""
    if reaches(amount, other) and reaches(other, amount):
        return max(_LIMIT_DIGITS, digits)
    while digits < _MOST_DIGITS:
        shown = round(amount, digits - 1 - math.floor(math.log10(abs(amount)))) if amount else 0.0
        if number(amount, digits) != number(other, digits) and (shown < other) is (amount < other):
            break
        digits += 1
    return digits


@dataclass(frozen=True, slots=True)
class Words:
    """The filters bound to one message: `unit` is that of its figures, `year` the one that dates need not say."""

    settings: MessageSettings
    unit: str = "ac"
    year: int = 0

    def for_figures(self, figures: Mapping[str, Any]) -> Words:
        """Return the same words for figures in another unit."""
        unit = figures.get("unit")
        return Words(self.settings, unit if unit in ("ac", "ha") else self.unit, self.year)

    def _shown(self, value: object) -> tuple[float | None, str]:
        amount = as_number(value)
        if self.settings.unit == "as_reported" or amount is None:
            return amount, self.unit
        target = parse_unit(self.settings.unit)
        return amount * factor(Unit.ACRE if self.unit == "ac" else Unit.HECTARE, target), target.symbol

    def area(self, value: object, *, against: object = None, signed: bool = False) -> str:
        """Write an area with its unit, by as many digits more as tell it from `against`."""
        return self._area(value, against, signed=signed, unit=True)

    def bare_area(self, value: object, *, against: object = None, signed: bool = False) -> str:
        """Write an area without its unit, for the first of two that share one."""
        return self._area(value, against, signed=signed, unit=False)

    def _area(self, value: object, against: object, *, signed: bool, unit: bool) -> str:
        amount, symbol = self._shown(value)
        other = self._shown(against)[0]
        if amount is None:
            return UNKNOWN
        digits = self.settings.digits
        if other is not None:
            digits = _telling(amount, other, digits)
        sign = "+" if signed and amount > 0 else ""
        return f"{sign}{number(amount, digits)}{f' {symbol}' if unit else ''}"

    @property
    def symbol(self) -> str:
        """The unit that areas are shown in: `ac` or `ha`."""
        return self._shown(0.0)[1]

    def limit(self, value: object) -> str:
        """Write a configured area as it was configured: up to six significant digits, with its unit."""
        shown = self.bare_limit(value)
        return shown if shown == UNKNOWN else f"{shown} {self.symbol}"

    def bare_limit(self, value: object) -> str:
        """Write a configured area without its unit."""
        amount, _ = self._shown(value)
        return UNKNOWN if amount is None else number(amount, max(_LIMIT_DIGITS, self.settings.digits))

    def day(self, value: object, *, weekday: bool = True) -> str:
        """Write a UTC day: `Thu 14 May`, with the year where it is another one."""
        day = as_day(value)
        if day is None:
            return UNKNOWN
        year = "" if day.year == self.year else f" {day.year}"
        name = f"{_DAYS[day.weekday()]} " if weekday else ""
        return f"{name}{day.day} {_MONTHS[day.month - 1]}{year}"

    def date(self, value: object) -> str:
        """Write a UTC day with its year: `Thu 31 Dec 2026`."""
        return Words(self.settings, self.unit, 0).day(value)

    def instant(self, value: object) -> str:
        """Write an instant in the configured zone: `Thu 14 May 06:10 UTC`."""
        instant = as_instant(value)
        if instant is None:
            return UNKNOWN
        local = instant.astimezone(ZoneInfo(self.settings.zone))
        return f"{self.day(local.date().isoformat())} {local:%H:%M %Z}"

    def elapsed(self, since: object, now: object) -> str:
        """Write how long ago `since` was at `now`; "" when that is unknown or less than a minute."""
        start, end = as_instant(since), as_instant(now)
        if start is None or end is None or end - start < timedelta(minutes=1):
            return ""
        return span((end - start).total_seconds())
