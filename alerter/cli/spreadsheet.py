"""CSV that a spreadsheet shows as it is: no text becomes a formula, no name breaks a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from alerter.cli.frame import words_of

# What spreadsheets take for the beginning of a formula, the full-width forms of some languages included.
STARTS = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # fmt: skip


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the heading and a line per row; numbers are bare and exact, texts quoted and harmless, None is empty."""
    yield ",".join(columns)
    for row in rows:
        yield ",".join(_cell(row[column]) for column in columns)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    quoted = harmless(str(value)).replace('"', '""')
    return f'"{quoted}"'


def harmless(text: str) -> str:
    """Return a text as one printable line that no spreadsheet takes for a formula."""
    line = words_of(text, 1000)
    return f"'{line}" if line.lstrip().startswith(STARTS) else line
