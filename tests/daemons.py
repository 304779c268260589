"""Daemons as real processes on a world of their own: accounts behind real servers, a real receiver, any database."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from alerter.errors import StoreBusy
from tests.plain_leaf import PlainContract, PlainLeaf
from tests.program import Program
from tests.sinks import HttpSink

PATIENCE = 45.0  # seconds a test waits for something that takes a few
CONFIG = """\
accounts:
{accounts}
poll: {{every: {every}, deadline: {deadline}}}
contracts:
  - {{match: {{}}, cap: 1000 acre}}
rules:
  - {{id: contract-cap, kind: contract_cap}}
channels:
  ops: {{url: slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ, base_url: "{slack}"}}
database: "{database}"
log: {{level: debug}}
"""
ACCOUNT = '  - {{name: {name}, base_url: "{url}", username: owner@example.com, password: {{env: LEAF_PASSWORD}}}}'


class WatchedLeaf(PlainLeaf):
    """A server that knows who asked: every login is another token, so a token stands for a daemon."""

    def __init__(self, contracts: list[PlainContract], today: date) -> None:
        super().__init__(contracts, today)
        self.asked: list[tuple[str, str, float]] = []  # token, path, when

    def knows(self, token: str) -> bool:
        self.asked.append((token, self.calls[-1], time.monotonic()))
        return super().knows(token)

    def polls(self) -> list[set[str]]:
        """Return, per poll (it begins with the contract list), the tokens that asked until the next one began."""
        polls: list[set[str]] = []
        for token, path, _ in list(self.asked):
            if path.split("?")[0].endswith("/contracts"):
                polls.append(set())
            if polls:
                polls[-1].add(token)
        return polls


@dataclass
class Running:
    """One daemon process; what it logs goes to a file."""

    process: subprocess.Popen[str]
    path: Path

    @property
    def log(self) -> str:
        return self.path.read_text("utf-8", "replace")

    def said(self, action: str, **fields: str) -> int:
        """Count the lines of one action, with these values among its fields."""
        lines = [line for line in self.log.splitlines() if re.search(rf"action={action}\b", line)]
        return sum(all(f"{key}={value}" in line for key, value in fields.items()) for line in lines)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@dataclass
class World:
    """Accounts, a receiver and a folder; every daemon started here ends with the world."""

    program: Program
    leaves: dict[str, WatchedLeaf]
    slack: HttpSink
    _stack: ExitStack
    _daemons: list[Running] = field(default_factory=list)

    def start(self, *, ready: bool = True, env: dict[str, str] | None = None) -> Running:
        """Start a daemon and wait until it says that it has started."""
        path = self.program.folder / f"daemon-{len(self._daemons)}.log"
        with path.open("w") as log:
            process = subprocess.Popen(
                self.program.command("run"),
                cwd=self.program.folder,
                env={**self.program.environment(), **(env or {})},
                stdout=log,
                stderr=log,
                text=True,
            )
        daemon = Running(process, path)
        self._daemons.append(daemon)
        self._stack.callback(_end, process)
        if ready:
            until(lambda: daemon.said("started") > 0 or process.poll() is not None, "a start", daemon)
            assert process.poll() is None, daemon.log
        return daemon

    def told(self) -> list[str]:
        """Return what the receiver got."""
        return [request.body.decode() for request in list(self.slack.requests)]


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait(10)


@contextmanager
def world(
    folder: Path, database: str, *, accounts: int = 1, every: str = "1h", deadline: str = "5s"
) -> Iterator[World]:
    """Serve `accounts` accounts whose only contract is over half its cap: one message each."""
    today = datetime.now(UTC).date()
    start = today - timedelta(days=5)
    with ExitStack() as stack:
        slack = HttpSink()
        stack.callback(slack.close)
        leaves = {}
        for number in range(accounts):
            used = {start + timedelta(days=n): 100.0 for n in range(6)}
            contract = PlainContract(f"c-{number}", "OPERATIONS_FILE", start, date(today.year + 2, 6, 1), {"u": used})
            leaves[f"a{number}"] = stack.enter_context(WatchedLeaf([contract], today))
        password = next(iter(leaves.values())).password
        program = Program(folder, {"LEAF_PASSWORD": password})
        named = "\n".join(ACCOUNT.format(name=name, url=leaf.url) for name, leaf in leaves.items())
        program.write(CONFIG.format(accounts=named, every=every, deadline=deadline, slack=slack.url, database=database))
        yield World(program, leaves, slack, stack)


def _holds(true: Callable[[], bool]) -> bool:
    """A database that is just coming back answers nobody, the test neither."""
    try:
        return true()
    except StoreBusy:
        return False


def until(true: Callable[[], bool], what: str, *daemons: Running, within: float = PATIENCE) -> float:
    """Wait and return the seconds it took; show the logs when it does not come true."""
    began = time.monotonic()
    while not _holds(true):
        if time.monotonic() - began > within:
            logs = "\n".join(daemon.log[-3000:] for daemon in daemons)
            raise AssertionError(f"waited {within:g} s in vain: {what}\n{logs}")
        time.sleep(0.02)
    return time.monotonic() - began
