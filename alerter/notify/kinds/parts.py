"""What the kinds share: the shape of a section, and the figures that every rule gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerter.notify.filters.clean import clean
from alerter.notify.filters.format import UNKNOWN, Words, as_number, percent

Item = Mapping[str, Any]
Figures = Mapping[str, Any]
Section = dict[str, Any]
Column = tuple[str, bool, bool]  # name, right-aligned, left out where it is narrow
TOP = 10  # rows of a table
OVER = ("resolved", "closed")
PER = {"month": "monthly ", "week": "weekly ", "day": "daily "}


@dataclass(frozen=True, slots=True)
class Speaker:
    """The words of one kind."""

    headline: Callable[[Item, Figures, Words], str]
    section: Callable[[Item, Figures, Words], Section]


def figures_of(item: Item) -> Figures:
    """Return an item's figures, none at all where they are no mapping."""
    figures = item.get("figures")
    return figures if isinstance(figures, Mapping) else {}


def rows_of(value: object) -> list[Mapping[str, Any]]:
    """Return the mappings of a list, nothing for anything else."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, (list, tuple)) else []


def is_over(item: Item) -> bool:
    """Say whether an item tells of an end."""
    return item.get("reason") in OVER


def make_section(
    facts: Sequence[tuple[str, str]] = (), tables: Sequence[Any] = (), notes: Sequence[str] = ()
) -> Section:
    """Make a section of what is not empty."""
    return {
        "title": "",
        "facts": [{"label": label, "value": value} for label, value in facts if value],
        "tables": [table for table in tables if table],
        "notes": [note for note in notes if note],
    }


def make_table(columns: Sequence[Column], rows: list[list[str]], more: int = 0, noun: str = "") -> Section | None:
    """Make a table, None without rows; columns that are empty throughout are left out."""
    if not rows:
        return None
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    return {
        "columns": [dict(zip(("name", "right", "wide"), columns[index], strict=True)) for index in used],
        "rows": [[row[index] for index in used] for row in rows],
        "more": f"and {more:,} {noun}" if more > 0 else "",
    }


def amount(figures: Figures, words: Words, cap: object) -> str:
    """`659,000 of 800,000 ac billed`, or without a cap `659,000 ac billed`."""
    measure = clean(figures.get("measure") or "billed", 40)
    value = figures.get("value")
    if as_number(cap) is None:
        return f"{words.area(value)} {measure}"
    return f"{words.bare_area(value, against=cap)} of {words.limit(cap)} {measure}"


def used(figures: Figures, words: Words) -> str:
    """Billed, unique and what was counted twice, since the term's start."""
    billed, unique, overlap = (as_number(figures.get(key)) for key in ("used_billed", "used_unique", "overlap"))
    parts = []
    if billed is not None:
        parts.append(f"{words.area(billed)} billed")
    if unique is not None:
        parts.append(f"{words.area(unique)} unique")
    if overlap and billed is not None and unique is not None:
        share = as_number(figures.get("overlap_share"))
        parts.append(f"{words.area(overlap)} counted twice{f' ({percent(share * 100)})' if share is not None else ''}")
    return ", ".join(parts)


def term(figures: Figures, words: Words) -> str:
    """The term's start, end and how much of it is over."""
    start, end = (words.day(figures.get(key), weekday=False) for key in ("term_start", "term_end"))
    if start == UNKNOWN:
        return ""
    ends = f", ends {end}" if end != UNKNOWN else ", no end known"
    elapsed = as_number(figures.get("term_elapsed_percent"))
    return f"since {start}{ends}{f', {percent(elapsed)} elapsed' if elapsed is not None else ''}"


def left(figures: Figures, words: Words, noun: str) -> tuple[str, str]:
    """The area to the cap, or the area above it."""
    remaining = as_number(figures.get("remaining"))
    if remaining is None:
        return "Left", ""
    return ("Over by", words.area(-remaining)) if remaining < 0 else ("Left", f"{words.area(remaining)} to the {noun}")


def share(value: object) -> str:
    """Write a share (0 to 1) as a percentage, "" where it is unknown."""
    number = as_number(value)
    return "" if number is None else percent(number * 100)
