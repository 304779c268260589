"""A poll killed at any statement: the next one completes it, and the history is that of an undisturbed one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.poll_world import DAY, FIELDS, OPS, START, SandboxWorld, figures, same, story

SHARE = 5  # points of each sweep that every run looks at


class Killed(BaseException):
    """What kill -9 is to the code: nothing may catch it."""


class Trap:
    """Counts the statements and commits of one database, and fails all from the k-th on."""

    def __init__(self) -> None:
        self.count = 0
        self.at = 0

    def step(self) -> None:
        self.count += 1
        if self.at and self.count >= self.at:
            raise Killed

    @contextmanager
    def on(self, engine: sa.Engine) -> Iterator[None]:
        def statement(*_: Any) -> None:
            self.step()

        def commit(_: Any) -> None:
            self.step()

        sa.event.listen(engine, "before_cursor_execute", statement)
        sa.event.listen(engine, "commit", commit)
        try:
            yield
        finally:
            sa.event.remove(engine, "before_cursor_execute", statement)
            sa.event.remove(engine, "commit", commit)


def told(document: dict[str, Any]) -> None:
    """A late share and a revision, so that the second poll revises days."""
    document["contracts"][0]["usage"] |= {"late_share": 0.2, "late_days": 2}
    document["events"] = [
        {"kind": "revision", "contract": "ops", "day": START.date() - 3 * DAY, "after": 4, "factor": 0.5}
    ]


def outcome(world: SandboxWorld) -> dict[str, Any]:
    """Return everything that an undisturbed poll and a completed one must agree on."""
    found = {one: figures(world.history(one)) for one in (OPS, FIELDS)}
    events = sorted((one.kind, one.what, str(one.contract_id), str(one.day)) for one in world.events())
    alerts = sorted((one.rule, one.contract_id, one.window, one.level) for one in world.alerts())
    with world.runtime.store.read() as tx:
        meanings = {one: {q: row.answer for q, row in tx.usage.meanings(world.key(one)).items()} for one in found}
        keys = sorted(message.key for message in tx.outbox.list(None, 1000))
    return {"figures": found, "events": events, "alerts": alerts, "meanings": meanings, "messages": keys}


def run(database_url: str, folder: Path, *, polls: int, at: int = 0) -> tuple[dict[str, Any], int]:
    """Poll once or twice; the last poll is killed at its `at`-th step and done again by another daemon."""
    folder.mkdir(exist_ok=True)
    with SandboxWorld(database_url, folder, story(told)) as world:
        for _ in range(polls - 1):
            world.good()
            world.clock.advance(DAY)
        trap = Trap()
        trap.at = at
        with trap.on(world.runtime.store.engine):
            try:
                world.poll()
            except Killed:
                assert at
            else:
                assert not at or trap.count < at + 5, "threads take a few steps more or less from run to run"
        steps = trap.count
        if at:
            world.restart()
            # On a shared database the dead one's lease has to run out first.
            if world.runtime.poll("prod", forced=True) is None:
                world.clock.advance(timedelta(seconds=11))
                world.good()
        found = outcome(world)
        for name in (OPS, FIELDS):
            world.is_true(name)
        return found, steps


def sweep(steps: int, seed: str) -> list[int]:
    return sorted(random.Random(seed).sample(range(1, steps + 1), SHARE))  # noqa: S311 - chooses points


def compare(found: dict[str, Any], wanted: dict[str, Any], at: int) -> None:
    for contract, said in wanted["figures"].items():
        same(said, found["figures"][contract])
    for name in ("events", "alerts", "meanings"):
        assert found[name] == wanted[name], (at, name)
    assert len(set(found["messages"])) == len(found["messages"])
    assert found["messages"] == wanted["messages"], (at, "messages")


@pytest.mark.parametrize("polls", [1, 2], ids=["first fill", "revision"])
def test_a_poll_killed_at_any_statement_is_completed_by_the_next(
    database_url: str, tmp_path: Path, polls: int, request: pytest.FixtureRequest
) -> None:
    check(database_url, tmp_path, polls, request, full=False)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("polls", [1, 2], ids=["first fill", "revision"])
def test_a_poll_killed_at_every_statement_is_completed_by_the_next(
    database_url: str, tmp_path: Path, polls: int, request: pytest.FixtureRequest
) -> None:
    check(database_url, tmp_path, polls, request, full=True)


def check(database_url: str, folder: Path, polls: int, request: pytest.FixtureRequest, *, full: bool) -> None:
    wanted, steps = run(database_url, folder / "undisturbed", polls=polls)
    assert steps > 50
    for at in range(1, steps + 1) if full else sweep(steps, request.node.name):
        if database_url.startswith("sqlite"):
            url = f"sqlite:///{folder / f'killed-{at}.db'}"
        else:
            url = request.getfixturevalue("postgres_server").url()
        found, _ = run(url, folder / str(at), polls=polls, at=at)
        compare(found, wanted, at)
