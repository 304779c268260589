"""Small values for tests of the store: an account with a contract, answers, and a naive model of what is known when."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np

from alerter.core.answers import ContractAnswer, ContractsAnswer, RangeAnswer, RangeDay, SummaryAnswer
from alerter.core.area import Unit
from alerter.store import Claim, Store, StoredUsage

NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
TODAY = NOW.date()
HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=10)


def contract_answer(contract_id: str = "c-1", **changes: object) -> ContractAnswer:
    values: dict[str, object] = {
        "id": contract_id,
        "product": "OPERATIONS_FILE",
        "start_at": datetime(2026, 1, 1, tzinfo=UTC),
        "end_at": datetime(2027, 1, 1, tzinfo=UTC),
        "region": "US",
    }
    return ContractAnswer(**(values | changes))  # type: ignore[arg-type]


def listed(*contracts: ContractAnswer, complete: bool = True) -> ContractsAnswer:
    return ContractsAnswer(contracts=contracts, complete=complete)


def one_contract(store: Store, contract_id: str = "c-1", account: str = "main") -> int:
    with store.write() as tx:
        tx.accounts.sync([account], NOW)
        return tx.usage.save_contracts(account, listed(contract_answer(contract_id)), NOW)[0].key


def claimed(store: Store, account: str = "main", owner: str = "one") -> Claim:
    with store.write() as tx:
        tx.accounts.sync([account], NOW)
        return tx.accounts.claim(owner, NOW, LEASE, [account], 1)[0]


def summary(day: date, areas: Mapping[str, float], unit: Unit = Unit.ACRE, unique: float = 1.5) -> SummaryAnswer:
    body = repr((day, unit, unique, sorted(areas.items()))).encode()
    return SummaryAnswer(
        day=day,
        unit=unit,
        unique_area=unique,
        user_ids=tuple(areas),
        user_areas=np.array(list(areas.values()), dtype=np.float64),
        body_hash=hashlib.blake2b(body, digest_size=16).digest(),
    )


def owner_range(days: Mapping[date, tuple[float, float]], unit: Unit = Unit.ACRE) -> RangeAnswer:
    entries = tuple(
        RangeDay(day=day, total_area=total, daily_area=daily) for day, (total, daily) in sorted(days.items())
    )
    return RangeAnswer(unit=unit, days=entries, body_hash=b"")


def stored(store: Store, key: int, *answers: SummaryAnswer) -> int:
    with store.write() as tx:
        snapshot_id = tx.usage.add_snapshot(key, NOW, TODAY)
        for answer in answers:
            tx.usage.add_summary(snapshot_id, key, answer)
    return snapshot_id


def usage_at(store: Store, key: int, snapshot_id: int, since: date = date.min) -> StoredUsage:
    with store.read() as tx:
        return tx.usage.usage(key, snapshot_id, since)


@dataclass
class Known:
    """Every answer ever stored, with its snapshot: the naive model of the readings."""

    said: list[tuple[int, SummaryAnswer]] = field(default_factory=list)
    ranged: list[tuple[int, RangeAnswer]] = field(default_factory=list)

    def newest(self, up_to: int) -> dict[date, SummaryAnswer]:
        found: dict[date, SummaryAnswer] = {}
        for snapshot_id, answer in self.said:
            if snapshot_id <= up_to:
                found[answer.day] = answer
        return dict(sorted(found.items()))

    def expect(self, usage: StoredUsage, up_to: int, since: date) -> None:
        """Hold a usage against the model, to the last bit."""
        newest = self.newest(up_to)
        answers = list(newest.values())
        assert usage.days.tolist() == [day.toordinal() for day in newest]
        assert usage.units == [one.unit for one in answers]
        assert usage.unique.tolist() == [one.unique_area for one in answers]
        assert usage.user_sum.tolist() == [one.user_sum for one in answers]
        assert usage.user_count.tolist() == [len(one.user_ids) for one in answers]
        said = {one.day: dict(zip(one.user_ids, one.user_areas.tolist(), strict=True)) for one in answers}
        users = tuple(sorted({user for areas in said.values() for user in areas}))
        assert usage.user_ids == users
        window = [day for day in newest if day >= since]
        assert usage.window_days.tolist() == [day.toordinal() for day in window]
        expected = np.array([[said[day].get(user, np.nan) for day in window] for user in users]).reshape(
            len(users), len(window)
        )
        assert usage.user_areas.shape == expected.shape
        assert np.array_equal(bits(usage.user_areas), bits(expected))
        first = [min((day.toordinal() for day in newest if said[day].get(user, 0) > 0), default=0) for user in users]
        assert usage.user_first_on.tolist() == first
        self._expect_range(usage, up_to)

    def _expect_range(self, usage: StoredUsage, up_to: int) -> None:
        days: dict[date, tuple[Unit, float, float]] = {}
        for snapshot_id, answer in self.ranged:
            if snapshot_id <= up_to:
                days |= {one.day: (answer.unit, one.total_area, one.daily_area) for one in answer.days}
        rows = [(day.toordinal(), *days[day]) for day in sorted(days)]
        found = zip(
            usage.owner_days.tolist(),
            usage.owner_units,
            usage.owner_total.tolist(),
            usage.owner_daily.tolist(),
            strict=True,
        )
        assert list(found) == rows


def bits(array: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.ascontiguousarray(array, dtype=np.float64).view(np.int64)
