"""Simulate a season: the real runtime against the sandbox over HTTP, under a clock that jumps from poll to poll."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

from alerter.app.clock import VirtualClock
from alerter.app.runtime import Runtime
from alerter.config import Config, load_config
from alerter.core.states import Alert
from alerter.notify import Rendered
from alerter.sandbox import SandboxServer, demo_scenario
from alerter.store import OutboxMessage

_SANDBOX = re.compile(r"base_url: http://127\.0\.0\.1:\d+")  # another port every time
STEP = timedelta(hours=12)
FIRST_POLL = timedelta(hours=5)  # after midnight, and so at 5 and 17 o'clock


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """What the simulated season brought."""

    days: int
    polls: int
    calls: int
    messages: int
    alerts: tuple[Alert, ...]  # every alert that ever fired, oldest first
    names: Mapping[str, str]  # user id -> name
    products: Mapping[str, str]  # contract id -> product and region
    config: Path
    database: Path
    failures: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class DemoProgress:
    """What is told while the demo runs: the simulated day, and each message as it is sent."""

    day: Callable[[int, int, datetime], None]  # day number, of how many, simulated instant
    message: Callable[[OutboxMessage, Rendered], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, message: OutboxMessage, rendered: Rendered) -> None:
        """Pass one message on; deliveries run in several threads."""
        with self._lock:
            self.message(message, rendered)


class DrivenClock(VirtualClock):
    """A clock whose waits move it: the only thread that drives it never waits for itself."""

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Let `seconds` pass at once; True if `stop` is set."""
        if not stop.is_set():
            self.advance(timedelta(seconds=max(seconds, 0.0)))
        return stop.is_set()


def run_demo(
    folder: Path, progress: DemoProgress, *, days: int | None = None, stop: threading.Event | None = None
) -> DemoReport:
    """Run the demo in `folder` (its config and database stay there) and report; `days` shortens the season."""
    scenario = demo_scenario()
    total = days or scenario.days
    stop = stop or threading.Event()
    clock = DrivenClock(datetime.combine(scenario.start.date(), datetime.min.time(), UTC) + FIRST_POLL)
    server = SandboxServer(scenario, clock=clock.now)
    server.start()
    try:
        config = prepare(folder, server.url)
        runtime = Runtime(config, clock=clock, stop=stop, owner="demo", listener=progress.sent)
        runtime.open()
        try:
            polls, failures = _simulate(runtime, clock, progress, total)
            return _report(runtime, days=total, polls=polls, calls=len(server.requests), failures=failures)
        finally:
            runtime.close()
            runtime.close_store()
    finally:
        server.stop()


def prepare(folder: Path, url: str) -> Config:
    """Put the demo's config into `folder`, or keep the one there, take an earlier run's database away, and load it.

    Raises ConfigError when somebody's change to it cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("demo.db*"):
        stale.unlink()
    path = folder / "alerter.yaml"
    text = path.read_text("utf-8") if path.exists() else (files("alerter.app") / "demo_config.yaml").read_text("utf-8")
    path.write_text(_SANDBOX.sub(f"base_url: {url}", text), "utf-8")
    return load_config(path, env=os.environ, credentials_dir=None)


def _simulate(runtime: Runtime, clock: VirtualClock, progress: DemoProgress, days: int) -> tuple[int, tuple[str, ...]]:
    """Poll twice a simulated day; return the number of polls and what went wrong."""
    polls, failures = 0, []
    start = clock.now()
    per_day = int(timedelta(days=1) / STEP)
    for step in range(days * per_day):
        if runtime.stop.is_set():
            break
        # Calls take no simulated time, so the schedule is kept to the second.
        clock.set(max(clock.now(), start + step * STEP))
        if step % per_day == 0:
            progress.day(step // per_day + 1, days, clock.now())
        for account in runtime.plan.sources:
            outcome = runtime.poll(account, forced=True)
            polls += 1
            if outcome is not None and outcome.poll.first_error is not None:
                failures.append(str(outcome.poll.first_error))
        runtime.deliver()
    return polls, tuple(failures)


def _report(runtime: Runtime, *, days: int, polls: int, calls: int, failures: tuple[str, ...]) -> DemoReport:
    config = runtime.plan.config
    with runtime.store.read() as tx:
        alerts = tuple(alert for alert in tx.alerts.all() if alert.episode > 0)
        names: dict[str, str] = {}
        products: dict[str, str] = {}
        for account in config.accounts:
            names |= tx.usage.user_names(account.name)
            products |= {one.contract.id: one.contract.label for one in tx.usage.contracts(account.name)}
        messages = tx.outbox.counts().get("sent", 0)
    return DemoReport(
        days=days,
        polls=polls,
        calls=calls,
        messages=messages,
        alerts=tuple(sorted(alerts, key=lambda alert: (alert.started_at or alert.changed_at, alert.rule))),
        names=names,
        products=products,
        config=config.path,
        database=Path(config.database.removeprefix("sqlite:///")),
        failures=failures,
    )
