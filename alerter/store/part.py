"""What every part of a transaction shares: the connection, the caches, and names resolved to keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from alerter.errors import StoreError
from alerter.store.cache import TxCache
from alerter.store.tables import account

_KEY_OF_NAME = sa.select(account.c.key).where(account.c.name == sa.bindparam("name"))


class Part:
    """One subject's share of a transaction."""

    def __init__(self, connection: Connection, cache: TxCache) -> None:
        self._connection = connection
        self._cache = cache

    @property
    def _on_postgres(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    def _insert(self, table: sa.Table) -> Any:
        """Return an INSERT that knows ON CONFLICT; both dialects spell it alike."""
        return (postgresql if self._on_postgres else sqlite).insert(table)

    # A statement that every poll needs is made once, with `bindparam`s: making one takes longer than running it.
    def _all(self, statement: Any, **values: Any) -> Sequence[sa.Row[Any]]:
        return self._connection.execute(statement, values or None).all()

    def _first(self, statement: Any, **values: Any) -> sa.Row[Any] | None:
        return self._connection.execute(statement, values or None).first()

    def _scalar(self, statement: Any, **values: Any) -> Any:
        return self._connection.scalar(statement, values or None)

    def _run(self, statement: Any, rows: Sequence[Mapping[str, Any]] | None = None) -> int:
        """Execute, by executemany with `rows`; return the number of rows concerned."""
        if rows is not None and not rows:
            return 0
        return self._connection.execute(statement, rows).rowcount

    def _add(self, table: sa.Table, **values: Any) -> int:
        """Insert one row and return its integer key."""
        key = self._connection.execute(sa.insert(table).values(**values)).inserted_primary_key
        if key is None:  # pragma: no cover - every table used here has an integer key
            raise StoreError(f"{table.name} gave no key")
        return int(key[0])

    def _account_key(self, name: str) -> int:
        row = self._first(_KEY_OF_NAME, name=name)
        if row is None:
            raise StoreError(f"the account {name!r} is not in the database; accounts are stored when the daemon starts")
        return int(row.key)

    def _lock_account(self, key: int) -> None:
        """Let nobody else write this account's users until the end of the transaction (SQLite: nobody can)."""
        if self._on_postgres and self._cache.lock_once("account", key):
            self._first(sa.select(account.c.key).where(account.c.key == key).with_for_update(key_share=True))
