"""Empty databases of both kinds for a measurement, and how large they are on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from alerter.store import Store, migrate
from tests.postgres import NoPostgresError, PostgresServer

KINDS = ("sqlite", "postgres")


@contextmanager
def database(kind: str) -> Iterator[str | None]:
    """Yield the URL of a migrated, empty database; None where this machine has no Postgres."""
    with tempfile.TemporaryDirectory(prefix="alerter-bench-") as folder:
        if kind == "sqlite":
            url = f"sqlite:///{Path(folder) / 'alerter.db'}"
            migrate.upgrade(url)
            yield url
            return
        try:
            server = PostgresServer()
        except NoPostgresError:
            yield None
            return
        try:
            url = server.url()
            migrate.upgrade(url)
            yield url
        finally:
            server.stop()


def disk_bytes(store: Store) -> int:
    """Return what the tables and indexes take on disk: SQLite's file as it is, Postgres after a plain VACUUM."""
    if store.engine.dialect.name == "sqlite":
        path = sqlite_file(store)
        with store.engine.connect() as connection:
            connection.commit()
        raw = store.engine.raw_connection()
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.close()
        return path.stat().st_size
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM"))
        tables = (
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = current_schema() AND c.relkind = 'r'"
        )
        return int(connection.scalar(sa.text(tables)) or 0)


def sqlite_file(store: Store) -> Path:
    """Return the file behind a SQLite store."""
    with store.engine.connect() as connection:
        return Path(str(connection.exec_driver_sql("PRAGMA database_list").all()[0][2]))
