"""The reference's own examples, served over HTTP, read by the client, stored and read back: nothing is lost or bent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import numpy as np
import pytest

from alerter.core.answers import SummaryAnswer, UserAnswer
from alerter.core.area import Unit
from alerter.leaf import LeafClient, Token
from alerter.store import Store
from tests.leaf_server import Answer, LeafServer, said

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
CONTRACT = b"""{
  "id": "unique id",
  "product": "FIELDS_BOUNDARY",
  "startDate": "2023-01-01T00:00:00Z",
  "endDate": "2024-01-01T00:00:00Z",
  "region": null
}"""
SUMMARY = b"""{
  "areaUnit": "Acre",
  "date": "2024-01-15T00:00:00Z",
  "totalUniqueArea": 0.8,
  "leafUsersAreas": [
    {
      "leafUserId": "uuid1",
      "totalArea": 0.6
    },
    {
      "leafUserId": "uuid2",
      "totalArea": 0.4
    }
  ]
}"""
OWNER_RANGE = b"""{
  "areaUnit": "Acre",
  "areaPerDay": [
    {
      "date": "2024-01-02T00:00:00Z",
      "totalArea": 90.0,
      "dailyArea": 65.0
    },
    {
      "date": "2024-01-03T00:00:00Z",
      "totalArea": 90.0,
      "dailyArea": 0.0
    }
  ]
}"""
USER_RANGE = OWNER_RANGE.replace(b"90.0", b"0.6").replace(b"65.0", b"0.6")


@pytest.fixture
def server() -> Iterator[LeafServer]:
    with LeafServer() as running:
        yield running


@pytest.fixture
def client(server: LeafServer) -> Iterator[LeafClient]:
    made = LeafClient(
        base_url=server.url,
        credentials=Token("tok"),
        monotonic=time.monotonic,
        now=lambda: NOW,
        wait=lambda _: False,
        deadline=5.0,
    )
    yield made
    made.close()


def test_the_contract_list_and_one_contract(server: LeafServer, client: LeafClient, store: Store) -> None:
    server.script(Answer(b"[" + CONTRACT + b"]"), Answer(CONTRACT))
    listed = client.fetch_contracts()
    details = client.fetch_contract("unique id")
    with store.write() as tx:
        tx.accounts.sync(["prod"], NOW)
        tx.usage.save_contracts("prod", listed, NOW)
    with store.read() as tx:
        (stored,) = tx.usage.contracts("prod")
    kept = stored.contract
    assert listed.complete
    assert listed.contracts == (details,)
    assert (kept.id, kept.product, kept.region) == ("unique id", "FIELDS_BOUNDARY", None)
    assert (kept.start_at, kept.end_at) == (datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    assert kept.quota is None


def test_the_daily_summary(server: LeafServer, client: LeafClient, store: Store) -> None:
    key = contract_key(server, client, store)
    server.script(Answer(SUMMARY))
    answer = client.fetch_summary("unique id", date(2024, 1, 15))
    assert isinstance(answer, SummaryAnswer)
    with store.write() as tx:
        snapshot = tx.usage.add_snapshot(key, NOW, NOW.date())
        assert tx.usage.add_summary(snapshot, key, answer)
    with store.read() as tx:
        usage = tx.usage.usage(key, snapshot, date(2024, 1, 1))
    assert usage.days.tolist() == [date(2024, 1, 15).toordinal()]
    assert list(usage.units) == [Unit.ACRE]
    assert (usage.unique.tolist(), usage.user_sum.tolist()) == ([0.8], [1.0])
    assert usage.user_ids == ("uuid1", "uuid2")
    np.testing.assert_array_equal(usage.user_areas, [[0.6], [0.4]])


def test_the_organisations_range(server: LeafServer, client: LeafClient, store: Store) -> None:
    key = contract_key(server, client, store)
    server.script(Answer(OWNER_RANGE))
    answer = client.fetch_owner_range("unique id", date(2024, 1, 1), date(2024, 1, 31))
    with store.write() as tx:
        snapshot = tx.usage.add_snapshot(key, NOW, NOW.date())
        assert tx.usage.add_owner_range(snapshot, key, answer) == (date(2024, 1, 2), date(2024, 1, 3))
    with store.read() as tx:
        usage = tx.usage.usage(key, snapshot, date(2024, 1, 1))
        days = tx.usage.owner_days(key)
    assert usage.owner_total.tolist() == [90.0, 90.0]
    assert usage.owner_daily.tolist() == [65.0, 0.0]
    assert days[date(2024, 1, 2)] == (90.0, 65.0, Unit.ACRE)


def test_one_users_range(server: LeafServer, client: LeafClient) -> None:
    server.script(Answer(USER_RANGE))
    answer = client.fetch_user_range("unique id", "uuid1", date(2024, 1, 1), date(2024, 1, 31))
    assert answer.unit is Unit.ACRE
    assert [(one.day, one.total_area, one.daily_area) for one in answer.days] == [
        (date(2024, 1, 2), 0.6, 0.6),
        (date(2024, 1, 3), 0.6, 0.0),
    ]


def test_leaf_users(server: LeafServer, client: LeafClient, store: Store) -> None:
    server.script(said([{"id": "uuid1", "name": "Prairie Co-op", "email": None, "externalId": "x-1"}]))
    users = client.fetch_users()
    with store.write() as tx:
        tx.accounts.sync(["prod"], NOW)
        tx.usage.save_users("prod", users, NOW)
    with store.read() as tx:
        assert tx.usage.user_names("prod") == {"uuid1": "Prairie Co-op"}
    assert users == (UserAnswer(id="uuid1", name="Prairie Co-op", external_id="x-1"),)


def contract_key(server: LeafServer, client: LeafClient, store: Store) -> int:
    server.script(Answer(b"[" + CONTRACT + b"]"))
    listed = client.fetch_contracts()
    with store.write() as tx:
        tx.accounts.sync(["prod"], NOW)
        (stored,) = tx.usage.save_contracts("prod", listed, NOW)
    return stored.key
