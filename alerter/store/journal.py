"""Small facts by key: what was done last, what was told once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from alerter.store.part import Part
from alerter.store.tables import journal

_J = journal.c
_SEVERAL = sa.select(_J.key, _J.value).where(_J.key.in_(sa.bindparam("keys", expanding=True)))


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
        return self.several([key]).get(key)

    def several(self, keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return those of the facts that there are."""
        return {row.key: row.value for row in self._all(_SEVERAL, keys=list(keys))}
