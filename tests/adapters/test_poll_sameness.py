"""However answers are cut, ordered or converted, and however often it is polled: the settled history is the same."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerter.app.runtime import TickOutcome
from alerter.core.area import Unit, factor
from tests.plain_leaf import BILLING, PlainContract, PlainLeaf
from tests.poll_world import DAY, FIELDS, OPS, PASSWORD, START, PollWorld, SandboxWorld, figures, same, story

FIRST = date(2026, 2, 24)
LAST = FIRST + 14 * DAY
Body = dict[str, Any]


def plain(database_url: str, folder: Path, leaf: PlainLeaf) -> PollWorld:
    folder.mkdir(exist_ok=True)
    leaf.password = PASSWORD
    return PollWorld(database_url, folder, leaf.url, at=START.replace(month=2, day=24))


class Told(PlainLeaf):
    """A PlainLeaf whose answers are rewritten on their way out."""

    def __init__(self, change: Callable[[Body], None], **more: Any) -> None:
        draw = random.Random(5)  # noqa: S311 - makes figures up
        days = [FIRST + n * DAY for n in range(15)]
        usage = {
            f"u-{n}": {day: round(draw.uniform(1, 90), 2) for day in days if draw.random() < 0.7} for n in range(6)
        }
        self.change = change
        super().__init__([PlainContract("c", "P", FIRST, date(2027, 2, 24), usage)], FIRST, **more)

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        status, body = super().answer(path, query)
        if status == 200 and "/consumption" in path:
            body = json.loads(json.dumps(body))
            self.change(body)
        return status, body


def rows(body: Body) -> list[Body]:
    found: list[Body] = body.get("areaPerDay", body.get("leafUsersAreas", []))
    return found


def shuffled(body: Body) -> None:
    random.Random(len(rows(body))).shuffle(rows(body))  # noqa: S311 - guards nothing


def doubled(body: Body) -> None:
    rows(body).extend([dict(one) for one in rows(body)])


def converted(body: Body) -> None:
    scale = factor(Unit.ACRE, Unit.HECTARE)
    body["areaUnit"] = "Hectare"
    for one in [body, *rows(body)]:
        for key in ("totalUniqueArea", "totalArea", "dailyArea"):
            if key in one:
                one[key] *= scale


def alternating() -> Callable[[Body], None]:
    """Every third answer in hectares: the account holder cannot make up his mind."""
    count = [0]

    def change(body: Body) -> None:
        count[0] += 1
        if count[0] % 3 == 0:
            converted(body)

    return change


def odd_dates(body: Body) -> None:
    for one in [body, *rows(body)]:
        if "date" in one:
            one["date"] = one["date"].replace("T00:00:00Z", "T02:00:00.000+02:00")


CHANGES: dict[str, Callable[[], Callable[[Body], None]]] = {
    "as it is": lambda: lambda _: None,
    "shuffled": lambda: shuffled,
    "doubled": lambda: doubled,
    "converted": lambda: converted,
    "alternating": alternating,
    "odd dates": lambda: odd_dates,
}


def lived(world: PollWorld, leaf: PlainLeaf, *, every: timedelta, first: date = FIRST) -> None:
    """Poll from `first` to the last day, and once more two weeks later, when everything is settled."""
    start = START.replace(year=first.year, month=first.month, day=first.day)
    world.clock.set(max(start, world.clock.now()))
    while world.clock.now().date() <= LAST:
        leaf.today = world.clock.now().date()
        world.good()
        world.clock.advance(every)
    world.clock.set(START + 10 * DAY)
    leaf.today = world.clock.now().date()
    world.good()


@pytest.fixture
def truth() -> dict[str, Any]:
    """What the settled history is, by arithmetic over the server's table alone."""
    with Told(lambda _: None) as leaf:
        usage = leaf.contracts["c"].usage
    daily = [sum(one.get(FIRST + n * DAY, 0.0) for one in usage.values()) for n in range(15)]
    return {"daily": daily, "users": {user: sum(one.values()) for user, one in usage.items()}}


def check(world: PollWorld, truth: dict[str, Any]) -> None:
    found = figures(world.history("c"))
    assert found["billed_daily"][:15] == pytest.approx(truth["daily"], abs=0.001)
    assert found["unique_daily"][:15] == pytest.approx([0.9 * area for area in truth["daily"]], abs=0.001)
    assert found["billed_total"][-1] == pytest.approx(sum(truth["daily"]), abs=0.001)
    totals = dict(zip(found["users"], found["user_total"], strict=True))
    assert totals == pytest.approx(truth["users"], abs=0.001)


@pytest.mark.parametrize("name", CHANGES)
def test_answers_in_another_order_unit_or_spelling_give_the_same_history(
    database_url: str, tmp_path: Path, truth: dict[str, Any], name: str
) -> None:
    with Told(CHANGES[name]()) as leaf, plain(database_url, tmp_path, leaf) as world:
        lived(world, leaf, every=3 * DAY)
        check(world, truth)
        assert world.events("contradiction") == []
        assert world.events("revision") == []


WAYS = list(itertools.product(["cumulative", "daily"], ["listed", "omitted"], ["inclusive", "exclusive"]))


@pytest.mark.parametrize("ways", WAYS, ids="-".join)
def test_every_convention_gives_the_same_history(
    database_url: str, tmp_path: Path, truth: dict[str, Any], ways: tuple[str, str, str]
) -> None:
    with Told(lambda _: None) as leaf, plain(database_url, tmp_path, leaf) as world:
        leaf.summary_means, leaf.zero_days, leaf.range_ends = ways
        lived(world, leaf, every=6 * DAY)
        check(world, truth)


EVERY = [timedelta(hours=6), DAY, 4 * DAY]


@pytest.mark.parametrize("every", [*EVERY, pytest.param(timedelta(hours=1), marks=pytest.mark.long)])
def test_however_often_it_is_polled_the_settled_history_is_the_same(
    database_url: str, tmp_path: Path, truth: dict[str, Any], every: timedelta
) -> None:
    with Told(lambda _: None) as leaf, plain(database_url, tmp_path, leaf) as world:
        lived(world, leaf, every=every)
        check(world, truth)


def test_a_backfill_equals_polling_day_by_day(database_url: str, tmp_path: Path, truth: dict[str, Any]) -> None:
    with Told(lambda _: None) as leaf, plain(database_url, tmp_path, leaf) as world:
        lived(world, leaf, every=DAY, first=LAST + 3 * DAY)  # first seen when all is over
        check(world, truth)


@pytest.mark.parametrize("days", [40, pytest.param(365, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_terms_backfill_equals_its_days_polled_one_by_one_with_late_data(tmp_path: Path, days: int) -> None:
    def longer(document: dict[str, Any]) -> None:
        document["start"] = (START - days * DAY).date().isoformat()
        for contract in document["contracts"]:
            contract["start"] = 0
            contract["end"] = 400
            contract["usage"] |= {"late_share": 0.2, "late_days": 3}

    def run(name: str, first: int) -> list[dict[str, Any]]:
        folder = tmp_path / name
        folder.mkdir()
        url = f"sqlite:///{folder / 'alerter.db'}"
        with SandboxWorld(url, folder, story(longer), at=START - (days - 1) * DAY) as world:
            world.clock.set(START - first * DAY)
            outcome: TickOutcome | None = None
            while world.clock.now() < START:
                outcome = world.good()
                world.clock.advance(DAY)
            world.clock.set(START + 9 * DAY)  # the late data of the last days are there
            for _ in range(2):
                outcome = world.good(after=DAY)
            assert outcome is not None
            world.is_true()
            world.is_true(FIELDS)
            return [figures(world.history(one)) for one in (OPS, FIELDS)]

    for one, other in zip(run("daily", days - 1), run("backfill", 0), strict=True):
        same(one, other)


def test_what_is_polled_costs_two_calls_a_contract_whatever_the_number_of_users(
    database_url: str, tmp_path: Path
) -> None:
    counts = {}
    for users in (3, 40):
        folder = tmp_path / str(users)
        folder.mkdir()

        def crowded(document: dict[str, Any], users: int = users) -> None:
            document["users"]["count"] = users
            document["contracts"][1]["users"] = users
            document["events"] = [
                {"kind": "revision", "contract": "ops", "day": START.date() - 2 * DAY, "after": 4, "factor": 0.5}
            ]

        url = database_url if users == 3 else f"sqlite:///{folder / 'alerter.db'}"
        with SandboxWorld(url, folder, story(crowded)) as world:
            found = []
            for hours in (0, 6, 6, 12, 24, 1, 6):
                world.server.clear_requests()
                world.good(after=timedelta(hours=hours))
                kinds = {"list": 0, "summary": 0, "owner": 0, "user": 0}
                for path in world.calls(BILLING):
                    parts = path.removeprefix(BILLING).split("/")
                    kind = {1: "list", 3: "summary"}.get(len(parts), "owner" if parts[-1] == "api-owner" else "user")
                    kinds[kind] += 1
                found.append(kinds)
        counts[users] = found
    assert counts[3] == counts[40]
    first, quiet, quiet_too, midnight, revised, after, last = counts[3]
    assert first == {"list": 1, "summary": 30, "owner": 2, "user": 6}, "the term's days, and three users a contract"
    assert quiet == quiet_too == {"list": 1, "summary": 2, "owner": 2, "user": 0}
    window = 7 * 2
    assert midnight == {"list": 1, "summary": 2 + window, "owner": 2, "user": 0}
    # The revised day lies in the window that is read anyway; days after it have another total each.
    assert revised["owner"] == 2
    assert revised["summary"] == 2 + window
    assert after == last == {"list": 1, "summary": 2, "owner": 2, "user": 0}


def test_a_day_revised_before_the_window_costs_its_own_call(database_url: str, tmp_path: Path) -> None:
    day = START.date() - 9 * DAY
    event = {"kind": "revision", "contract": "ops", "day": day, "after": 10, "factor": 0.5}

    def earlier(document: dict[str, Any]) -> None:
        document["contracts"][0]["start"] = -10

    with SandboxWorld(database_url, tmp_path, story(earlier, events=[event])) as world:
        world.good()
        world.good(after=timedelta(hours=17, minutes=54))  # just before midnight: nothing is revised yet
        world.server.clear_requests()
        world.good(after=DAY)
        summaries = [path for path in world.calls(f"{OPS}/consumption") if path.endswith("consumption")]
        # Today, the window, the revised day, and the days between whose totals moved with it.
        between = 9 + 1 - 7 - 1
        assert len(summaries) <= 1 + 7 + 1 + between
        world.is_true()
