"""A runtime on a loopback server and a database of its own, under a clock that the measurement moves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from alerter.app.clock import VirtualClock
from alerter.app.runtime import Runtime, TickOutcome
from alerter.config import load_config
from bench.server import Server
from bench.world import TODAY

TEN_RULES = """\
rules:
  - {id: spike, kind: daily_spike}
  - {id: spike-unique, kind: daily_spike, measure: unique}
  - {id: spike-ratio, kind: daily_spike, method: ratio}
  - {id: spike-absolute, kind: daily_spike, method: absolute, at_least: 9000000 acre}
  - {id: user-spike, kind: daily_spike, scope: user}
  - {id: contract-cap, kind: contract_cap, tiers: [{at: 50%}, {at: 80%}, {at: 100%}]}
  - {id: month-cap, kind: contract_cap, cap: 90000000 acre, per: month}
  - {id: user-cap, kind: user_cap, cap: 900000 acre}
  - {id: user-day-cap, kind: user_cap, cap: 90000 acre, per: day}
  - {id: term-end, kind: contract_end, days: [30, 7, 1]}
"""
CONFIG = """\
accounts:
  - {{name: bench, base_url: "{url}", token: {{env: BENCH_TOKEN}}, names: false}}
poll: {{every: 15m, threads: {threads}}}
contracts:
  - match: {{product: OPERATIONS_FILE}}
    cap: 90000000 acre
{rules}
channels:
  terminal: {{url: "console://"}}
database: "{database}"
"""
ENV = {"BENCH_TOKEN": "bench-token"}


def write_config(
    folder: Path, url: str, *, database: str = "bench.db", threads: int = 4, rules: str = TEN_RULES
) -> Path:
    """Write a config that polls `url` with ten rules of every kind, none of which fires."""
    path = folder / "alerter.yaml"
    path.write_text(CONFIG.format(url=url, database=database, threads=threads, rules=rules), "utf-8")
    return path


class Polling:
    """An open runtime; every poll is one call."""

    def __init__(self, runtime: Runtime, clock: VirtualClock, server: Server) -> None:
        self.runtime = runtime
        self.server = server
        self._clock = clock

    def poll(self) -> TickOutcome:
        """Let a quarter of an hour pass, poll, and return the outcome; raise if anything went wrong."""
        self._clock.advance(timedelta(minutes=15))
        outcome = self.runtime.poll("bench", forced=True)
        if outcome is None or outcome.poll.first_error is not None:
            raise RuntimeError(f"the poll failed: {outcome}")
        return outcome

    def move(self, share: float = 0.01) -> None:
        """Let a share of the users move."""
        self.server.tell("move", share=share)


@contextmanager
def polling(folder: Path, server: Server, *, threads: int = 4, today: date = TODAY) -> Iterator[Polling]:
    """Yield an open runtime in `folder`; nothing was polled yet."""
    logging.getLogger("alerter").setLevel(logging.ERROR)
    config = load_config(write_config(folder, server.url, threads=threads), env=ENV, credentials_dir=None)
    clock = VirtualClock(datetime.combine(today, time(6), UTC))
    runtime = Runtime(config, clock=clock, stop=threading.Event(), owner="bench")
    runtime.open()
    try:
        yield Polling(runtime, clock, server)
    finally:
        runtime.close()
        runtime.close_store()
