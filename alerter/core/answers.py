"""The Leaf API's answers as values: what was said, unchanged.

`leaf` makes them, `store` keeps them, `sandbox` never sees them.  Days are UTC dates; areas are in the answer's own
unit.  Source: the Usage Monitoring reference (five endpoints), the authentication and Leaf user pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Area, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAnswer:
    """One contract of `GET /billing/contracts`; `quota` is the optional figure that older answers carried."""

    id: str
    product: str
    start_at: datetime
    end_at: datetime | None
    region: str | None
    quota: Area | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractsAnswer:
    """The contract list; `complete` is False when a page was missing, so that absence proves nothing."""

    contracts: tuple[ContractAnswer, ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryAnswer:
    """One day's summary of one contract.

    `user_ids[i]` has `user_areas[i]` (float64, as long as user_ids).  Whether the areas are cumulative or the day's
    own is NOT known here; nor is it for `unique_area`.
    """

    day: date
    unit: Unit
    unique_area: float
    user_ids: tuple[str, ...]
    user_areas: NDArray[np.float64]
    body_hash: bytes
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def user_sum(self) -> float:
        """The sum of the users' areas: what is billed, in this answer's unit and meaning."""
        return float(self.user_areas.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The body is byte for byte the one whose hash the caller knows already; it was not decoded."""

    body_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeDay:
    """One day of a usage range: `total_area` up to and including the day, `daily_area` new on it."""

    day: date
    total_area: float
    daily_area: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeAnswer:
    """A usage range of the organisation (overlap removed) or of one user; days ascending, each at most once."""

    unit: Unit
    days: tuple[RangeDay, ...]
    body_hash: bytes
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAnswer:
    """One Leaf user: the name is other people's text."""

    id: str
    name: str | None
    email: str | None = None
    external_id: str | None = None
