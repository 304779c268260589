"""Small facts by key: what was done last, what was told once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from alerter.store.part import Part
from alerter.store.tables import journal

_J = journal.c


class Journal(Part):
    """The facts of one transaction."""

    def put(self, key: str, value: Mapping[str, Any], now: datetime) -> None:
        """Keep a fact, in place of the one before."""
        new = self._insert(journal).values(key=key, value=dict(value), at=now)
        self._run(
            new.on_conflict_do_update(
                index_elements=[_J.key], set_={"value": new.excluded.value, "at": new.excluded["at"]}
            )
        )

    def get(self, key: str) -> Mapping[str, Any] | None:
        """Return a fact, or None."""
        found: Mapping[str, Any] | None = self._connection.scalar(sa.select(_J.value).where(_J.key == key))
        return found
