"""Column types that give back exactly what was put in, on SQLite and on Postgres."""

# ruff: noqa: ARG002 - the dialect is part of the signature that SQLAlchemy calls

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_ESCAPED = "\u241b"  # marks a text that is stored as JSON because the database cannot hold it as it is


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, stored in UTC; raises ValueError for a naive one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive instants; SQLite gets UTC without a zone, for it keeps none and must compare as text."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Day(TypeDecorator[date]):
    """A UTC day as its proleptic ordinal: four bytes, and the same number that the history computes with."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> int | None:
        """Return the day's ordinal."""
        return None if value is None else value.toordinal()

    def process_result_value(self, value: int | None, dialect: Dialect) -> date | None:
        """Return the day."""
        return None if value is None else date.fromordinal(value)


class Json(TypeDecorator[Any]):
    """Plain data as JSON text: ASCII only, so that no hostile character in it can upset a database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write the value; raise TypeError for anything that is not plain data."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the value."""
        return None if value is None else json.loads(value)


class AnyText(TypeDecorator[str]):
    """Other people's text: NUL and lone surrogates, which databases refuse, survive a round trip too."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text, or its marked JSON form where the plain one could not be stored."""
        return None if value is None else encode_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text as it was given."""
        return None if value is None else decode_text(value)


def encode_text(value: str) -> str:
    """Return a form of `value` that every database can store; equal texts have equal forms."""
    plain = "\0" not in value and not value.startswith(_ESCAPED)
    if plain and (value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)):
        return value
    return _ESCAPED + json.dumps(value)


def decode_text(value: str) -> str:
    """Undo `encode_text`."""
    if not value.startswith(_ESCAPED):
        return value
    return str(json.loads(value[len(_ESCAPED) :]))
