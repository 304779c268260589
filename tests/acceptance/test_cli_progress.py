"""What `alerter status` says of work under way: history being read, and the calls that polls cost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from tests.cli_world import START, World, world

AT = ("--at", (START + timedelta(hours=1)).isoformat())


@pytest.fixture
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("progress")) as made:
        assert made.once(START).code == 0
        yield made


def test_calls_are_counted_by_endpoint_of_the_last_poll_and_in_all(polled: World) -> None:
    (first,) = polled.run("status", *AT, "--format", "json").json["accounts"]
    assert sum(one["last"] for one in first["calls"]) == first["calls_last"]
    assert {one["endpoint"] for one in first["calls"]} >= {"authenticate", "contracts", "summary", "owner_range"}
    assert polled.once(START + timedelta(minutes=30)).code == 0
    (second,) = polled.run("status", *AT, "--format", "json").json["accounts"]
    assert sum(one["total"] for one in second["calls"]) == second["calls_total"] > second["calls_last"]
    by_endpoint = {one["endpoint"]: one for one in second["calls"]}
    assert by_endpoint["summary"]["last"] == 2, "today's, of each of two contracts"
    text = " ".join(polled.run("status", *AT).out.split())
    assert f"summary 2 / {by_endpoint['summary']['total']}" in text


@pytest.mark.parametrize("columns", [60, 80])
def test_a_history_that_is_being_read_says_how_far_it_is(polled: World, columns: int) -> None:
    done = polled.run("status", *AT, "--format", "json").json["contracts"]
    assert all(one["fill"]["read"] == one["fill"]["of"] > 14 for one in done)
    assert "history" not in polled.run("status", *AT).out
    with closing(sqlite3.connect(polled.database)) as connection, connection:
        fact = json.dumps({"read": 14, "of": 29, "at": START.isoformat()})
        connection.execute("UPDATE journal SET value = ? WHERE key = 'fill/1'", (fact,))
    out = polled.run("status", *AT, columns=columns).out
    assert "history prod OPERATIONS_FILE (US): 14 of 29 days read" in " ".join(out.split())
    assert max(len(line) for line in out.splitlines()) <= columns
    assert "history read: 14 of 29 days" in " ".join(polled.run("contracts", *AT).out.split())
