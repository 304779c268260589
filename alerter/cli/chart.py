"""A bar chart of days for a terminal: plain characters, a line a day, no wider than the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from alerter.cli.output import area, width

LEAST_BAR = 10
MARKS = {"open": "o", "provisional": "p", "settled": " ", "final": " "}
UNIQUE, OVERLAP, FALLEN = "#", "+", "<"


def chart_lines(days: Sequence[dict[str, Any]], unit: str) -> Iterator[str]:
    """Yield a line per day: `#` is unique area, `+` what is counted twice; then what the characters mean.

    Where unique area is not known (of a user) `#` is billed area.  A gap says so: it is not a zero.
    """
    known = [max(day["billed"] or 0.0, day["unique"] or 0.0) for day in days]
    top = max(known, default=0.0)
    labels = [area(_value(day), None) for day in days]
    figures = max((len(label) for label in labels), default=1)
    room = max(LEAST_BAR, width() - len("2026-03-01 x ") - figures - 1)
    for day, label in zip(days, labels, strict=True):
        yield f"{day['day']} {MARKS[day['state']]} {label:>{figures}} {_bar(day, top, room)}"
    yield _legend(days, top / room if top else 0.0, unit)


def _value(day: dict[str, Any]) -> float | None:
    value: float | None = day["unique"] if day["billed"] is None else day["billed"]
    return value


def _bar(day: dict[str, Any], top: float, room: int) -> str:
    value = _value(day)
    if value is None:
        return click.style("gap: no figure", fg="yellow")
    if value < 0:
        return click.style(f"{FALLEN} fell", fg="red")
    whole = round(room * value / top) if top else 0
    unique = whole if day["unique"] is None else min(whole, round(room * max(0.0, day["unique"]) / top)) if top else 0
    return click.style(UNIQUE * unique, fg="green") + click.style(OVERLAP * (whole - unique), fg="red")


def _legend(days: Sequence[dict[str, Any]], step: float, unit: str) -> str:
    """Say in one line of at most forty characters what the signs mean."""
    first = "unique" if any(day["unique"] is not None for day in days) else "billed"
    twice = f" {OVERLAP} overlap" if first == "unique" else ""
    return f"{UNIQUE} {first}{twice}; 1 = {area(step, unit)}; o open, p prov."
