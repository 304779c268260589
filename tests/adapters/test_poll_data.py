"""What hostile, odd and contradictory answers do to the stored history: nothing is repaired, everything is noticed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alerter.core.area import Unit
from alerter.errors import LeafMalformed, LeafUnavailable
from tests.leaf_server import LeafServer
from tests.plain_leaf import PlainContract, PlainLeaf
from tests.poll_world import (
    DAY,
    FIELDS,
    LIST,
    OPS,
    OWNER,
    PASSWORD,
    QUARTER,
    START,
    SUMMARY,
    PollWorld,
    SandboxWorld,
    figures,
    same,
    story,
)

YESTERDAY = START.date() - DAY


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[SandboxWorld]:
    with SandboxWorld(database_url, tmp_path, story()) as made:
        made.good()
        yield made


def errors(outcome: Any) -> dict[str, Exception | None]:
    return {one.contract.contract.id: one.error for one in outcome.poll.contracts}


# ------------------------------------------------------------------ numbers and structure
BAD = ["NaN", "Infinity", "1e999", "-5", '"12"', "true", "null", "9" * 5000, "[[[[1]]]]"]


def test_f30_what_is_no_area_is_refused_and_the_last_good_figure_stays(world: SandboxWorld) -> None:
    before = figures(world.history())
    for path in (SUMMARY, OWNER):
        for value in BAD:
            with world.faulty("bad_number", value=value, path=path, contract=OPS):
                found = errors(world.poll(after=timedelta(minutes=1)))
            assert isinstance(found[OPS], LeafMalformed), (path, value)
            assert found[FIELDS] is None
    for more in (
        {"effect": "duplicate_keys", "value": "1"},
        {"effect": "body", "body": "[" * 200_000},
        {"effect": "body", "body": '{"areaUnit": "Furlong", "date": "2026-03-10", "totalUniqueArea": 1}'},
    ):
        with world.faulty(**more, path=SUMMARY, contract=OPS):
            found = errors(world.poll(after=timedelta(minutes=1)))
        assert isinstance(found[OPS], LeafMalformed), more
    same(before, figures(world.history()))
    assert [one.contract_id for one in world.alerts("bad_data")] == [OPS]
    assert len(world.events("refused")) == 1, "one event while it lasts, however often and however it is said"
    world.good(after=QUARTER)
    assert world.alerts("bad_data") == []
    world.is_true()


def test_f31_order_and_repetition_of_days_and_users_change_nothing(world: SandboxWorld) -> None:
    for effect in ("shuffle_days", "duplicate_days", "offset_dates", "extra_fields"):
        with world.faulty(effect, path="*/consumption*"):
            world.good(after=timedelta(hours=13))
            world.is_true()
            world.is_true(FIELDS)
    assert world.standing() == []


def test_f31_a_day_that_has_not_come_is_ignored_and_flagged(world: SandboxWorld) -> None:
    with world.faulty("future_day", path=OWNER, contract=OPS):
        world.good(after=QUARTER)
        world.good(after=QUARTER)
        assert [(one.what, one.contract_id) for one in world.standing("refused")] == [("future_days", OPS)]
        assert [one.contract_id for one in world.alerts("bad_data")] == [OPS]
        world.is_true()
        assert world.history().today == START.date()
    world.good(after=QUARTER)
    assert world.standing() == []


def test_f31_a_missing_day_is_a_gap_and_comes_late_without_a_trace(database_url: str, tmp_path: Path) -> None:
    event = {"kind": "missing_day", "contract": "ops", "day": YESTERDAY, "until": START.date() + 2 * DAY}
    with SandboxWorld(database_url, tmp_path, story(events=[event])) as world:
        world.good()
        history = world.history()
        index = history.index_of(YESTERDAY)
        assert index is not None
        for series in (history.billed_daily, history.unique_daily):
            assert np.isnan(series[index]), "a gap, not a zero"
        assert np.isnan(history.billed_daily[index + 1]), "what spans two days is no day's figure"
        world.good(after=2 * DAY)
        world.is_true()


def test_f31_a_day_said_twice_with_different_figures_is_refused(world: SandboxWorld) -> None:
    body = """{"areaUnit": "Acre", "areaPerDay": [
        {"date": "2026-03-09T00:00:00Z", "totalArea": 5.0, "dailyArea": 1.0},
        {"date": "2026-03-09T00:00:00Z", "totalArea": 6.0, "dailyArea": 2.0}]}"""
    before = figures(world.history())
    with world.faulty("body", body=body, path=OWNER, contract=OPS):
        assert isinstance(errors(world.poll(after=QUARTER))[OPS], LeafMalformed)
    same(before, figures(world.history()))


# ------------------------------------------------------------------ revisions and contradictions
def test_f32_a_revised_day_is_a_row_and_an_event_and_both_versions_stay(database_url: str, tmp_path: Path) -> None:
    day = START.date() - 2 * DAY
    event = {"kind": "revision", "contract": "ops", "day": day, "after": 3, "factor": 0.4}
    with SandboxWorld(database_url, tmp_path, story(events=[event])) as world:
        world.good()
        firing = {one.fingerprint for one in world.alerts("contract_cap")}
        assert firing
        world.is_true()
        before, rows = figures(world.history()), world.count("reading")
        world.good(after=DAY)
        world.is_true()
        assert [(one.what, one.day) for one in world.events("revision")] == [("range", day), ("summary", day)]
        assert world.events("revision")[0].details["shown"][0]["day"] == day.isoformat()
        assert world.count("reading") > rows, "the earlier version is still there"
        assert figures(world.history())["billed_total"] != before["billed_total"]
        world.good(after=QUARTER)
        assert len(world.events("revision")) == 2, "said once"
        gone = firing - {one.fingerprint for one in world.alerts("contract_cap")}
        if gone:  # it took a second look, and was said
            with world.runtime.store.read() as tx:
                assert {one.fingerprint for one in tx.alerts.transitions() if one.reason == "corrected"} >= gone


class Overlapping(PlainLeaf):
    """A server on which `late` area of one user lies wholly on ground that another one has already."""

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        usage = self.contracts["c"].usage
        status, told = super().answer(path, query)
        self.contracts["c"].usage = {user: {**days, WEDNESDAY: 10.0} for user, days in usage.items()}
        _, before = super().answer(path, query)
        self.contracts["c"].usage = usage
        if path.endswith("/api-owner"):
            return status, before
        return status, told | {"totalUniqueArea": before["totalUniqueArea"]} if "leafUsersAreas" in told else told


WEDNESDAY = START.date() - 6 * DAY


def test_f32_a_late_change_hidden_by_overlap_is_found_with_the_next_window(database_url: str, tmp_path: Path) -> None:
    usage = {user: {date(2026, 3, 1) + n * DAY: 10.0 for n in range(10)} for user in ("u", "v")}
    with Overlapping([PlainContract("c", "P", date(2026, 3, 1), None, usage)], START.date()) as leaf:
        leaf.password = PASSWORD
        with PollWorld(database_url, tmp_path, leaf.url) as world:
            world.good()
            usage["u"][WEDNESDAY] = 25.0
            world.good(after=QUARTER)
            index = world.history("c").index_of(WEDNESDAY)
            assert index is not None
            assert world.history("c").billed_daily[index] == pytest.approx(20), "the range shows nothing of it"
            leaf.today += DAY
            world.good(after=DAY)
            assert world.history("c").billed_daily[index] == pytest.approx(35)
            assert world.history("c").unique_daily[index] == pytest.approx(18)
            assert [(one.what, one.day) for one in world.events("revision")] == [("summary", WEDNESDAY)]
            assert world.standing("contradiction") == []


def test_f32_contradictions_are_told_once_and_repaired_never(world: SandboxWorld) -> None:
    with world.faulty("contradict", path=OWNER, contract=OPS):
        for _ in range(3):
            world.good(after=QUARTER)
        standing = world.standing("contradiction")
        assert {(one.contract_id, one.what) for one in standing} == {(OPS, "daily_and_total")}
        assert len(world.events("contradiction")) == len(standing), "one a day, not one a poll"
        (alert,) = world.alerts("contradiction")
        assert alert.contract_id == OPS
        told = world.told()
        world.good(after=QUARTER)
        assert world.told() == told, "one message while it lasts"
        history = world.history()
        index = history.index_of(YESTERDAY)
        assert index is not None
        assert history.unique_daily[index] == pytest.approx(world.truth()[YESTERDAY]["unique_total"] + 1), "as said"
    world.good(after=QUARTER)
    assert world.standing("contradiction") == []
    assert world.alerts("contradiction") == []
    world.is_true()


def test_f32_users_that_sum_to_less_than_what_overlap_leaves_are_noticed(world: SandboxWorld) -> None:
    with world.faulty("vanish", value="u-big", path=SUMMARY, contract=OPS):
        world.good(after=QUARTER)
        assert {one.what for one in world.standing("contradiction")} == {"users_below_unique"}
        assert {one.what for one in world.standing("shrunk")} == {"users"}
        history = world.history()
        assert history.total_is_lower_bound
    world.good(after=QUARTER)
    assert world.standing() == []


# ------------------------------------------------------------------ units
def test_f33_a_unit_switch_in_mid_term_is_no_usage_and_one_notice(database_url: str, tmp_path: Path) -> None:
    event = {"kind": "unit_switch", "contract": "ops", "at": START.date() + DAY, "to": "Hectare"}
    with SandboxWorld(database_url, tmp_path, story(events=[event])) as world:
        world.good()
        before = figures(world.history())
        firing, told = {one.fingerprint for one in world.alerts()}, world.told()
        for _ in range(4):
            world.good(after=timedelta(hours=18))
        assert world.history().unit is Unit.HECTARE
        world.is_true()
        after = figures(world.history())
        size = len(before["billed_daily"]) - 1  # but the day that was open
        assert after["billed_daily"][:size] == pytest.approx(before["billed_daily"][:size], abs=0.01)
        (change,) = world.events("unit_changed")
        assert (change.details["from"], change.details["to"]) == ("Acre", "Hectare")
        assert world.events("revision") == world.events("contradiction") == []
        assert {one.fingerprint for one in world.alerts()} == firing, "the notice is over by itself"
        assert world.told() == told + 1


# ------------------------------------------------------------------ who is there
def test_f34_a_user_who_vanishes_lowers_no_alert_and_is_noticed(database_url: str, tmp_path: Path) -> None:
    with SandboxWorld(database_url, tmp_path, story()) as world:
        world.good()
        firing = {one.fingerprint for one in world.alerts()}
        assert firing
        with world.faulty("vanish", value="u-big", path=SUMMARY):
            for _ in range(3):
                world.good(after=QUARTER)
            assert firing <= {one.fingerprint for one in world.alerts()}, "absence proves no recovery"
            assert {one.contract_id for one in world.alerts("users_shrunk")} == {OPS, FIELDS}
        world.good(after=QUARTER)
        assert world.alerts("users_shrunk") == []
        world.is_true()


def test_f34_a_contract_is_missing_after_three_complete_lists_and_may_come_back(world: SandboxWorld) -> None:
    firing = {one.fingerprint for one in world.alerts() if one.contract_id == OPS}
    with world.faulty("vanish", value=OPS):
        for count in range(1, 4):
            world.poll(after=QUARTER)
            assert [one.contract_id for one in world.alerts("contract_missing")] == ([OPS] if count == 3 else [])
        assert [(one.what, one.contract_id) for one in world.standing("shrunk")] == [("contract_list", OPS)]
        assert firing <= {one.fingerprint for one in world.alerts()}
        world.is_true(FIELDS)
    world.good(after=QUARTER)
    assert world.alerts("contract_missing") == []
    assert world.standing("shrunk") == []
    world.is_true()


@pytest.mark.parametrize("users", [3000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_f34_a_crowd_of_new_users_is_read_and_told_in_few_words(database_url: str, tmp_path: Path, users: int) -> None:
    def crowded(document: dict[str, Any]) -> None:
        document["users"]["count"] = users
        document["contracts"][0]["usage"] = {"per_year": f"{users * 500} acre", "peaks": []}
        document["contracts"][0]["quota"] = f"{users * 1000} acre"
        if users < 10_000:
            first, day = users // 2, START.date() + DAY
            document["events"] = [{"kind": "user_appears", "user": n, "day": day} for n in range(first, users)]

    with SandboxWorld(database_url, tmp_path, story(crowded)) as world:
        world.good()
        told = world.told()
        world.good(after=DAY)
        world.is_true()
        assert len(world.history().users) > users * 0.7
        assert world.told() - told <= 5


# ------------------------------------------------------------------ pages, redirects, sizes
PAGES: list[dict[str, Any]] = [
    {"effect": "page_loop"},
    {"effect": "page_foreign"},
    {"effect": "page_total", "value": "1000000"},
    {"effect": "page_shift"},
]


def test_f35_pages_that_lie_end_and_take_no_contract_away(database_url: str, tmp_path: Path) -> None:
    def many(document: dict[str, Any]) -> None:
        small = {"per_year": "100 acre", "peaks": []}
        document["contracts"] += [
            {"name": f"x{n}", "id": f"c-x{n}", "product": f"P{n}", "start": "2026-03-20", "users": 1, "usage": small}
            for n in range(24)
        ]

    with SandboxWorld(database_url, tmp_path, story(many, conventions={"contracts_paged": True})) as world:
        world.good()
        assert len(world.terms()) == 26
        for fault in PAGES:
            world.server.clear_requests()
            with world.faulty(**fault, path=LIST):
                for _ in range(4):
                    assert len(errors(world.poll(after=QUARTER))) >= 1, fault
            assert len(world.calls("/contracts")) < 4 * 70, "a page cap ends it"
            assert world.alerts("contract_missing") == [], fault
            assert not any("198.51.100" in path for path in world.calls())
        world.good(after=QUARTER)
        assert len(world.terms()) == 26
        assert all(one.missing_lists == 0 for one in world.terms())


def test_f36_a_redirect_is_not_followed_and_the_token_stays_here(world: SandboxWorld) -> None:
    before = figures(world.history())
    with LeafServer() as other, world.faulty("redirect", location=other.url, path="*/consumption*"):
        found = errors(world.poll(after=QUARTER))
        assert isinstance(found[OPS], LeafUnavailable)
        assert "redirect" in str(found[OPS])
        assert other.requests == []
    same(before, figures(world.history()))
    world.good(after=QUARTER)
    world.is_true()


@pytest.mark.parametrize("effect", ["gzip_bomb", "flood"])
def test_f43_an_enormous_answer_costs_little_and_only_its_own_contract(world: SandboxWorld, effect: str) -> None:
    before = figures(world.history())
    with world.faulty(effect, size=64 * 2**20, path=SUMMARY, contract=OPS):
        started = time.monotonic()
        found = errors(world.poll(after=QUARTER))
        assert time.monotonic() - started < 60
    assert isinstance(found[OPS], LeafMalformed)
    assert "larger than" in str(found[OPS])
    assert found[FIELDS] is None
    same(before, figures(world.history()))
    world.good(after=QUARTER)
    world.is_true()


def test_f32_an_audit_total_may_fall(database_url: str, tmp_path: Path) -> None:
    days = {date(2026, 3, 1) + n * DAY: 10.0 for n in range(10)}
    audit = PlainContract("c-audit", "AUDIT_FIELDS_BOUNDARY", date(2026, 3, 1), None, {"u": days})
    with PlainLeaf([audit], START.date()) as leaf:
        leaf.password = PASSWORD
        with PollWorld(database_url, tmp_path, leaf.url) as world:
            world.good()
            days[date(2026, 3, 10)] = -35.0  # fields were taken away: today's total falls
            body = leaf.answer("/services/billingapplication/api/billing/contracts/c-audit/consumption/api-owner", {
                "startTime": ["2026-02-28T00:00:00.000Z"], "endTime": ["2026-03-11T00:00:00.000Z"]})[1]  # fmt: skip
            for entry in body["areaPerDay"]:
                entry["dailyArea"] = max(0.0, entry["dailyArea"])
            leaf.bodies["/api-owner"] = json.dumps(body).encode()
            world.good(after=QUARTER)
            history = world.history("c-audit")
            assert history.billed_total[-1] == pytest.approx(55.0)
            assert world.standing("contradiction") == []
