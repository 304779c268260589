"""Seeded usage: cumulative areas of many users that a tenth of them raises on a day, in two or in twelve decimals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from alerter.core.answers import ContractAnswer, ContractsAnswer, RangeAnswer, RangeDay, SummaryAnswer
from alerter.core.area import Unit

Floats = NDArray[np.float64]

TODAY = date(2026, 6, 30)
ACTIVE = 0.1  # of the users on a day
CHANGES = 1.5  # answers in which an active user's figure moves on that day
LATE = 0.02  # of yesterday's active users move once more afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured; the default is the load that the targets speak of."""

    name: str = "full"
    contracts: int = 5
    users: int = 10_000  # of each contract
    days: int = 60  # of history
    stretch: int = 14  # days of hourly polls that storing simulates
    runs: int = 7
    growth: tuple[int, ...] = (1_000, 10_000, 100_000)
    growth_days: int = 84
    many_contracts: int = 20
    figures: int = 1_000_000  # stored when the start is measured
    rules: int = 1_000  # of a large config


TINY = Size(
    name="tiny", contracts=2, users=60, days=12, stretch=2, runs=1, growth=(40, 80), growth_days=9, many_contracts=2,
    figures=500, rules=20,
)  # fmt: skip


def user_ids(seed: int, count: int) -> tuple[str, ...]:
    """Return so many ids as long as the API's, ascending."""
    return tuple(
        sorted(hashlib.md5(f"{seed}/{n}".encode(), usedforsecurity=False).hexdigest() + "-bad" for n in range(count))
    )


class Meter:
    """One contract's cumulative areas; every step is drawn from one seeded source."""

    def __init__(self, seed: int, users: int, *, digits: int = 2) -> None:
        self.rng = np.random.default_rng(seed)
        self.ids = user_ids(seed, users)
        self._digits = digits
        self.areas = self._rounded(self.rng.lognormal(5.0, 1.2, users))

    def _rounded(self, areas: Floats) -> Floats:
        return np.round(areas, self._digits)

    def raise_share(self, share: float) -> None:
        """Raise a random share of the users."""
        rows = np.flatnonzero(self.rng.random(len(self.areas)) < share)
        self.raise_users(rows)

    def raise_users(self, rows: NDArray[np.intp]) -> None:
        """Raise the given users, each by another field's area."""
        self.areas = self.areas.copy()
        self.areas[rows] = self._rounded(self.areas[rows] + self.rng.lognormal(3.5, 0.8, len(rows)))

    def hours_of_a_day(self) -> list[NDArray[np.intp]]:
        """Return for each hour of a day who moves in it: a tenth of the users, one and a half times each."""
        active = np.flatnonzero(self.rng.random(len(self.areas)) < ACTIVE)
        twice = active[self.rng.random(len(active)) < CHANGES - 1]
        moves = np.concatenate([active, twice])
        hours = self.rng.integers(0, 24, len(moves))
        return [np.unique(moves[hours == hour]) for hour in range(24)]

    def summary(self, day: date, areas: Floats | None = None) -> SummaryAnswer:
        """Return a summary of the areas as they are, or of `areas`."""
        said = self.areas if areas is None else areas
        digest = hashlib.blake2b(said.tobytes() + day.isoformat().encode(), digest_size=16).digest()
        return SummaryAnswer(
            day=day, unit=Unit.ACRE, unique_area=round(float(said.sum()) * 0.9, 2), user_ids=self.ids,
            user_areas=said, body_hash=digest,
        )  # fmt: skip


def contract_answer(number: int, start_on: date) -> ContractAnswer:
    """Return one listed contract, whose term is a year."""
    start_at = datetime(start_on.year, start_on.month, start_on.day, tzinfo=UTC)
    return ContractAnswer(
        id=f"contract-{number}", product="OPERATIONS_FILE", region="US", start_at=start_at,
        end_at=start_at + timedelta(days=365),
    )  # fmt: skip


def contracts_answer(count: int, start_on: date) -> ContractsAnswer:
    """Return a complete list of contracts."""
    return ContractsAnswer(contracts=tuple(contract_answer(n, start_on) for n in range(count)), complete=True)


def range_answer(totals: dict[date, float]) -> RangeAnswer:
    """Return the organisation's range with these cumulative totals."""
    days, before = [], 0.0
    for day, total in sorted(totals.items()):
        days.append(RangeDay(day=day, total_area=total, daily_area=round(total - before, 2)))
        before = total
    return RangeAnswer(unit=Unit.ACRE, days=tuple(days), body_hash=b"")
