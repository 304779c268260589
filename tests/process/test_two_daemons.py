"""Several daemons on one Postgres: they share the work, survive one another, and say everything once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import psycopg
import pytest

from alerter.store import Store
from tests.cutting_proxy import CuttingProxy
from tests.daemons import PATIENCE, World, until, world
from tests.postgres import PostgresServer
from tests.sinks import Reply

TAKEN_OVER_WITHIN = 15.0
SLOW_MACHINE = 4.0  # seconds on top, for a machine that does other things as well


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.url()


@pytest.fixture
def two(tmp_path: Path, url: str) -> Iterator[World]:
    with world(tmp_path, url) as made:
        yield made


def states(url: str) -> dict[str, Any]:
    store = Store(url)
    with store.read() as tx:
        found = {one.name: one for one in tx.accounts.states()}
    store.close()
    return found


def outbox(url: str) -> list[Any]:
    store = Store(url)
    with store.read() as tx:
        rows = tx.outbox.list()
    store.close()
    return rows


@pytest.mark.long
def test_they_share_the_accounts_poll_each_one_at_a_time_and_send_every_message_once(tmp_path: Path, url: str) -> None:
    with world(tmp_path, url, accounts=4, every="10s") as shared:
        daemons = [shared.start(), shared.start()]
        until(lambda: all(len(leaf.polls()) >= 4 for leaf in shared.leaves.values()), "four polls of each", *daemons)
        by_whom = [[next(iter(poll)) for poll in leaf.polls() if poll] for leaf in shared.leaves.values()]
        overlapping = [poll for leaf in shared.leaves.values() for poll in leaf.polls() if len(poll) > 1]
        assert not overlapping
        done = [daemon.said("poll_done") for daemon in daemons]
        assert min(done) > 0, f"one did nothing: {done} {by_whom}"
        assert [daemon.stop() for daemon in daemons] == [0, 0]
    assert len(shared.told()) == 4
    assert {row.state for row in outbox(url)} == {"sent"}
    assert all(row.attempts == 1 for row in outbox(url))
    assert all("Traceback" not in daemon.log for daemon in daemons)


@pytest.mark.long
def test_a_killed_daemons_account_is_taken_over_within_its_lease(two: World, url: str) -> None:
    leaf = two.leaves["a0"]
    held = threading.Event()
    leaf.before_answer = lambda path: held.wait(PATIENCE) if path.endswith("/api-owner") else None
    first = two.start()
    until(lambda: any("/api-owner" in path for _, path, _ in leaf.asked), "a poll under way", first)
    second = two.start()
    calls = len(leaf.asked)
    time.sleep(1.0)
    assert len(leaf.asked) == calls, "polled by two at a time"
    first.process.kill()
    killed = time.monotonic()
    held.set()
    leaf.before_answer = lambda _: None
    until(lambda: len(leaf.polls()) == 2, "the other one polls", second)
    assert leaf.asked[-1][2] - killed < TAKEN_OVER_WITHIN + SLOW_MACHINE
    until(lambda: len(two.told()) == 1, "the message", second)
    assert second.stop() == 0


def test_a_killed_daemons_sends_are_resumed_within_the_lease(two: World, url: str) -> None:
    two.slack.replies = [Reply(hang=True)]
    first = two.start()
    until(lambda: len(two.told()) == 1, "a send under way", first)
    second = two.start()
    first.process.kill()
    killed = time.monotonic()
    two.slack.replies = []
    two.slack.released.set()
    until(lambda: len(two.told()) == 2, "the other one sends it", second)
    assert time.monotonic() - killed < TAKEN_OVER_WITHIN + SLOW_MACHINE
    until(lambda: outbox(url)[0].state == "sent", "the mark", second)
    assert "repeat" in two.told()[1].lower()
    assert second.stop() == 0
    assert len(two.told()) == 2


def test_a_daemon_paused_in_mid_poll_writes_nothing_when_it_wakes(two: World, url: str) -> None:
    leaf = two.leaves["a0"]
    held = threading.Event()
    leaf.before_answer = lambda path: held.wait(PATIENCE) if path.endswith("/api-owner") else None
    first = two.start()
    until(lambda: any("/api-owner" in path for _, path, _ in leaf.asked), "a poll under way", first)
    first.pause()
    leaf.before_answer = lambda _: None
    second = two.start()
    until(lambda: len(two.told()) == 1, "the other one polls and sends", second)
    before = states(url)["a0"]
    held.set()
    first.go_on()
    until(lambda: first.said("claim_lost") == 1, "the loss", first)
    assert states(url)["a0"] == before
    assert before.reason == ""
    assert first.said("poll_failed") == 0
    until(lambda: outbox(url)[0].state == "sent", "the mark", second)
    assert len(two.told()) == 1
    health = two.program.json("alerts", "--all")
    assert "login_failed" not in json.dumps(health)
    assert "stale_data" not in json.dumps(health)
    assert [first.stop(), second.stop()] == [0, 0]
    assert "Traceback" not in first.log


@pytest.mark.long
def test_a_daemon_paused_in_mid_send_marks_nothing_when_it_wakes(two: World, url: str) -> None:
    two.slack.replies = [Reply(hang=True)]
    first = two.start()
    until(lambda: len(two.told()) == 1, "a send under way", first)
    first.pause()
    two.slack.replies = []
    second = two.start()
    until(lambda: len(two.told()) == 2, "the other one sends it", second)
    until(lambda: outbox(url)[0].state == "sent", "the mark", second)
    two.slack.released.set()  # the first one's connection is cut without an answer
    first.go_on()
    until(lambda: first.said("message_failed") == 1, "the cut answer", first)
    time.sleep(1.0)
    row = outbox(url)[0]
    assert (row.state, row.attempts, row.ambiguous) == ("sent", 2, 1)
    assert [first.stop(), second.stop()] == [0, 0]
    assert len(two.told()) == 2


def test_backends_killed_at_any_time_lose_and_double_nothing(
    tmp_path: Path, url: str, postgres_server: PostgresServer
) -> None:
    with world(tmp_path, url, accounts=3) as shared:
        for leaf in shared.leaves.values():
            leaf.before_answer = lambda _: time.sleep(0.1)
        daemons = [shared.start(), shared.start()]
        for _ in range(8):
            postgres_server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            time.sleep(0.25)
        _kill_a_backend(postgres_server)
        until(lambda: len(shared.told()) >= 3, "every message", *daemons)
        until(lambda: {row.state for row in outbox(url)} == {"sent"}, "the marks", *daemons)
        assert all(state.last_ok_at for state in states(url).values())
        assert [daemon.stop() for daemon in daemons] == [0, 0]
        assert len(shared.told()) == 3
        assert all("Traceback" not in daemon.log for daemon in daemons)


def test_commits_whose_answers_are_lost_are_done_again_without_doubling(tmp_path: Path, url: str) -> None:
    """A write may be kept though its writer was told otherwise: doing it again must change nothing."""
    folder = Path(tempfile.mkdtemp(prefix="alerter-cut-", dir="/tmp"))  # a socket's path has to be short
    host = url.partition("host=")[2].partition("&")[0]
    proxy = CuttingProxy(folder, Path(unquote(host)), nth=3)
    try:
        with world(tmp_path, url.replace(host, quote(str(folder))), accounts=3) as one:
            daemon = one.start()
            proxy.cutting.set()
            daemon.process.send_signal(signal.SIGHUP)  # polls again, for the first may be done
            until(lambda: proxy.cut >= 8, "eight lost answers", daemon)
            proxy.cutting.clear()
            until(lambda: len(one.told()) == 3, "every message", daemon)
            until(lambda: {row.state for row in outbox(url)} == {"sent"}, "the marks", daemon)
            until(lambda: all(state.last_ok_at for state in states(url).values()), "the polls", daemon)
            assert daemon.stop() == 0
            assert len(one.told()) == 3
            assert "Traceback" not in daemon.log
    finally:
        proxy.close()
        shutil.rmtree(folder)


def _kill_a_backend(server: PostgresServer) -> None:
    """Let one of the test's own server's processes die like a crash: the whole server starts over."""
    with psycopg.connect(server._dsn(), autocommit=True) as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert pid is not None
        os.kill(pid[0], signal.SIGKILL)
    server._wait()


@pytest.mark.long
def test_a_postgres_that_is_away_is_waited_for_at_the_start_and_missed_while_running(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        url = server.url()
        server.halt()
        with world(tmp_path, url) as one:
            daemon = one.start(ready=False)
            until(lambda: daemon.said("waiting_for_database") >= 2, "the waiting", daemon)
            server.start()
            until(lambda: len(one.told()) == 1, "the message", daemon)
            server.halt()
            until(lambda: daemon.said("storage_failed") >= 1, "a word on it", daemon)
            time.sleep(3)
            server.start()
            until(lambda: daemon.said("storage_recovered") == 1, "the recovery", daemon)
            assert daemon.said("storage_failed") == 1
            assert daemon.stop() == 0
            assert len(one.told()) == 1
            assert "Traceback" not in daemon.log
    finally:
        server.stop()


def test_a_postgres_that_stays_away_at_the_start_does_not_keep_sigterm_waiting(tmp_path: Path) -> None:
    with world(tmp_path, f"postgresql://nobody@/none?host={tmp_path}") as one:
        daemon = one.start(ready=False)
        until(lambda: daemon.said("waiting_for_database") >= 1, "the waiting", daemon)
        assert daemon.stop() == 0


def test_a_schema_from_the_future_is_refused_at_once(tmp_path: Path, url: str) -> None:
    with world(tmp_path, url) as one:
        daemon = one.start()
        assert daemon.stop() == 0
        with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
            connection.execute("UPDATE alerter_schema SET version_num = '9999'")
        ran = one.program.run("run")
        assert ran.code == 3
        assert "newer" in ran.err


@pytest.mark.long
def test_on_sqlite_a_second_daemon_and_once_refuse_and_commands_that_look_go_on(tmp_path: Path) -> None:
    with world(tmp_path, "state.db") as one:
        daemon = one.start()
        until(lambda: len(one.told()) == 1, "the message", daemon)
        for command in ("run", "once"):
            ran = one.program.run(command)
            assert ran.code == 75, (command, ran.err)
            assert str(daemon.process.pid) in ran.err
        assert one.program.run("status").code in (0, 1)
        assert one.program.run("alerts").code == 0
        assert daemon.stop() == 0
        assert len(one.told()) == 1
