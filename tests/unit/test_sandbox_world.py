"""The sandbox's figures: pure functions of scenario and instant, and consistent with one another."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.area import Unit
from alerter.sandbox import Scenario, World, demo_scenario
from alerter.sandbox.figures import CENTI

START = datetime(2026, 3, 2, tzinfo=UTC)


def scenario(**changes: Any) -> Scenario:
    contract = {"name": "ops", "product": "OPERATIONS_FILE", "start": -40, "end": 100, **changes.pop("contract", {})}
    users = {"count": 8, "named": [{"name": "Ann"}, {"name": "Bob", "share": 0.3}]}
    return Scenario.model_validate({"start": START, "users": users, "contracts": [contract], **changes})


def at(days: float) -> datetime:
    return START + timedelta(days=days)


def on(days: int) -> date:
    return at(days).date()


def test_the_same_scenario_gives_the_same_figures_whatever_was_asked_before() -> None:
    fresh, used = World(scenario()), World(scenario())
    now = at(30.6)
    for day in (29, -20, 5, 30, 0):
        used.user_totals(used.terms(now)[0], on(day), at(day + 0.3))
    assert (
        fresh.user_totals(fresh.terms(now)[0], on(12), now).tolist()
        == used.user_totals(used.terms(now)[0], on(12), now).tolist()
    )


def test_another_seed_gives_other_figures() -> None:
    one, other = World(scenario(seed=1)), World(scenario(seed=2))
    assert one.totals(one.terms(at(9))[0], on(8), at(9)) != other.totals(other.terms(at(9))[0], on(8), at(9))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    now_day=st.floats(-39, 130),
    day=st.integers(-45, 130),
    late=st.sampled_from([0.0, 0.1]),
    once=st.booleans(),
)
def test_totals_are_the_sums_of_days_and_of_users(seed: int, now_day: float, day: int, late: float, once: bool) -> None:
    usage = {"late_share": late, "late_days": 3, "area_once": once, "activity": 0.5}
    events = [
        {"kind": "revision", "contract": "ops", "day": 3, "after": 4, "factor": 1.7},
        {"kind": "revision", "contract": "ops", "user": "Ann", "day": 3, "after": 9, "factor": 0.2},
        {"kind": "spike", "contract": "ops", "user": "Bob", "day": 6, "factor": 9},
    ]
    world = World(scenario(seed=seed, contract={"usage": usage}, events=events))
    now = at(now_day)
    term = world.term(world.terms(now)[0].id, now)
    assert term is not None
    billed, unique = world.totals(term, on(day), now)
    users = world.user_totals(term, on(day), now)
    rows = world.owner_rows(term, on(-60), on(day), now)
    assert users.sum() == billed
    assert sum(row.daily for row in rows) == unique
    assert not rows or rows[-1].total == unique
    assert (users.max() if len(users) else 0) <= unique <= billed
    for column in (0, 1):
        mine = world.user_rows(term, column, on(-60), on(day), now)
        assert sum(row.daily for row in mine) == users[column]
        later = world.user_rows(term, column, on(2), on(day), now)
        assert later == [row for row in mine if row.day >= on(2)]


def test_the_open_day_starts_at_nothing_grows_and_is_whole_at_midnight() -> None:
    world = World(scenario())
    term = world.terms(at(0))[0]
    seen = [world.day(term, on(3), at(3 + hour / 24)).billed for hour in range(24)]
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert 0 < seen[12] < seen[23] < world.day(term, on(3), at(4)).billed
    assert world.day(term, on(3), at(4)) is world.figures(term).final_day(on(3).toordinal())


def test_the_open_day_moves_only_with_the_refresh() -> None:
    world = World(scenario(conventions={"refresh": "PT1H"}))
    term = world.terms(at(0))[0]
    assert world.totals(term, on(3), at(3.5)) == world.totals(term, on(3), at(3.5) + timedelta(minutes=59))
    assert world.totals(term, on(3), at(3.5)) < world.totals(term, on(3), at(3.5) + timedelta(minutes=60))


def test_tomorrow_has_no_usage_yet() -> None:
    world = World(scenario())
    term = world.terms(at(3))[0]
    assert world.day(term, on(4), at(3.9)).billed == 0
    assert world.owner_rows(term, on(2), on(9), at(3.9))[-1].day == on(3)


def test_a_revision_changes_the_day_on_the_day_it_says() -> None:
    world = World(
        scenario(events=[{"kind": "revision", "contract": "ops", "day": 3, "after": 4, "factor": 2}]),
    )
    term = world.terms(at(3))[0]
    before, after = world.day(term, on(3), at(6.99)), world.day(term, on(3), at(7))
    assert after.billed == 2 * before.billed > 0
    jump = world.totals(term, on(5), at(7))[0] - world.totals(term, on(5), at(6.99))[0]
    assert jump == before.billed


def test_late_usage_trickles_in_and_then_rests() -> None:
    world = World(scenario(contract={"usage": {"late_share": 0.2, "late_days": 2}}))
    term = world.terms(at(3))[0]
    seen = [world.day(term, on(3), at(day)).billed for day in (4, 5, 6, 9)]
    assert seen[0] < seen[1] == seen[2] == seen[3]
    assert seen[0] == pytest.approx(0.9 * seen[1], rel=1e-3)


def test_a_spike_is_exactly_its_area_more() -> None:
    calm = World(scenario())
    spiky = World(
        scenario(events=[{"kind": "spike", "contract": "ops", "user": "Bob", "day": 3, "area": "1234.5 acre"}])
    )
    days = [world.day(world.terms(at(5))[0], on(3), at(5)).of_user(1) for world in (calm, spiky)]
    assert days[1] - days[0] == 123_450


def test_a_surge_multiplies_its_days_alone() -> None:
    calm = World(scenario())
    busy = World(
        scenario(events=[{"kind": "surge", "contract": "ops", "user": "Bob", "from": 2, "to": 3, "factor": 3}])
    )
    for day, factor in ((1, 1), (2, 3), (3, 3), (4, 1)):
        one, other = (world.day(world.terms(at(9))[0], on(day), at(9)).of_user(1) for world in (calm, busy))
        assert other == pytest.approx(factor * one, abs=2)


def test_area_that_counts_once_flattens_the_curve() -> None:
    world = World(scenario(contract={"end": 700, "usage": {"area_once": True, "peaks": []}}))
    term = world.terms(at(600))[0]
    first, second = (world.totals(term, on(day), at(600))[0] for day in (200, 440))
    assert 0 < second - first < 0.6 * first


def test_users_appear_vanish_and_return() -> None:
    events = [
        {"kind": "user_appears", "user": "Ann", "day": 5},
        {"kind": "user_vanishes", "user": "Bob", "day": 6, "until": 9},
    ]
    world = World(scenario(events=events))
    names = {day: {user.name for user in world.users_at(at(day))} for day in (4, 5, 6, 9)}
    assert "Ann" not in names[4]
    assert {"Ann", "Bob"} <= names[5]
    assert "Bob" not in names[6]
    assert "Bob" in names[9]
    term = world.terms(at(10))[0]
    assert [row.daily for row in world.user_rows(term, 0, on(-40), on(4), at(10))] == [0] * 45
    assert world.user_totals(term, on(10), at(10))[0] > 0
    assert all(row.daily == 0 for row in world.user_rows(term, 1, on(6), on(8), at(10)))


def test_a_contract_vanishes_and_returns() -> None:
    world = World(scenario(events=[{"kind": "contract_vanishes", "contract": "ops", "day": 6, "until": 9}]))
    assert [len(world.terms(at(day))) for day in (5.9, 6, 8.9, 9)] == [1, 0, 0, 1]


def test_a_rollover_brings_a_new_id_for_the_same_product_and_region() -> None:
    world = World(scenario(contract={"start": "2025-04-20", "end": "2026-04-20", "region": "EU", "renewal_seen": 5}))
    before, announced, after = (world.terms(at(day)) for day in (43, 44, 60))
    assert [len(terms) for terms in (before, announced, after)] == [1, 2, 2]
    old, new = after
    assert old.id != new.id
    assert (old.spec.product, old.spec.region) == (new.spec.product, new.spec.region)
    assert (new.start_on, new.end_on) == (date(2026, 4, 20), date(2027, 4, 20))
    assert world.totals(old, on(55), at(60)) == world.totals(old, date(2026, 4, 19), at(60))
    assert world.totals(new, on(55), at(60))[0] == sum(world.day(new, on(day), at(60)).billed for day in range(49, 56))


def test_earlier_terms_are_there_when_asked_for_and_ended_ones_leave() -> None:
    world = World(scenario(contract={"end": 60, "earlier_terms": 2}, conventions={"ended_listed": 30}))
    assert [term.number for term in world.terms(at(-20))] == [-1, 0]
    assert [term.number for term in world.terms(at(89))] == [0, 1]
    assert [term.number for term in world.terms(at(90))] == [1]


def test_the_unit_switches_at_its_instant() -> None:
    world = World(scenario(events=[{"kind": "unit_switch", "at": "2026-03-05T12:00:00Z", "to": "ha"}]))
    term = world.terms(at(0))[0]
    assert [world.unit(term, at(day)) for day in (3.4, 3.5)] == [Unit.ACRE, Unit.HECTARE]


def test_the_users_sizes_are_heavy_tailed_and_named_shares_hold() -> None:
    world = World(scenario(users={"count": 500, "named": [{"name": "Big", "share": 0.25}]}))
    term = world.terms(at(99))[0]
    totals = np.sort(world.user_totals(term, on(90), at(99)))[::-1]
    assert totals[0] == pytest.approx(0.25 * totals.sum(), rel=0.1)
    assert totals[1:51].sum() > 0.25 * totals[1:].sum()


def test_usage_has_its_seasons_and_quiet_weekends() -> None:
    world = World(scenario(contract={"start": "2025-01-01", "end": "2026-01-01"}, users={"count": 300}))
    term = world.terms(at(0))[0]

    def mean(first: date, days: int) -> float:
        return float(np.mean([row.daily for row in world.owner_rows(term, first, first + timedelta(days - 1), at(0))]))

    assert mean(date(2025, 4, 21), 21) > 2 * mean(date(2025, 1, 6), 21)
    assert mean(date(2025, 1, 6), 5) > 1.5 * mean(date(2025, 1, 11), 2)


def test_the_demo_tells_its_story() -> None:
    world = World(demo_scenario())
    story = world.scenario
    end = story.start + timedelta(days=story.days)
    by_name = {(term.spec.name, term.number): term for term in world.terms(end)}
    assert len({term.spec.name for term in by_name.values()}) == 4
    assert ("satellite", 1) in by_name

    def share(days: float) -> float:
        term, now = by_name["operations", 0], story.start + timedelta(days=days)
        assert term.spec.quota is not None
        return world.totals(term, now.date(), now)[0] / CENTI / term.spec.quota.to(Unit.ACRE).value

    assert 0.5 < share(0) < share(30) < 0.8 < share(36) < share(60) < 1 < share(70)
    ops = by_name["operations", 0]
    days = {day: world.day(ops, story.day(day), end) for day in (5, 12, 26)}
    assert days[26].billed > 5 * days[5].billed
    hostile = next(user for user in world.users if "<script>" in user.name)
    assert days[12].of_user(hostile.position) > 5 * days[5].of_user(hostile.position)
    assert world.missing(by_name["imagery", 0], story.day(33), end)
    assert world.unit(by_name["boundaries", 0], end) is Unit.HECTARE
    for term in world.terms(story.start):
        assert (story.start.date() - term.start_on).days >= 60
