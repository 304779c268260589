"""The sandbox's clock and its endpoints under /_sandbox/."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from alerter.sandbox import SandboxClock, SandboxServer, demo_scenario

START = datetime(2026, 3, 2, tzinfo=UTC)


class Ticks:
    """Real time in the tests' hands."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(demo_scenario(), clock=SandboxClock(START)) as running:
        yield running


def ask(server: SandboxServer, method: str, what: str, body: Any = None) -> requests.Response:
    return requests.request(method, f"{server.url}/_sandbox/{what}", json=body, timeout=10)


# ------------------------------------------------------------------ the clock itself
def test_a_clock_stands_until_told_otherwise() -> None:
    ticks = Ticks()
    clock = SandboxClock(START, monotonic=ticks)
    ticks.now += 50
    assert clock() == START
    assert clock.advance(timedelta(hours=2)) == clock() == START + timedelta(hours=2)
    assert clock.set(START - timedelta(days=9)) == clock() == START - timedelta(days=9)


def test_a_fast_clock_keeps_its_instant_when_the_speed_changes() -> None:
    ticks = Ticks()
    clock = SandboxClock(START, speed=3600, monotonic=ticks)
    ticks.now += 2
    assert clock() == START + timedelta(hours=2)
    clock.run_at(60)
    ticks.now += 1
    assert clock() == START + timedelta(hours=2, minutes=1)
    clock.run_at(0)
    ticks.now += 9
    assert (clock(), clock.speed) == (START + timedelta(hours=2, minutes=1), 0)


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        SandboxClock(START, speed=speed)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        SandboxClock(datetime(2026, 3, 2))  # noqa: DTZ001 -- the point of the test


# ------------------------------------------------------------------ over HTTP
def test_the_clock_is_read_set_advanced_and_sped_up(server: SandboxServer) -> None:
    assert ask(server, "GET", "clock").json() == {"now": "2026-03-02T00:00:00+00:00", "speed": 0.0}
    assert ask(server, "POST", "clock", {"set": "2026-04-01T06:00:00Z"}).json()["now"] == "2026-04-01T06:00:00+00:00"
    assert ask(server, "POST", "clock", {"advance": "1d"}).json()["now"] == "2026-04-02T06:00:00+00:00"
    assert ask(server, "POST", "clock", {"advance": 60}).json()["now"] == "2026-04-02T06:01:00+00:00"
    assert ask(server, "POST", "clock", {"speed": 10}).json()["speed"] == 10


@pytest.mark.parametrize(
    "body", [{}, {"set": "noon"}, {"set": "2026-03-02T00:00:00"}, {"advance": "soon"}, {"speed": -1}, {"jump": 1}, []]
)
def test_a_clock_command_that_makes_no_sense_is_400(server: SandboxServer, body: Any) -> None:
    assert ask(server, "POST", "clock", body).status_code == 400


def test_a_clock_of_the_callers_cannot_be_set() -> None:
    with SandboxServer(demo_scenario(), clock=lambda: START) as server:
        assert ask(server, "GET", "clock").json()["now"] == "2026-03-02T00:00:00+00:00"
        assert ask(server, "POST", "clock", {"advance": 1}).status_code == 409


def test_faults_are_added_listed_and_taken_back(server: SandboxServer) -> None:
    first = ask(server, "POST", "faults", {"effect": "status", "status": 503, "path": "*/users*"}).json()["id"]
    second = ask(server, "POST", "faults", {"effect": "latency", "seconds": 0}).json()["id"]
    listed = ask(server, "GET", "faults").json()
    assert [each["id"] for each in listed] == [first, second]
    assert listed[0] == {
        "id": first, "rule": {"effect": "status", "status": 503, "path": "*/users*"}, "matched": 0, "fired": 0,
    }  # fmt: skip
    assert ask(server, "DELETE", f"faults/{first}").status_code == 200
    assert ask(server, "DELETE", f"faults/{first}").status_code == 404
    assert ask(server, "DELETE", "faults").status_code == 200
    assert ask(server, "GET", "faults").json() == []


def test_a_fault_that_makes_no_sense_is_400_and_says_why(server: SandboxServer) -> None:
    answer = ask(server, "POST", "faults", {"effect": "explode"})
    assert answer.status_code == 400
    assert "effect" in answer.json()["detail"]


def test_requests_are_listed_without_those_to_the_sandbox_itself(server: SandboxServer) -> None:
    requests.get(f"{server.url}/services/usermanagement/api/users", timeout=10)
    (record,) = ask(server, "GET", "requests").json()
    assert record == {
        "method": "GET", "path": "/services/usermanagement/api/users", "query": "", "status": 401,
        "at": "2026-03-02T00:00:00+00:00",
    }  # fmt: skip
    ask(server, "DELETE", "requests")
    assert ask(server, "GET", "requests").json() == []


def test_the_truth_agrees_with_the_answers(server: SandboxServer) -> None:
    ask(server, "POST", "clock", {"advance": "12h"})
    contract = ask(server, "GET", "truth").json()[0]
    answer = requests.get(
        f"{server.url}/services/billingapplication/api/billing/contracts/{contract['id']}/consumption",
        headers={"Authorization": f"Bearer {server.token()}"},
        timeout=10,
    ).json()
    today = contract["days"][-1]
    assert today["date"] == "2026-03-02"
    assert today["unique_total"] == answer["totalUniqueArea"]
    assert today["billed_total"] == pytest.approx(sum(user["totalArea"] for user in answer["leafUsersAreas"]))
    assert today["billed"] < today["billed_final"]


@pytest.mark.parametrize("what", ["", "nothing", "clock/now", "truth/x", "faults/1/2"])
def test_the_sandbox_knows_nothing_else(server: SandboxServer, what: str) -> None:
    assert ask(server, "GET", what).status_code == 404
