"""Servers that keep to the documentation and still behave in ways of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli_world import Ran, run
from tests.plain_leaf import PlainContract, PlainLeaf, _day
from tests.sinks import HttpSink, Reply, http_sink

TODAY = date(2026, 5, 14)
START = date(2026, 3, 1)

CONFIG = """\
accounts:
  - {{name: prod, base_url: {url}, username: owner@example.com, password: {{env: LEAF_PASSWORD}}}}
contracts:
  - {{match: {{product: OPERATIONS_FILE}}, cap: 2000 acre}}
rules:
  - {{id: contract-cap, kind: contract_cap}}
  - {{id: user-cap, kind: user_cap, cap: 700 acre}}
channels:
  ops: {{url: "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", base_url: {slack}}}
database: state.db
"""


class StrictLeaf(PlainLeaf):
    """Refuses ranges that reach beyond what it knows, and says what it is told of days after a term."""

    refused: frozenset[str] = frozenset()  # of: before, future, long
    after_the_end = 200

    def _range(self, one: PlainContract, query: dict[str, list[str]], user: str | None) -> tuple[int, Any]:
        first, last = _day(query["startTime"][0]), _day(query["endTime"][0])
        wrong = {"before": first < one.start, "future": last > self.today, "long": (last - first).days > 31}
        if any(wrong[name] for name in self.refused):
            return 400, {"title": "Bad Request"}
        return super()._range(one, query, user)

    def _summary(self, one: PlainContract, query: dict[str, list[str]]) -> tuple[int, Any]:
        day = _day(query["timestamp"][0]) if "timestamp" in query else self.today
        if one.end and day >= one.end:
            nothing = {"areaUnit": one.unit, "date": f"{day}T00:00:00Z", "totalUniqueArea": 0.0, "leafUsersAreas": []}
            return self.after_the_end, nothing
        return super()._summary(one, query)


def usage(last: date, users: int = 3) -> dict[str, dict[date, float]]:
    days = [START + timedelta(days=n) for n in range((last - START).days + 1)]
    return {f"user-{n}": dict.fromkeys(days, 8.0 + n) for n in range(users)}


def billed(usage: dict[str, dict[date, float]]) -> float:
    return sum(sum(days.values()) for days in usage.values())


@dataclass
class Place:
    """A folder with a config for one server and one Slack."""

    folder: Path
    leaf: PlainLeaf
    slack: HttpSink
    env: dict[str, str | None] = field(default_factory=dict)

    def write(self, text: str = CONFIG) -> None:
        (self.folder / "alerter.yaml").write_text(text.format(url=self.leaf.url, slack=self.slack.url), "utf-8")

    def run(self, *args: str) -> Ran:
        config = str(self.folder / "alerter.yaml")
        return run(*args, env={"LEAF_PASSWORD": self.leaf.password, "ALERTER_CONFIG": config, **self.env})

    def once(self, at: str) -> Ran:
        self.leaf.today = date.fromisoformat(at[:10])
        return self.run("once", "--at", at)

    def contract(self, ident: str) -> Any:
        return next(one for one in self.run("status", "--format", "json").json["contracts"] if one["id"] == ident)

    def firing(self) -> set[tuple[str, float]]:
        alerts = self.run("alerts", "--format", "json").json["alerts"]
        return {(one["rule"], one["level"]) for one in alerts if one["status"] == "firing"}


@contextmanager
def place(folder: Path, leaf: PlainLeaf) -> Iterator[Place]:
    with leaf, http_sink() as slack:
        made = Place(folder, leaf, slack)
        made.write()
        yield made


@pytest.mark.parametrize("means", ["cumulative", "daily"])
@pytest.mark.parametrize("refused", [{"future"}, {"before"}, {"before", "future"}, {"long"}, {"long", "future"}])
def test_a_server_that_refuses_wide_ranges_is_read_all_the_same(tmp_path: Path, means: str, refused: set[str]) -> None:
    leaf = StrictLeaf([PlainContract("c", "OPERATIONS_FILE", START, None, usage(TODAY))], TODAY)
    leaf.summary_means, leaf.refused = means, frozenset(refused)
    with place(tmp_path, leaf) as here:
        ran = here.once("2026-05-14T12:00:00Z")
        assert ran.code == 0, ran.err
        found = here.contract("c")
        assert found["meaning"] == means
        assert found["used_billed"] == pytest.approx(billed(usage(TODAY)))
        assert found["used_unique"] == pytest.approx(0.9 * billed(usage(TODAY)))
        leaf.calls.clear()
        assert here.once("2026-05-14T12:30:00Z").code == 0
        assert len([call for call in leaf.calls if "/api-owner" in call]) == 1, "what was refused is not asked again"


@pytest.mark.parametrize("status", [200, 400, 404])
def test_what_a_server_says_of_days_after_a_term_is_not_the_terms(tmp_path: Path, status: int) -> None:
    end, last = TODAY, TODAY - timedelta(days=1)
    ended = PlainContract("old", "OPERATIONS_FILE", START, end, usage(last, users=2))
    ended.usage["user-0"][last - timedelta(days=2)] += 500.0
    leaf = StrictLeaf([ended], last)
    leaf.after_the_end = status
    with place(tmp_path, leaf) as here:
        assert here.once("2026-05-13T12:00:00Z").code == 0
        before, sent = here.firing(), len(here.slack.requests)
        assert before == {("contract-cap", 80.0), ("user-cap", 100.0)}
        assert sent == 2
        for day in (14, 15, 16):
            ran = here.once(f"2026-05-{day}T12:00:00Z")
            assert ran.code == 0, ran.err
            assert here.contract("old")["used_billed"] == pytest.approx(billed(ended.usage))
        assert (here.firing(), len(here.slack.requests)) == (before, sent)
        ended.usage["user-0"][last - timedelta(days=2)] -= 500.0  # a late correction
        for day in (17, 18):
            assert here.once(f"2026-05-{day}T12:00:00Z").code == 0
        assert here.firing() == {("contract-cap", 50.0)}, "corrections count until the days are final"


def test_a_contract_list_that_fails_keeps_no_contract_from_being_read(tmp_path: Path) -> None:
    leaf = PlainLeaf([PlainContract("c", "OPERATIONS_FILE", START, None, usage(TODAY))], TODAY)
    with place(tmp_path, leaf) as here:
        assert here.once("2026-05-14T10:00:00Z").code == 0
        leaf.status["/billing/contracts"] = 500
        leaf.contracts["c"].usage["user-0"][TODAY] += 300.0
        ran = here.once("2026-05-14T11:00:00Z")
        assert ran.code == 1
        assert "500" in ran.err
        assert here.contract("c")["used_billed"] == pytest.approx(billed(usage(TODAY)) + 300.0)
        assert ("user-cap", 100.0) in here.firing()


def test_alerts_of_what_the_config_lost_end_and_nothing_waits_for_a_channel_that_is_gone(tmp_path: Path) -> None:
    leaf = PlainLeaf([PlainContract("c", "OPERATIONS_FILE", START, None, usage(TODAY))], TODAY)
    with place(tmp_path, leaf) as here, http_sink() as gone:
        gone.replies = [Reply(404, b"no_service")]
        url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FR"
        here.write(CONFIG.replace("channels:\n", f'channels:\n  old: {{{{url: "{url}", base_url: {gone.url}}}}}\n'))
        for hour in (10, 11):
            here.once(f"2026-05-14T{hour}:00:00Z")
        assert ("channel_broken", 1.0) in here.firing()
        here.write(CONFIG.replace("name: prod", "name: live"))  # another account, and one channel less
        for hour in (12, 13):
            assert here.once(f"2026-05-14T{hour}:00:00Z").code == 0
        alerts = here.run("alerts", "--format", "json").json["alerts"]
        assert {one["account"] for one in alerts if one["status"] == "firing"} == {"live"}
        assert not [one for one in alerts if one["kind"] == "channel_broken" and one["status"] == "firing"]
        counts = here.run("outbox", "--format", "json").json["counts"]
        assert (counts["pending"], counts["sending"]) == (0, 0)
