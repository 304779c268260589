"""What summaries mean and how ranges are written: found out, kept with evidence, checked again, and said when open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from alerter.core.conventions import RANGE_END, RANGE_START, TODAY, ZERO_DAYS
from alerter.core.meaning import USERS
from alerter.core.model import SummaryMeaning
from tests.plain_leaf import PlainContract, PlainLeaf
from tests.poll_world import DAY, OPS, PASSWORD, QUARTER, START, PollWorld, SandboxWorld, story

FIRST = date(2026, 2, 20)


@pytest.fixture
def leaf() -> Iterator[PlainLeaf]:
    """Three users, idle on Sundays; all began on the first day and work every other day."""
    days = [FIRST + n * DAY for n in range(60)]
    usage = {
        f"u-{n}": {day: 10.0 + n for day in days if day.weekday() != 6 and (day.toordinal() + n) % 2} for n in range(3)
    }
    for one in usage.values():
        one[FIRST] = 7.0
    with PlainLeaf([PlainContract("c", "P", FIRST, date(2027, 2, 20), usage)], START.date()) as server:
        server.password = PASSWORD
        yield server


def answers(world: PollWorld, contract_id: str = "c") -> dict[str, str]:
    with world.runtime.store.read() as tx:
        return {question: row.answer for question, row in tx.usage.meanings(world.key(contract_id)).items()}


def go_on(world: PollWorld, leaf: PlainLeaf, *, after: timedelta = DAY) -> None:
    world.clock.advance(after)
    leaf.today = world.clock.now().date()
    world.good()


def user_calls(leaf: PlainLeaf) -> int:
    return sum("/leaf-user/" in path for path in leaf.calls)


@pytest.mark.parametrize("ends", ["inclusive", "exclusive"])
@pytest.mark.parametrize("zeros", ["listed", "omitted"])
def test_the_ways_of_ranges_are_found_without_a_call_and_kept_with_evidence(
    database_url: str, tmp_path: Path, leaf: PlainLeaf, ends: str, zeros: str
) -> None:
    leaf.range_ends, leaf.zero_days = ends, zeros
    with PollWorld(database_url, tmp_path, leaf.url) as world:
        world.good()
        found = answers(world)
        assert found[ZERO_DAYS] == zeros
        assert found[RANGE_END] == ends
        assert found[RANGE_START] == ends
        assert found[USERS] == "cumulative"
        assert user_calls(leaf) == 3, "the calls of the first calibration, no more"
        with world.runtime.store.read() as tx:
            rows = tx.usage.meanings(world.key("c"))
        assert all(row.evidence for row in rows.values())
        count = world.count("meaning")
        go_on(world, leaf)
        go_on(world, leaf)
        assert world.count("meaning") <= count + 1, "said once; the first range may not have had today"


@pytest.mark.parametrize("today", ["included", "omitted"])
def test_whether_a_range_has_today_is_found_from_what_is_asked_anyway(
    database_url: str, tmp_path: Path, today: str
) -> None:
    with SandboxWorld(database_url, tmp_path, story(conventions={"today": today})) as world:
        world.good()
        world.good(after=QUARTER)
        assert answers(world, OPS)[TODAY] == today
        world.is_true()


def test_the_meaning_is_checked_again_weekly_with_one_call(database_url: str, tmp_path: Path, leaf: PlainLeaf) -> None:
    with PollWorld(database_url, tmp_path, leaf.url) as world:
        world.good()
        leaf.calls.clear()
        for _ in range(16):
            go_on(world, leaf, after=timedelta(hours=12))
        assert user_calls(leaf) == 1
        assert answers(world)[USERS] == "cumulative"


def test_a_server_that_changes_its_mind_is_not_followed_but_told_of_and_believed_again(
    database_url: str, tmp_path: Path, leaf: PlainLeaf
) -> None:
    with PollWorld(database_url, tmp_path, leaf.url) as world:
        world.good()
        go_on(world, leaf)
        told = world.told()
        leaf.summary_means = "daily"
        go_on(world, leaf)
        assert answers(world)[USERS] == "contradicted", "noticed with the first window, not a week later"
        history = world.history("c")
        assert history.meaning is SummaryMeaning.CONTRADICTED
        assert np.isnan(history.billed_total).all(), "every billed figure is unknown"
        assert not np.isnan(history.unique_total).all(), "what the range says is known all the same"
        assert len(world.alerts("meaning_unproven")) == 1
        go_on(world, leaf)
        assert answers(world)[USERS] == "contradicted"
        assert world.told() <= told + 3, "each alert once"
        leaf.summary_means = "cumulative"
        go_on(world, leaf)
        assert answers(world)[USERS] == "cumulative"
        assert world.alerts("meaning_unproven") == []
        billed = sum(
            area for one in leaf.contracts["c"].usage.values() for day, area in one.items() if day <= leaf.today
        )
        assert world.history("c").billed_total[-1] == pytest.approx(billed)


def test_a_configured_meaning_holds_at_once_and_its_end_too(database_url: str, tmp_path: Path, leaf: PlainLeaf) -> None:
    with PollWorld(database_url, tmp_path, leaf.url) as world:
        world.good()
        leaf.calls.clear()
        world.restart(contracts="[{match: {}, summary_means: daily}]")
        go_on(world, leaf, after=QUARTER)
        assert answers(world)[USERS] == "daily"
        assert user_calls(leaf) == 0, "what is told needs no question"
        world.restart(contracts="[{match: {}, summary_means: auto}]")
        go_on(world, leaf, after=QUARTER)
        assert answers(world)[USERS] == "cumulative"


def test_an_idle_contract_costs_no_row_and_no_call_for_an_open_question(database_url: str, tmp_path: Path) -> None:
    idle = PlainContract("c", "P", FIRST, None, {"u": {}})
    with PlainLeaf([idle], START.date()) as leaf:
        leaf.password = PASSWORD
        with PollWorld(database_url, tmp_path, leaf.url) as world:
            world.good()
            rows = world.count("meaning")
            for _ in range(8):
                go_on(world, leaf, after=timedelta(hours=2))
            assert world.count("meaning") == rows
            assert user_calls(leaf) == 0


@pytest.mark.parametrize("means", ["cumulative", "daily"])
def test_a_contract_is_understood_on_the_first_day_that_can_tell(database_url: str, tmp_path: Path, means: str) -> None:
    first = START.date()
    contract = PlainContract("c", "P", first, None, {"u": {first: 10.0, first + DAY: 5.0}})
    with PlainLeaf([contract], first) as leaf:
        leaf.password, leaf.summary_means = PASSWORD, means
        with PollWorld(database_url, tmp_path, leaf.url) as world:
            world.good()
            assert answers(world)[USERS] == "unproven", "on the first day both meanings say the same"
            assert world.history("c").billed_total[-1] == pytest.approx(10.0), "and so the figure is known"
            go_on(world, leaf)
            assert answers(world)[USERS] == means
            assert world.history("c").billed_total[-1] == pytest.approx(15.0)


def test_evidence_is_plain_and_small(database_url: str, tmp_path: Path, leaf: PlainLeaf) -> None:
    with PollWorld(database_url, tmp_path, leaf.url) as world:
        world.good()
        with world.runtime.store.read() as tx:
            row = tx.usage.meanings(world.key("c"))[USERS]
    assert row.evidence["votes"] == row.evidence["cumulative"]
    assert 0 < len(row.evidence["days"]) <= 5
    assert datetime.fromisoformat(row.evidence["days"][0]["day"]).date() < START.date() + DAY
