"""Silences: added, ended, never deleted."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from alerter.core.routing import Matcher, Silence
from alerter.store.part import Part
from alerter.store.tables import silence

_S = silence.c


class Silences(Part):
    """The silences of one transaction."""

    def add(self, new: Silence) -> int:
        """Add a silence and return the id it got; its own id is not looked at."""
        return self._add(
            silence,
            matchers=[[one.label, one.op, one.value] for one in new.matchers],
            starts_at=new.starts_at,
            ends_at=new.ends_at,
            author=new.author,
            comment=new.comment,
            up_to=new.up_to,
        )

    def active(self, now: datetime) -> list[Silence]:
        """Return the silences that are running, by id."""
        return [one for one in self.list(now) if one.starts_at <= now]

    def end(self, id: int, now: datetime) -> bool:  # noqa: A002 - the row's id
        """End a silence early; False when there is none that could still mute."""
        over = sa.update(silence).where(_S.id == id, _S.ends_at > now, _S.ended_at.is_(None))
        return self._run(over.values(ended_at=now)) == 1

    def list(self, now: datetime, all: bool = False) -> builtins.list[Silence]:  # noqa: A002 - reads as it is said
        """Return the silences that are running or to come, by id; with `all` also those that are over.

        A silence that was ended early ends then.
        """
        found = sa.select(silence).order_by(_S.id)
        if not all:
            found = found.where(_S.ends_at > now, sa.or_(_S.ended_at.is_(None), _S.ended_at > now))
        return [_silence_of(row) for row in self._all(found)]


def _silence_of(row: sa.Row[Any]) -> Silence:
    return Silence(
        id=row.id,
        matchers=tuple(Matcher(*one) for one in row.matchers),
        starts_at=row.starts_at,
        ends_at=row.ended_at or row.ends_at,
        author=row.author,
        comment=row.comment,
        up_to=row.up_to,
    )
