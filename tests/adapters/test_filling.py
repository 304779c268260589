"""How far a first fill is: in the journal with each part's commit, and not too often in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from alerter.app.filling import Filling, fill_fact
from alerter.app.settings import Filled
from alerter.core.answers import ContractAnswer, ContractsAnswer
from alerter.store import Store, StoredContract, migrate

NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture
def there(database_url: str) -> Iterator[tuple[Store, StoredContract]]:
    migrate.upgrade(database_url)
    store = Store(database_url)
    listed = ContractAnswer(
        id="c-1",
        start_at=datetime(2025, 3, 10, tzinfo=UTC),
        end_at=None,
        product="OPERATIONS_FILE",
        region=None,
        quota=None,
        extra={},
    )
    with store.write() as tx:
        tx.accounts.sync(["prod"], NOW)
        (stored,) = tx.usage.save_contracts("prod", ContractsAnswer(contracts=(listed,), complete=True), NOW)
    yield store, stored
    store.close()


def filled(store: Store, stored: StoredContract, filling: Filling, parts: list[int], seconds: float) -> None:
    for index, asked in enumerate(parts):
        with store.write() as tx:
            filling.keep(tx, asked, NOW)
        filling.tell(index * seconds)


def fact(store: Store, stored: StoredContract) -> tuple[int, int] | None:
    with store.read() as tx:
        kept = tx.journal.get(fill_fact(stored.key))
    return (kept["read"], kept["of"]) if kept else None


def test_each_part_counts_and_the_listener_hears_of_it(there: tuple[Store, StoredContract]) -> None:
    store, stored = there
    heard: list[Filled] = []
    filling = Filling(stored, left=30, of=40, is_small=False, told=heard.append)
    filled(store, stored, filling, [14, 14, 2], 1.0)
    assert [(one.read, one.of) for one in heard] == [(24, 40), (38, 40), (40, 40)]
    assert fact(store, stored) == (40, 40)


@pytest.mark.parametrize(("seconds", "most"), [(0.01, 11), (3.0, 11), (60.0, 26)])
def test_the_log_hears_every_tenth_or_every_ten_seconds(
    there: tuple[Store, StoredContract], caplog: pytest.LogCaptureFixture, seconds: float, most: int
) -> None:
    store, stored = there
    filling = Filling(stored, left=364, of=364, is_small=False, told=lambda _filled: None)
    with caplog.at_level(logging.INFO, "alerter.poll"):
        filled(store, stored, filling, [14] * 26, seconds)
    lines = [record.fields for record in caplog.records if record.name == "alerter.poll"]  # type: ignore[attr-defined]
    assert 2 < len(lines) <= most
    for before, after in pairwise(lines):
        assert after["read"] - before["read"] >= 0.1 * 364 or seconds * 14 >= 10


def test_a_small_fill_is_silent_unless_it_ends_a_large_one(there: tuple[Store, StoredContract]) -> None:
    store, stored = there
    heard: list[Filled] = []
    filled(store, stored, Filling(stored, left=2, of=30, is_small=True, told=heard.append), [2], 1.0)
    assert fact(store, stored) is None
    filled(store, stored, Filling(stored, left=30, of=30, is_small=False, told=heard.append), [14, 14], 1.0)
    assert fact(store, stored) == (28, 30)  # and then it was killed
    heard.clear()
    filled(store, stored, Filling(stored, left=2, of=30, is_small=True, told=heard.append), [2], 1.0)
    assert fact(store, stored) == (30, 30)
    assert heard == []
