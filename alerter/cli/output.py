"""Documents as JSON, and as tables that fit the terminal and show other people's text as text."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from alerter.cli.frame import words_of

NOTHING = "–"
NARROWEST = 40
PIPED_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `right` aligns figures, `wrap` may break (others stay on one line), `least` is its least width."""

    title: str
    _: KW_ONLY
    right: bool = False
    wrap: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class Styled:
    """A cell with a style of its own."""

    text: str
    style: str


Cell = str | Styled | None


def say(text: str = "", *, err: bool = False) -> None:
    """Write one line, made printable."""
    click.echo(words_of(text, 4000), err=err)


def say_folded(text: str, *, indent: int) -> None:
    """Write a sentence over as many lines as it takes, all but the first indented."""
    for line in folded(text, indent=indent):
        click.echo(line)


def folded(text: str, *, indent: int, margin: int = 0) -> list[str]:
    """Return a sentence made printable, over as many lines as it takes beside a margin, all but the first indented."""
    import textwrap

    return textwrap.wrap(words_of(text, 4000), width=width() - margin, subsequent_indent=" " * indent)


def print_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document: ASCII only, so that no terminal can be made to obey a name; no NaN."""
    text = json.dumps(_finite(document), indent=2, allow_nan=False)
    click.echo(text.replace("\x7f", "\\u007f"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, title: str = "") -> None:
    """Write a table no wider than the terminal (80 columns where there is none); nothing in it is markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, width=width(), markup=False, emoji=False, highlight=False)
    table = Table(
        title=Text(words_of(title), style="bold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
        expand=False,
    )
    for column in columns:
        table.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            min_width=column.least or None,
            overflow="fold",
            no_wrap=not column.wrap,
        )
    for row in rows:
        table.add_row(*(_cell(cell, Text) for cell in row))
    console.print(table)


def _cell(cell: Cell, text: Any) -> Any:
    if isinstance(cell, Styled):
        return text(words_of(cell.text), style=cell.style)
    return text(words_of(cell) if cell not in (None, "") else NOTHING)


def width() -> int:
    """Return how many columns there are to fill: the terminal's, or eighty."""
    return max(NARROWEST, shutil.get_terminal_size((PIPED_WIDTH, 24)).columns)


# ------------------------------------------------------------------ figures
def area(value: float | None, unit: str | None, *, digits: int = 0) -> str:
    """Write an area with thousands separators: `412,300 ac`; small ones keep three significant digits."""
    if value is None:
        return NOTHING
    text = f"{value:,.3g}" if value and abs(value) < 100 else f"{value:,.{digits}f}"
    return f"{text} {unit}".strip() if unit else text


def percent(value: float | None) -> str:
    """Write percent points: `51.5 %`."""
    return NOTHING if value is None else f"{value:.1f} %"


FULL, NEARLY = 100.0, 80.0  # percent of a cap from which a figure is red, yellow


def used_style(value: float | None) -> str:
    """Return the style of a percentage of a cap."""
    return "" if value is None else "bold red" if value >= FULL else "yellow" if value >= NEARLY else ""


def moment(iso: str | None) -> str:
    """Write an instant of a document in UTC, to the minute."""
    return NOTHING if not iso else f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M}"


def ago(iso: str | None, now: str) -> str:
    """Write how long before `now` an instant was: `4 min ago`; one that has not come: `in 4 min`."""
    if not iso:
        return "never"
    apart = datetime.fromisoformat(now) - datetime.fromisoformat(iso)
    return f"in {span(-apart)}" if apart < timedelta(0) else f"{span(apart)} ago"


def age(iso: str | None, now: str) -> str:
    """Write how long something lasts or lies back: `4 min`."""
    return NOTHING if not iso else span(datetime.fromisoformat(now) - datetime.fromisoformat(iso))


def due(iso: str, now: str) -> str:
    """Write when something is to happen: `in 4 min`, or `overdue`."""
    return "overdue" if datetime.fromisoformat(iso) < datetime.fromisoformat(now) else ago(iso, now)


def span(length: timedelta) -> str:
    """Write a length of time in its largest unit: `45 s`, `4 min`, `3 h`, `12 days`."""
    seconds = int(length.total_seconds())
    for size, unit in ((172_800, "days"), (7200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'days': 86_400, 'h': 3600, 'min': 60}[unit]} {unit}"
    return f"{seconds} s"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write `1 rule`, `2 rules`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
