"""The runtime under a clock that is set: what is judged from our own clock goes on being judged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerter.app.clock import VirtualClock
from alerter.app.runtime import Runtime
from alerter.config import load_config
from tests.daemons import World, world

HOUR = timedelta(hours=1)


@pytest.fixture
def one(tmp_path: Path, database_url: str) -> Iterator[World]:
    with world(tmp_path, database_url, every="10s") as made:
        yield made


@pytest.fixture
def clock() -> VirtualClock:
    made = VirtualClock(datetime.now(UTC))
    made.flow(1.0)
    return made


@pytest.fixture
def runtime(one: World, clock: VirtualClock) -> Iterator[Runtime]:
    config = load_config(one.program.config, env=one.program.env, credentials_dir=None)
    made = Runtime(config, clock=clock, stop=threading.Event(), owner="test")
    made.open()
    yield made
    made.close()
    made.close_store()


def poll(runtime: Runtime, clock: VirtualClock, times: int = 1) -> list[str]:
    """Poll so often, ten seconds apart, and return what was sent about a missing contract."""
    moved = []
    for _ in range(times):
        clock.advance(timedelta(seconds=10))
        tick = runtime.poll("a0")
        assert tick is not None
        moved += [f"{one.from_status.value}>{one.to_status.value}" for one in tick.cycle.transitions]
    return moved


def test_a_health_alert_resolves_though_the_clock_was_set_back(
    one: World, clock: VirtualClock, runtime: Runtime
) -> None:
    leaf = one.leaves["a0"]
    poll(runtime, clock)
    gone = dict(leaf.contracts)
    leaf.contracts.clear()
    assert any(one.endswith(">firing") for one in poll(runtime, clock, times=4))
    clock.jump(-HOUR)
    runtime.follow_clock(clock.drift())
    leaf.contracts.update(gone)
    assert any(one.endswith(">resolved") for one in poll(runtime, clock, times=2))


def test_an_account_is_polled_on_though_the_clock_was_set_back(
    one: World, clock: VirtualClock, runtime: Runtime
) -> None:
    poll(runtime, clock)
    clock.jump(-HOUR)
    clock.advance(timedelta(seconds=10))
    assert runtime.poll("a0") is None, "it would wait for an hour"
    runtime.follow_clock(clock.drift())
    assert runtime.poll("a0") is not None
    assert runtime.poll("a0") is None, "once, not again and again"
