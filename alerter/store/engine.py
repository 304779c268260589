"""Open a database, begin transactions that mean it, and turn library errors into ours.

SQLite: WAL, synchronous=FULL (what was committed survives a power cut), foreign keys, BEGIN IMMEDIATE for every
transaction that writes, because a deferred one that turns into a writer fails at once instead of waiting.
Postgres: psycopg 3; reading transactions see one snapshot of the database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import StaticPool

from alerter.errors import ConfigError, Problem, SchemaError, StoreBusy, StoreError, StoreLost, StoreUnwritable

BUSY_TIMEOUT = 5.0  # seconds that a writer waits for another
OWNER_ONLY = 0o600
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_BUSY_STATES = ("08", "40", "53", "57P")  # connection lost, serialization, out of connections, server going down
_REFUSED = ("does not exist", "authentication failed", "no pg_hba.conf entry")  # waiting does not help
_DAMAGED: dict[str, tuple[type[StoreError], str]] = {
    "SQLITE_FULL": (StoreUnwritable, "the disk is full; nothing of this step was kept"),
    "SQLITE_READONLY_DBMOVED": (StoreLost, "the database file was moved or deleted while in use; restore it"),
    "SQLITE_READONLY": (StoreUnwritable, "the database cannot be written: read-only file or disk"),
    "SQLITE_IOERR": (StoreUnwritable, "the disk reported an error; is the volume healthy?"),
    "SQLITE_CORRUPT": (StoreLost, "the database is damaged; stop the daemon and restore a backup"),
    "SQLITE_NOTADB": (StoreLost, "this file is not a database; restore a backup or point `database:` elsewhere"),
    "SQLITE_CANTOPEN": (
        StoreUnwritable,
        "the database cannot be opened: check that the file and its folder exist and are ours",
    ),
}
# A partition must not hold a worker for ever, nor a daemon that was paused in mid-transaction all the others.
_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}  # seconds, seconds, milliseconds
_SESSION = ("SET lock_timeout = '20s'", "SET idle_in_transaction_session_timeout = '30s'")


def parse_url(url: str) -> URL:
    """Read a database URL (`sqlite:///file`, `sqlite://` or `postgresql://…`); raise ConfigError for any other."""
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        parsed = None  # the library's message would repeat the URL, password and all
    if parsed is None or parsed.drivername not in _DRIVERS:
        problem = Problem("", 0, 0, "database", "is not sqlite:///FILE or postgresql://USER@HOST/DATABASE")
        raise ConfigError([problem])
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def sqlite_path(url: URL) -> Path | None:
    """Return the database file's absolute path; None for Postgres and for a database in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def open_engine(url: URL, *, create: bool = False, foreign_keys: bool = True, busy: float = BUSY_TIMEOUT) -> Engine:
    """Return an engine whose transactions mean it; a SQLite file is made (for its owner only) if `create` says so.

    Connections are opened lazily; raises StoreError when the driver for the URL is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, create=create, foreign_keys=foreign_keys, busy=busy)
    try:
        return _open_postgres(url)
    except ModuleNotFoundError as error:
        raise StoreError("Postgres needs the extra: install alerter[postgres]") from error


def _open_postgres(url: URL) -> Engine:
    patience = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    engine = sa.create_engine(
        url, hide_parameters=True, pool_pre_ping=True, pool_size=8, max_overflow=8, connect_args=patience
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            for statement in _SESSION:
                cursor.execute(statement)
        connection.commit()

    return engine


def _open_sqlite(url: URL, *, create: bool, foreign_keys: bool, busy: float) -> Engine:
    path = sqlite_path(url)
    if path is None:
        options: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        engine = sa.create_engine("sqlite://", hide_parameters=True, **options)
    else:
        if create and not path.exists():
            _create_file(path)
        # mode=rw: a database that went away is an error, never an empty new one.
        target = f"{path.as_uri()}?mode=rw"
        engine = sa.create_engine(
            "sqlite://",
            hide_parameters=True,
            poolclass=sa.pool.QueuePool,
            pool_size=8,
            max_overflow=8,
            creator=lambda: sqlite3.connect(target, uri=True, timeout=busy, check_same_thread=False),
        )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.execute(f"PRAGMA busy_timeout = {round(busy * 1000)}")
        if path is not None:
            with suppress(sqlite3.OperationalError):  # somebody else is switching it on right now
                connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("alerter_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _create_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, OWNER_ONLY))
    except OSError as error:
        raise StoreError(f"the database {path} cannot be created: {error.strerror}") from error


@contextmanager
def begin(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """Run one transaction; commit at the end, roll back on any error, and raise only this project's errors for it."""
    options: dict[str, Any] = {"alerter_writes": writes}
    if not writes and engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except exc.SQLAlchemyError as error:
        wrapped = wrap(error, engine)
        if isinstance(error, exc.OperationalError) and not isinstance(wrapped, StoreBusy) and not _in_memory(engine):
            engine.dispose()  # an input or output error leaves connections in doubt: open new ones next time
        raise wrapped from error


def _in_memory(engine: Engine) -> bool:
    return isinstance(engine.pool, StaticPool)


def wrap(error: exc.SQLAlchemyError, engine: Engine) -> StoreError:
    """Return our error for the library's: StoreBusy when trying again later can help; it never quotes values."""
    if isinstance(error, exc.TimeoutError):
        return StoreBusy("no database connection became free in time")
    if isinstance(error, exc.StatementError) and not isinstance(error, exc.DBAPIError) and error.orig is not None:
        return StoreError(f"a value cannot be stored: {error.orig}")
    if not isinstance(error, exc.DBAPIError):
        return StoreError(f"the database answered something unexpected: {type(error).__name__}")
    if engine.dialect.name == "sqlite":
        return _wrap_sqlite(error)
    return _wrap_postgres(error)


def _wrap_sqlite(error: exc.DBAPIError) -> StoreError:
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    text = str(error.orig)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusy("the database is locked by another process (a backup, or a shell?); trying again later")
    if "no such table" in text:
        return SchemaError("the database has no tables of this program yet; run `alerter db upgrade`")
    for prefix, (kind, sentence) in _DAMAGED.items():
        if name.startswith(prefix):
            return kind(f"{sentence} ({text})")
    return StoreError(f"the database refused: {text}")


def _wrap_postgres(error: exc.DBAPIError) -> StoreError:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    diag = getattr(error.orig, "diag", None)
    text = str(getattr(diag, "message_primary", None) or str(error.orig).strip().split("\n", 1)[0])
    if state == "42P01":
        return SchemaError("the database has no tables of this program yet; run `alerter db upgrade`")
    away = isinstance(error, exc.OperationalError | exc.InterfaceError) and not state
    if away and any(sentence in text for sentence in _REFUSED):
        return StoreError(f"the database refused us: {text}")
    if error.connection_invalidated or away or state.startswith(_BUSY_STATES) or state == "55P03":
        return StoreBusy(f"the database is busy or away: {text}")
    return StoreError(f"the database refused: {text}")
