"""Hold a SQLite database for one daemon: a lock on a file beside it, freed by the kernel when the process ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerter.errors import StoreError, StoreHeld, StoreLost, StoreUnwritable

_OWNER_ONLY = 0o600
_LOCKS = Path("/proc/locks")  # the kernel's list: asking by taking the lock could keep a starting daemon out


class HoldFile:
    """The lock on `<database>.lock`; the file tells who holds it and since when."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._file: int | None = None
        self._name = ""

    def take(self, name: str) -> None:
        """Take the lock as `name`; raise StoreHeld naming the holder, StoreError when the file cannot be written.

        Raises StoreLost when the last holder had a database and there is none now: a new one in its place would tell
        everything anew, and nobody would know why.
        """
        if self._file is not None:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
        except OSError as error:
            raise StoreError(f"the lock file {self._path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 4096, 0)
            os.close(file)
            raise StoreHeld(_describe(self._path, holder)) from error
        try:
            self._check_database(os.pread(file, 4096, 0))
            self._write(file, name)
        except OSError as error:
            os.close(file)
            raise StoreUnwritable(f"the lock file {self._path} cannot be written: {error.strerror}") from error
        except StoreLost:
            os.close(file)
            raise
        self._file, self._name = file, name

    def holder(self) -> str | None:
        """Say who holds the database now, without touching the lock; None: nobody, or it cannot be seen here."""
        try:
            file, locks = self._path.stat(), _LOCKS.read_text("ascii")
            place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
            is_held = any(" FLOCK " in line and f" {place} " in line for line in locks.splitlines())
            return _described(self._path.read_bytes()) if is_held else None
        except OSError:
            return None

    def remember(self) -> None:
        """Write down that the database is there, for the next holder."""
        if self._file is not None:
            self._write(self._file, self._name)

    def _check_database(self, before: bytes) -> None:
        if not self._database.exists() and _read(before).get("database"):
            raise StoreLost(
                f"the database {self._database} is gone, though a daemon has worked on it: put it back or restore a "
                f"backup; to begin anew without its history, delete {self._path}"
            )

    def _write(self, file: int, name: str) -> None:
        os.ftruncate(file, 0)
        os.utime(file)  # the file's own time is the start: no clock is needed here
        since = datetime.fromtimestamp(int(os.fstat(file).st_mtime), UTC)
        holder = {"name": name, "pid": os.getpid(), "host": socket.gethostname(), "since": since.isoformat()}
        os.pwrite(file, json.dumps({**holder, "database": self._database.exists()}).encode(), 0)

    def free(self) -> None:
        """Give the lock back; the file stays, for removing it would race with the next holder."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _read(holder: bytes) -> dict[str, Any]:
    try:
        read = json.loads(holder)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _describe(path: Path, holder: bytes) -> str:
    told = _described(holder)
    return f"another daemon uses this database ({told}); stop it first, or use Postgres to run several (lock: {path})"


def _described(holder: bytes) -> str:
    who = _read(holder)
    if {"name", "pid", "host", "since"} <= set(who):
        return f"{who['name']}, pid {who['pid']} on {who['host']}, since {who['since']}"
    return "its holder is just starting"
