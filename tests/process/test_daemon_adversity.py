"""The daemon when its disk, its database file or another program is against it."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.daemons import until, world


@contextmanager
def small_disk(folder: Path, size: str = "700k") -> Iterator[Path]:
    """Mount a small disk of its own; skip where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def heard(folder: Path) -> Iterator[list[str]]:
    """Listen as systemd would, and collect the watchdog's pings."""
    pings: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "notify"))
        listener.settimeout(0.1)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                with suppress(TimeoutError):
                    pings.extend(["ping"] if b"WATCHDOG=1" in listener.recv(4096) else [])

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield pings
        finally:
            stop.set()
            thread.join()


def test_a_full_disk_is_said_once_told_past_the_database_and_healed_from(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk, world(tmp_path, f"{disk}/state.db", every="10s") as one:
        daemon = one.start()
        until(lambda: len(one.told()) == 1, "the message", daemon)
        filler = disk / "filler"
        _fill(filler)
        # A quiet poll writes so little that it fits into the journal's old pages: let there be something to store.
        leaf = one.leaves["a0"]
        leaf.contracts["c-0"].usage |= {f"user-{n}": {leaf.today: 0.001} for n in range(5000)}
        until(lambda: len(one.told()) == 2, "the notice", daemon)
        assert "full" in one.told()[1]
        time.sleep(7)
        assert daemon.said("storage_failed") == 1
        assert daemon.process.poll() is None
        filler.unlink()
        until(lambda: daemon.said("storage_recovered") == 1, "the recovery", daemon)
        until(lambda: len(one.told()) == 3, "the good news", daemon)
        assert "RESOLVED" in one.told()[2]
        assert daemon.stop() == 0
        assert sqlite3.connect(disk / "state.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert "Traceback" not in daemon.log


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def test_a_read_only_disk_at_the_start_is_refused_with_the_reason(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, world(tmp_path, f"{disk}/state.db") as one:
        daemon = one.start()
        until(lambda: len(one.told()) == 1, "the message", daemon)
        assert daemon.stop() == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        ran = one.program.run("run")
        assert ran.code == 1
        assert "ead-only" in ran.err
        assert "Traceback" not in ran.err
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@pytest.mark.long
def test_a_database_locked_by_another_program_is_waited_for(tmp_path: Path) -> None:
    with world(tmp_path, "state.db", every="10s") as one, heard(tmp_path) as pings:
        service = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        daemon = one.start(env=service)
        until(lambda: len(one.told()) == 1, "the message", daemon)
        leaf = one.leaves["a0"]
        backup = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        backup.execute("BEGIN IMMEDIATE")
        until(lambda: daemon.said("storage_failed") == 1, "a word on the lock", daemon)
        assert "locked by another process" in daemon.log
        assert one.program.run("alerts").code == 0
        fed = len(pings)
        until(lambda: len(pings) >= fed + 2, "the watchdog's food while it waits", daemon)
        polls = len(leaf.polls())
        backup.execute("ROLLBACK")
        backup.close()
        until(lambda: daemon.said("storage_recovered") == 1, "the recovery", daemon)
        until(lambda: len(leaf.polls()) > polls, "the next poll", daemon)
        assert daemon.said("storage_failed") == 1
        assert daemon.stop() == 0
        assert len(one.told()) == 1


@pytest.mark.long
def test_a_damaged_database_ends_the_daemon_with_a_hint(tmp_path: Path) -> None:
    with world(tmp_path, "state.db", every="10s") as one:
        daemon = one.start()
        until(lambda: len(one.told()) == 1, "the message", daemon)
        with sqlite3.connect(tmp_path / "state.db") as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / "state.db").open("r+b") as file:
            file.seek(0)
            file.write(b"\xff" * (tmp_path / "state.db").stat().st_size)
        assert daemon.process.wait(40) == 1, daemon.log
        assert "restore a backup" in daemon.log
        assert "Traceback" not in daemon.log
        ran = one.program.run("run")
        assert ran.code in (1, 3)
        assert "restore a backup" in ran.err


def test_a_deleted_database_ends_the_daemon_and_is_not_made_anew_in_silence(tmp_path: Path) -> None:
    with world(tmp_path, "state.db", every="10s") as one:
        daemon = one.start()
        until(lambda: len(one.told()) == 1, "the message", daemon)
        kept = tmp_path / "kept"
        kept.mkdir()
        for path in tmp_path.glob("state.db*"):
            if path.suffix != ".lock":
                shutil.move(path, kept / path.name)
        assert daemon.process.wait(40) == 1, daemon.log
        assert "there is no database" in daemon.log
        until(lambda: len(one.told()) == 2, "the notice", daemon)
        ran = one.program.run("run")
        assert ran.code == 1
        assert "state.db.lock" in ran.err
        assert not (tmp_path / "state.db").exists()
        for path in kept.iterdir():
            shutil.move(path, tmp_path / path.name)
        daemon = one.start()
        assert daemon.stop() == 0
        assert len(one.told()) == 2


@pytest.mark.long
def test_a_hanging_account_and_a_failing_one_delay_no_other(tmp_path: Path) -> None:
    with world(tmp_path, "state.db", accounts=4, every="10s", deadline="20s") as one:
        held = threading.Event()
        one.leaves["a0"].before_answer = lambda _: held.wait(60)
        one.leaves["a1"].status["/contracts"] = 500
        daemon = one.start()
        well = [one.leaves["a2"], one.leaves["a3"]]
        until(lambda: all(len(leaf.polls()) >= 3 for leaf in well), "three polls of the others", daemon)
        assert len(one.leaves["a0"].polls()) <= 2
        for leaf in well:
            began = [at for _, path, at in leaf.asked if path.endswith("/contracts")]
            assert max(b - a for a, b in pairwise(began)) < 16
        until(lambda: len(one.told()) >= 2, "the others' messages", daemon)
        assert daemon.stop() == 0
        held.set()
