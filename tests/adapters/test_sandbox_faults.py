"""Faults on purpose: each does on the wire what its name says, and only where its rule says so."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from alerter.sandbox import FaultRule, SandboxClock, SandboxServer, Scenario

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
BILLING = "/services/billingapplication/api/billing/contracts"
USERS = "/services/usermanagement/api/users"
SUMMARY = f"{BILLING}/ops-1/consumption"
RANGE = f"{SUMMARY}/api-owner?startTime=2026-02-20T00:00:00.000Z&endTime=2026-03-09T00:00:00.000Z"
SCENARIO = Scenario.model_validate(
    {
        "start": START,
        "users": {"count": 30, "named": [{"name": "Ann", "id": "ann"}]},
        "contracts": [
            {"name": "ops", "product": "OPERATIONS_FILE", "start": -40, "end": 100, "id": "ops-1"},
            {"name": "sat", "product": "SATELLITE_PROCESS_PLANET", "start": -40, "end": 100, "id": "sat-1"},
        ],
    }
)


class Wire:
    """Calls with the plainest client there is: no decoding, no redirects, no retries."""

    def __init__(self) -> None:
        self.clock = SandboxClock(START)
        self.server = SandboxServer(SCENARIO, clock=self.clock).start()
        self.token = self.server.token()

    def fault(self, **rule: Any) -> None:
        self.server.faults.add(FaultRule.model_validate(rule))

    def get(self, path: str = SUMMARY) -> tuple[int, dict[str, str], bytes]:
        host = self.server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def document(self, path: str = SUMMARY) -> Any:
        return json.loads(self.get(path)[2])


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.server.stop()


# ------------------------------------------------------------------ which requests
@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        ({}, [BILLING, SUMMARY, USERS]),
        ({"path": "*/consumption"}, [SUMMARY]),
        ({"path": "/services/usermanagement/*"}, [USERS]),
        ({"contract": "ops"}, [SUMMARY]),
        ({"contract": "ops-1"}, [SUMMARY]),
        ({"contract": "sat"}, []),
        ({"method": "POST"}, []),
        ({"until": "2026-03-02T12:00:00Z"}, []),
        ({"from": "2026-03-02T12:00:00Z", "until": "2026-03-02T12:00:01Z"}, [BILLING, SUMMARY, USERS]),
    ],
)
def test_a_rule_hits_what_it_names(wire: Wire, rule: dict[str, Any], hit: list[str]) -> None:
    wire.fault(effect="status", status=503, **rule)
    assert [path for path in (BILLING, SUMMARY, USERS) if wire.get(path)[0] == 503] == hit


@pytest.mark.parametrize(
    ("rule", "statuses"),
    [
        ({"nth": 2}, [200, 500, 200, 200]),
        ({"every": 2}, [200, 500, 200, 500]),
        ({"times": 1}, [500, 200, 200, 200]),
        ({"probability": 0}, [200, 200, 200, 200]),
    ],
)
def test_a_rule_counts(wire: Wire, rule: dict[str, Any], statuses: list[int]) -> None:
    wire.fault(effect="status", **rule)
    assert [wire.get()[0] for _ in range(4)] == statuses


def test_chance_is_the_same_for_the_same_seed() -> None:
    runs = []
    for _ in range(2):
        wire = Wire()
        wire.fault(effect="status", probability=0.5)
        runs.append([wire.get()[0] for _ in range(24)])
        wire.server.stop()
    assert runs[0] == runs[1]
    assert {200, 500} == set(runs[0])


def test_faults_of_the_scenario_are_in_force_from_the_start() -> None:
    scenario = Scenario.model_validate(
        {**SCENARIO.model_dump(), "faults": [{"effect": "no_content", "path": "*/users"}]}
    )
    with SandboxServer(scenario, clock=SandboxClock(START)) as server:
        assert [each["rule"]["effect"] for each in server.faults.document()] == ["no_content"]


def test_several_faults_add_up(wire: Wire) -> None:
    wire.fault(effect="duplicate_days")
    wire.fault(effect="unit", value="Furlong")
    document = wire.document()
    assert document["areaUnit"] == "Furlong"
    assert document["leafUsersAreas"][0] == document["leafUsersAreas"][1]


# ------------------------------------------------------------------ answers
def test_a_status_comes_with_its_headers(wire: Wire) -> None:
    wire.fault(effect="status", status=429, headers={"Retry-After": "-5"}, body="slow down")
    status, headers, body = wire.get()
    assert (status, headers["Retry-After"], body) == (429, "-5", b"slow down")


def test_an_empty_answer_a_204_a_page_and_a_redirect(wire: Wire) -> None:
    answers = {}
    for effect in ("empty", "no_content", "html", "redirect"):
        wire.fault(effect=effect, times=1)
        answers[effect] = wire.get()
    assert (answers["empty"][0], answers["empty"][2]) == (200, b"")
    assert (answers["no_content"][0], answers["no_content"][2]) == (204, b"")
    assert answers["html"][1]["Content-Type"].startswith("text/html")
    assert answers["redirect"][1]["Location"] == "http://198.51.100.1/"


def test_a_truncated_body_is_a_whole_answer_of_broken_json(wire: Wire) -> None:
    whole = wire.get()[2]
    wire.fault(effect="truncate", at=0.5)
    body = wire.get()[2]
    assert body == whole[: len(whole) // 2]
    with pytest.raises(ValueError, match="line 1"):
        json.loads(body)


def test_bodies_can_be_replaced_and_framed(wire: Wire) -> None:
    whole = wire.get()[2]
    wire.fault(effect="prefix", body="\ufeff")
    wire.fault(effect="suffix", body="]]")
    assert wire.get()[2] == b"\xef\xbb\xbf" + whole + b"]]"
    wire.fault(effect="body", body='{"other": 1}')
    wire.fault(effect="headers", headers={"Content-Type": "text/plain; charset=utf-16", "Date": ""})
    _, headers, body = wire.get()
    assert (body, headers["Content-Type"]) == (b'{"other": 1}', "text/plain; charset=utf-16")


def test_a_gzip_bomb_is_small_on_the_wire_and_huge_inside(wire: Wire) -> None:
    wire.fault(effect="gzip_bomb", size=30_000_001)
    _, headers, body = wire.get()
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < 100_000
    assert len(gzip.decompress(body)) == 30_000_001


def test_a_flood_is_sent_in_full(wire: Wire) -> None:
    whole = wire.get()[2]
    wire.fault(effect="flood", size=5_000_000)
    assert wire.get()[2] == whole + b" " * 5_000_000


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-5", '"12"', "true", "null", "1e999", "9" * 5000, "[" * 2000])
def test_a_bad_number_stands_in_the_document_as_given(wire: Wire, value: str) -> None:
    wire.fault(effect="bad_number", value=value)
    assert f'"totalUniqueArea":{value},"leafUsersAreas"'.encode() in wire.get()[2]


def test_a_bad_number_can_be_put_into_one_field(wire: Wire) -> None:
    wire.fault(effect="bad_number", value="-1", field="totalArea")
    document = wire.document()
    assert document["leafUsersAreas"][0]["totalArea"] == -1
    assert document["totalUniqueArea"] > 0


def test_a_key_can_be_there_twice(wire: Wire) -> None:
    wire.fault(effect="duplicate_keys", value="7")
    assert wire.get()[2].count(b'"totalUniqueArea"') == 2


# ------------------------------------------------------------------ documents
def test_days_can_be_doubled_shuffled_dropped_and_ahead_of_time(wire: Wire) -> None:
    days = wire.document(RANGE)["areaPerDay"]
    seen = {}
    for effect in ("duplicate_days", "shuffle_days", "drop_days", "future_day", "offset_dates"):
        wire.server.faults.clear()
        wire.fault(effect=effect)
        seen[effect] = wire.document(RANGE)["areaPerDay"]
    assert seen["duplicate_days"][::2] == seen["duplicate_days"][1::2] == days
    assert seen["shuffle_days"] != days
    assert sorted(seen["shuffle_days"], key=lambda day: day["date"]) == days
    assert (len(days), len(seen["drop_days"])) == (11, 7)
    assert seen["future_day"][-1]["date"] == "2036-01-01T00:00:00Z"
    assert seen["offset_dates"][0]["date"] == "2026-02-20T02:00:00+02:00"


def test_areas_can_fall_contradict_and_change_unit(wire: Wire) -> None:
    before = wire.document(RANGE)["areaPerDay"][0]
    wire.fault(effect="scale", factor=0.5)
    assert wire.document(RANGE)["areaPerDay"][0]["totalArea"] == before["totalArea"] / 2
    wire.fault(effect="contradict")
    day = wire.document(RANGE)["areaPerDay"][0]
    assert day["dailyArea"] > day["totalArea"]


def test_unknown_fields_can_be_everywhere(wire: Wire) -> None:
    wire.fault(effect="extra_fields")
    for path in (BILLING, SUMMARY, RANGE, USERS):
        document = wire.document(path)
        rows = (
            document
            if isinstance(document, list)
            else [document, *document.get("areaPerDay", document.get("leafUsersAreas"))]
        )
        assert all("somethingNew" in row for row in rows), path


def test_a_contract_and_a_user_can_vanish_everywhere(wire: Wire) -> None:
    wire.fault(effect="vanish", value="ops-1")
    wire.fault(effect="vanish", value="ann")
    assert [each["id"] for each in wire.document(BILLING)] == ["sat-1"]
    assert wire.get(SUMMARY)[0] == 404
    assert wire.get(f"{USERS}/ann")[0] == 404
    assert b'"ann"' not in wire.get(USERS)[2]
    assert b'"ann"' not in wire.get(f"{BILLING}/sat-1/consumption")[2]


def test_pages_can_loop_lie_shift_and_point_elsewhere(wire: Wire) -> None:
    whole = wire.document(USERS)
    wire.fault(effect="page_shift")
    assert wire.document(USERS) == [whole[0], *whole[:-1]]
    wire.fault(effect="page_loop")
    wire.fault(effect="page_total", value="-3")
    headers = wire.get(f"{USERS}?page=1")[1]
    assert 'page=0&size=20>; rel="next"' in headers["Link"]
    assert headers["X-Total-Count"] == "-3"
    wire.fault(effect="page_foreign", location="http://127.0.0.1:1/users?page=1")
    assert wire.get(USERS)[1]["Link"] == '<http://127.0.0.1:1/users?page=1>; rel="next"'


def test_tokens_can_expire_at_once(wire: Wire) -> None:
    wire.fault(effect="expire_tokens", nth=2)
    assert [wire.get()[0] for _ in range(3)] == [200, 401, 401]
    wire.token = wire.server.token()
    assert wire.get()[0] == 200


# ------------------------------------------------------------------ transport
@pytest.mark.parametrize("at", [0.0, 0.5, 0.95])
def test_a_reset_cuts_the_connection_and_the_next_call_works(wire: Wire, at: float) -> None:
    wire.fault(effect="reset", at=at, times=1)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        wire.get()
    assert wire.get()[0] == 200
    assert [record.status for record in wire.server.requests] == [0, 200]


def test_latency_delays_the_answer(wire: Wire) -> None:
    wire.fault(effect="latency", seconds=0.3)
    began = time.monotonic()
    assert wire.get()[0] == 200
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_trickle_is_slow_but_whole(wire: Wire, part: str) -> None:
    whole = wire.get(f"{BILLING}/ops-1")
    wire.fault(effect="trickle", seconds=0.001, value=part)
    began = time.monotonic()
    assert wire.get(f"{BILLING}/ops-1")[2] == whole[2]
    assert time.monotonic() - began >= 0.001 * len(whole[2])


@pytest.mark.parametrize(
    "rule",
    [{"effect": "latency", "seconds": 60}, {"effect": "trickle", "seconds": 5}, {"effect": "flood", "size": 2**32}],
)
def test_stop_does_not_wait_for_slow_answers(rule: dict[str, Any]) -> None:
    wire = Wire()
    wire.fault(**rule)
    failed = threading.Event()

    def ask() -> None:
        try:
            wire.get()
        except (OSError, http.client.HTTPException):
            failed.set()

    client = threading.Thread(target=ask)
    client.start()
    while not wire.server.requests:
        time.sleep(0.01)
    time.sleep(0.1)
    began = time.monotonic()
    wire.server.stop()
    assert time.monotonic() - began < 3
    client.join(10)
    assert failed.is_set()


def test_a_client_that_hangs_up_disturbs_nobody(wire: Wire, capfd: pytest.CaptureFixture[str]) -> None:
    wire.fault(effect="flood", size=2**30, times=1)
    connection = http.client.HTTPConnection(wire.server.url.removeprefix("http://"), timeout=10)
    connection.request("GET", SUMMARY, headers={"Authorization": f"Bearer {wire.token}"})
    connection.close()
    assert wire.get()[0] == 200
    assert capfd.readouterr().err == ""
