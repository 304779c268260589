"""The daemon as a process: what systemd, an administrator and a crash do to it."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.plain_leaf import PlainContract, PlainLeaf
from tests.program import Program
from tests.sinks import HttpSink, Reply

PATIENCE = 30.0  # seconds a test waits for something that takes one

CONFIG = """\
accounts:
  - {{name: prod, base_url: "{url}", username: owner@example.com, password: {{env: LEAF_PASSWORD}}}}
poll: {{every: {every}}}
contracts:
  - {{match: {{}}, cap: 1000 acre}}
rules:
  - {{id: contract-cap, kind: contract_cap}}
channels:
  ops: {{url: slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ, base_url: "{slack}"}}
database: state.db
"""


class Notified:
    """A real notify socket: what systemd would hear."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify.sock"
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                self.heard.append(self._socket.recv(4096).decode())
            except TimeoutError:
                continue

    def has(self, text: str) -> bool:
        return any(text in heard for heard in self.heard)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def leaf() -> Iterator[PlainLeaf]:
    today = datetime.now(UTC).date()
    start = today - timedelta(days=12)
    used = {start + timedelta(days=n): 50.0 for n in range(13)}
    contract = PlainContract("c-1", "OPERATIONS_FILE", start, date(today.year + 1, 6, 1), {"u-1": used})
    with PlainLeaf([contract], today) as server:
        yield server


@pytest.fixture
def slack() -> Iterator[HttpSink]:
    sink = HttpSink()
    yield sink
    sink.close()


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[Notified]:
    listener = Notified(tmp_path)
    yield listener
    listener.close()


@pytest.fixture
def program(tmp_path: Path, leaf: PlainLeaf, slack: HttpSink, notified: Notified) -> Program:
    made = Program(tmp_path, {"LEAF_PASSWORD": leaf.password, "NOTIFY_SOCKET": str(notified.path)})
    made.write(CONFIG.format(url=leaf.url, slack=slack.url, every="1h"))
    return made


@contextmanager
def running(program: Program) -> Iterator[subprocess.Popen[str]]:
    daemon = program.start("run")
    try:
        yield daemon
    finally:
        if daemon.poll() is None:
            daemon.kill()
        daemon.communicate(timeout=10)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain: {what}"
        time.sleep(0.02)


def stop(daemon: subprocess.Popen[str]) -> tuple[int, float, str]:
    """Send SIGTERM; return the exit code, the seconds it took and the log."""
    asked = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    _, log = daemon.communicate(timeout=PATIENCE)
    return daemon.returncode, time.monotonic() - asked, log


def test_it_says_ready_polls_at_once_delivers_and_ends_cleanly(
    program: Program, slack: HttpSink, notified: Notified
) -> None:
    with running(program) as daemon:
        until(lambda: notified.has("READY=1"), "READY")
        until(lambda: len(slack.requests) == 1, "the first message")
        code, seconds, log = stop(daemon)
    assert code == 0, log
    assert seconds < 10
    assert notified.has("STOPPING=1")
    assert notified.has("STATUS=")
    assert "action=stopped" in log
    assert "Traceback" not in log


def test_a_restart_repeats_nothing(program: Program, leaf: PlainLeaf, slack: HttpSink, notified: Notified) -> None:
    for _ in range(2):
        calls = len(leaf.calls)
        with running(program) as daemon:
            until(lambda calls=calls: len(leaf.calls) > calls + 3, "a poll")
            until(lambda: len(slack.requests) >= 1, "the message")
            assert stop(daemon)[0] == 0
    assert len(slack.requests) == 1


def test_sigterm_in_mid_poll_ends_within_seconds(program: Program, leaf: PlainLeaf, notified: Notified) -> None:
    held = threading.Event()
    leaf.before_answer = lambda path: held.wait(PATIENCE) if path.endswith("/api-owner") else None
    with running(program) as daemon:
        until(lambda: any("/api-owner" in call for call in leaf.calls), "a call that hangs")
        code, seconds, log = stop(daemon)
    held.set()
    assert code == 0, log
    assert seconds < 10
    assert "Traceback" not in log


def test_sigterm_in_mid_send_loses_nothing(program: Program, slack: HttpSink) -> None:
    slack.replies = [Reply(hang=True)]
    with running(program) as daemon:
        assert slack.arrived.wait(PATIENCE)
        code, seconds, log = stop(daemon)
    assert code == 0, log
    assert seconds < 15
    slack.released.set()
    slack.replies = []
    with running(program) as daemon:
        until(lambda: len(slack.requests) == 2, "the copy that cannot be told from the first")
        assert stop(daemon)[0] == 0
    assert b"possibl" in slack.requests[1].body.lower() or b"repeat" in slack.requests[1].body.lower()


def test_kill_9_between_send_and_mark_costs_one_copy_and_no_wait(
    program: Program, slack: HttpSink, notified: Notified
) -> None:
    slack.replies = [Reply(hang=True)]
    with running(program) as daemon:
        assert slack.arrived.wait(PATIENCE)
        daemon.kill()
        daemon.wait(timeout=10)
    slack.released.set()
    slack.replies = []
    with running(program) as daemon:
        until(lambda: len(slack.requests) == 2, "the message again, at once")
        assert stop(daemon)[0] == 0
    ready = sum("READY=1" in heard for heard in notified.heard)
    with running(program) as daemon:
        until(lambda: sum("READY=1" in heard for heard in notified.heard) > ready, "READY once more")
        time.sleep(1)
        assert stop(daemon)[0] == 0
    assert len(slack.requests) == 2


def test_sighup_takes_a_good_config_and_refuses_a_bad_one_whole(
    program: Program, leaf: PlainLeaf, slack: HttpSink, notified: Notified
) -> None:
    good = program.config.read_text()
    with running(program) as daemon:
        until(lambda: notified.has("READY=1"), "READY")
        until(lambda: len(slack.requests) == 1, "the first message")
        program.write(good.replace("kind: contract_cap", "kind: contract_capp"))
        daemon.send_signal(signal.SIGHUP)
        until(lambda: notified.has("config rejected"), "the refusal")
        rejected = program.json("status", "--database", "state.db")["config"]["rejected"]
        assert "alerter.yaml:7:30" in rejected[0]
        assert "contract_cap" in rejected[0]
        calls = len(leaf.calls)
        program.write(
            good.replace(
                "kind: contract_cap}",
                "kind: contract_cap, tiers: [{at: 60%, severity: critical}]}",
            )
        )
        daemon.send_signal(signal.SIGHUP)
        until(lambda: notified.has("config reloaded"), "the new config")
        until(lambda: len(leaf.calls) > calls, "a poll under the new config")
        until(lambda: len(slack.requests) >= 2, "the escalation to the new tier")
        code, _, log = stop(daemon)
    assert code == 0, log
    assert "alerter.yaml:7:30" in log
    assert program.json("status")["config"]["rejected"] == []


def test_a_second_daemon_on_one_sqlite_file_refuses_and_names_the_first(
    program: Program, slack: HttpSink, notified: Notified
) -> None:
    with running(program) as daemon:
        until(lambda: notified.has("READY=1"), "READY")
        second = program.run("run")
        assert second.code == 75
        assert str(daemon.pid) in second.err
        assert "Traceback" not in second.err
        assert stop(daemon)[0] == 0


def test_the_watchdog_is_fed_while_work_moves(program: Program, notified: Notified) -> None:
    program.env["WATCHDOG_USEC"] = "3000000"
    with running(program) as daemon:
        until(lambda: sum("WATCHDOG=1" in heard for heard in notified.heard) >= 3, "three pings")
        assert stop(daemon)[0] == 0


def test_a_broken_config_at_the_start_is_exit_2_with_every_position(program: Program) -> None:
    program.write(program.config.read_text().replace("every: 1h", "every: soon").replace("1000 acre", "1000 acres!"))
    ran = program.run("run")
    assert ran.code == 2
    assert "alerter.yaml:3:15" in ran.err
    assert "alerter.yaml:5:22" in ran.err
    assert "Traceback" not in ran.err


def test_the_database_file_is_private(program: Program, slack: HttpSink) -> None:
    with running(program) as daemon:
        until(lambda: len(slack.requests) == 1, "the first message")
        assert stop(daemon)[0] == 0
    for path in program.folder.glob("state.db*"):
        assert path.stat().st_mode & 0o077 == 0, path
