"""One database, opened: transactions on it, and the hold that keeps a second daemon off a SQLite file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import Connection, Engine

from alerter.errors import StoreBusy, StoreError, StoreLost
from alerter.store.accounts import Accounts
from alerter.store.alerts import Alerts
from alerter.store.cache import Cache, TxCache
from alerter.store.engine import BUSY_TIMEOUT, begin, open_engine, parse_url, sqlite_path
from alerter.store.hold import HoldFile
from alerter.store.journal import Journal
from alerter.store.outbox import Outbox
from alerter.store.silences import Silences
from alerter.store.tables import metadata
from alerter.store.usage import Usage


class Tx:
    """One transaction: everything done through it is kept, or nothing."""

    def __init__(self, connection: Connection, cache: TxCache) -> None:
        self.accounts = Accounts(connection, cache)
        self.usage = Usage(connection, cache)
        self.alerts = Alerts(connection, cache)
        self.outbox = Outbox(connection, cache)
        self.silences = Silences(connection, cache)
        self.journal = Journal(connection, cache)


class Store:
    """A database by URL: `sqlite:///relative`, `sqlite:////absolute`, `sqlite://` (memory) or `postgresql://…`.

    Connections are opened lazily.  Safe for threads: writers wait for one another, readers for nobody.  The schema must
    be current (`migrate.upgrade`); a database in memory gets it here.
    """

    def __init__(self, url: str) -> None:
        parsed = parse_url(url)
        self._path = sqlite_path(parsed)
        self._engine = open_engine(parsed)
        self._file = FileIdentity(self._path) if self._path else None
        self._hold = HoldFile(self._path) if self._path else None
        self._cache = Cache()
        # In SQLite one writer at a time anyway: waiting here is fair and costs no polling of the file.
        self._turn = threading.RLock() if self._engine.dialect.name == "sqlite" else None
        self._in_memory = self._turn is not None and self._path is None
        if self._in_memory:
            with begin(self._engine, writes=True) as connection:
                metadata.create_all(connection)

    @property
    def engine(self) -> Engine:
        """The engine underneath, for tests and backups."""
        return self._engine

    def close(self) -> None:
        """Close every connection and give back the hold."""
        self._engine.dispose()
        if self._hold is not None:
            self._hold.free()

    def hold(self, name: str) -> bool:
        """Keep every other daemon off this SQLite file until `close` or the end of the process; False on Postgres.

        Raises StoreHeld naming the holder, StoreLost when a daemon has worked on this file and it is gone.  Postgres
        needs none: daemons there share the work by claims.
        """
        if self._hold is not None:
            self._hold.take(name)
        return self._hold is not None

    def remember(self) -> None:
        """Note beside a held SQLite file that it exists: should it be gone at the next start, no new one is made."""
        if self._hold is not None:
            self._hold.remember()

    def holder(self) -> str | None:
        """Say who holds this SQLite file now; None: nobody, or on Postgres, where nobody has to."""
        return self._hold.holder() if self._hold is not None else None

    def damage(self) -> str | None:
        """Let SQLite check the whole file and return the first thing it found; None: all is well, or on Postgres."""
        if self._turn is None:
            return None
        with begin(self._engine, writes=False) as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        return None if found == "ok" else found

    def size(self) -> int:
        """Return the bytes that the database takes."""
        with begin(self._engine, writes=False) as connection:
            if self._turn is None:
                return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar() or 0)
            pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0)
            return pages * int(connection.exec_driver_sql("PRAGMA page_size").scalar() or 0)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Run one transaction that writes: committed at the end, rolled back on any error; not to be nested.

        Raises StoreBusy when the database is locked or away, StoreError when it refused.
        """
        with self._its_turn(), self._transaction(writes=True) as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Run one transaction that only reads, on one state of the database."""
        if self._in_memory:  # one connection: readers take turns with writers
            with self._its_turn(), self._transaction(writes=True) as tx:
                yield tx
        else:
            with self._transaction(writes=False) as tx:
                yield tx

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Tx]:
        if self._file is not None:
            self._file.check()
        cache = TxCache(self._cache)
        with begin(self._engine, writes=writes) as connection:
            yield Tx(connection, cache)
        cache.commit()

    @contextmanager
    def _its_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_TIMEOUT * 2):
            raise StoreBusy("another thread of this process has been writing for too long; trying again later")
        try:
            yield
        finally:
            self._turn.release()


class FileIdentity:
    """Notices that a database file was deleted or replaced under us: what is written to the old one is lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[int, int] | None = None

    def check(self) -> None:
        """Raise StoreError when the file is not the one seen first."""
        try:
            stat = self._path.stat()
        except OSError as error:
            if self._known is not None:
                raise StoreLost(
                    f"there is no database at {self._path} any more ({error.strerror}); "
                    "put it back or restore a backup, then start again"
                ) from error
            raise StoreError(
                f"there is no database at {self._path} ({error.strerror}); `alerter db upgrade` makes one"
            ) from error
        if self._known is None:
            self._known = (stat.st_dev, stat.st_ino)
        if self._known != (stat.st_dev, stat.st_ino):
            raise StoreLost(f"the database {self._path} was replaced while in use; check it and start again")
