"""What the rules say, through the real command: a server that is not our sandbox, a config, `alerter once`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.plain_leaf import PlainContract, PlainLeaf
from tests.program import Program

TODAY = date(2026, 5, 14)
START = date(2026, 2, 1)
HEAD = """\
accounts: [{{name: prod, base_url: "{url}", username: owner@example.com, password: {{env: LEAF_PASSWORD}}}}]
channels: {{screen: {{url: "console://"}}}}
database: state.db
"""


def usage() -> dict[str, dict[date, float]]:
    """A steady day's work of two users; one imports 400 acres on the last day."""
    days = [START + timedelta(days=n) for n in range((TODAY - START).days + 1)]
    return {"u-1": dict.fromkeys(days, 20.0), "u-2": dict.fromkeys(days, 10.0) | {TODAY: 400.0}}


@pytest.fixture
def leaf() -> Iterator[PlainLeaf]:
    term = PlainContract("c-1", "OPERATIONS_FILE", START, date(2027, 2, 1), usage(), region="US")
    with PlainLeaf([term], TODAY, names={"u-2": "Prairie Co-op"}) as server:
        yield server


@pytest.fixture
def program(tmp_path: Path, leaf: PlainLeaf) -> Program:
    return Program(tmp_path, {"LEAF_PASSWORD": leaf.password})


def alerts(program: Program, leaf: PlainLeaf, text: str, day: date = TODAY, hour: int = 12) -> dict[str, Any]:
    """Run one cycle with a config and return the alerts by rule and user."""
    program.write(HEAD.format(url=leaf.url) + text)
    ran = program.run("once", "--at", f"{day}T{hour}:00:00Z")
    assert ran.code == 0, ran.err
    found = program.json("alerts", "--all")["alerts"]
    return {one["rule"] + (f"/{one['user']['id']}" if one["user"] else ""): one for one in found}


def test_planned_activity_mutes_the_spike_and_leaves_the_cap(program: Program, leaf: PlainLeaf) -> None:
    rules = """\
rules:
  - {id: spike, kind: daily_spike}
  - {id: user-spike, kind: daily_spike, scope: user}
  - {id: cap, kind: contract_cap, cap: 3000 acre}
"""
    fired = alerts(program, leaf, rules)
    assert {name for name, one in fired.items() if one["status"] == "firing"} == {"spike", "user-spike/u-2", "cap"}
    planned = 'planned: [{from: 2026-05-10, to: 2026-05-24, user: "Prairie Co-op", reason: onboarding}]\n'
    muted = alerts(program, leaf, rules + planned, hour=13)
    assert muted["user-spike/u-2"]["status"] == "closed"
    assert (muted["spike"]["status"], muted["cap"]["status"]) == ("firing", "firing")
    everybody = planned.replace('user: "Prairie Co-op"', "product: OPERATIONS_*")
    muted = alerts(program, leaf, rules + everybody, hour=14)
    assert (muted["spike"]["status"], muted["cap"]["status"]) == ("closed", "firing")
    back = alerts(program, leaf, rules, hour=15)
    assert back["spike"]["status"] == "firing"


def test_planting_is_no_spike_once_the_previous_term_is_stored(tmp_path: Path) -> None:
    rules = "rules: [{id: spike, kind: daily_spike}, {id: plain, kind: daily_spike, method: active}]\n"
    begin = START - timedelta(days=365)
    planting = TODAY - timedelta(days=365)
    before = {begin + timedelta(days=n): 10.0 for n in range(365)} | {planting: 900.0}
    now = {START + timedelta(days=n): 10.0 for n in range((TODAY - START).days)} | {TODAY: 1000.0}
    terms = [
        PlainContract("c-0", "OPERATIONS_FILE", begin, START, {"u-1": before}, region="US"),
        PlainContract("c-1", "OPERATIONS_FILE", START, date(2027, 2, 1), {"u-1": now}, region="US"),
    ]
    with PlainLeaf(terms, START) as server:
        program = Program(tmp_path, {"LEAF_PASSWORD": server.password})
        alerts(program, server, rules, START)  # while the old term's last days can still change
        server.today = TODAY
        found = alerts(program, server, rules)
    assert found["plain"]["status"] == "firing"
    assert "spike" not in found, found["spike"]["figures"]["method_reason"]


def test_score_detect_finds_what_the_rule_finds(tmp_path: Path) -> None:
    values = [10.0, 11.0, 9.0, 10.0, 12.0, 8.0, 10.0] * 8 + [10.0, 40.0, 10.0]
    document = {"kind": "detect", "series": [{"id": "a", "values": values}, {"id": "b", "values": []}]}
    program = Program(tmp_path)
    ran = subprocess.run(
        program.command("score", "detect"), input=json.dumps(document), capture_output=True, text=True, timeout=60,
        check=False, cwd=tmp_path, env=program.environment(),
    )  # fmt: skip
    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"alarms": {"a": [57], "b": []}})


def test_score_forecast_says_what_a_term_will_come_to(tmp_path: Path) -> None:
    task = {"id": "a", "start": "2026-01-01", "history": [10.0] * 120, "term_start": 0, "term_days": 365, "cap": 2000}
    program = Program(tmp_path)
    ran = subprocess.run(
        program.command("score", "forecast"), input=json.dumps({"kind": "forecast", "tasks": [task]}),
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=program.environment(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)["forecasts"]["a"]
    assert found["p10"] < found["total"] < found["p90"]
    assert (found["exhaust_day"], found["p_exhaust"] > 0.99) == (199, True)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"series": 3}', '{"series": [{"id": "a"}]}', '{"series": [{"values": [true]}]}']
)
def test_score_answers_what_is_no_series_with_a_line(tmp_path: Path, text: str) -> None:
    program = Program(tmp_path)
    ran = subprocess.run(
        program.command("score", "detect"), input=text, capture_output=True, text=True, timeout=60, check=False,
        cwd=tmp_path, env=program.environment(),
    )  # fmt: skip
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_a_cap_that_will_not_last_is_forecast_until_it_is_reached(program: Program, leaf: PlainLeaf) -> None:
    text = "rules: [{{id: forecast, kind: exhaustion, cap: {} acre}}]\n"
    leaf.contracts["c-1"].usage["u-2"].pop(TODAY)
    assert alerts(program, leaf, text.format(20_000)) == {}
    found = alerts(program, leaf, text.format(9000), hour=13)["forecast"]
    assert (found["status"], found["level"]) == ("firing", 90)
    assert found["figures"]["probability_percent"] > 90
    assert 10_000 < found["figures"]["total"] < 11_000
    assert alerts(program, leaf, text.format(2000), hour=14)["forecast"]["status"] == "closed"
