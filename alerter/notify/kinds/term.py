"""The words of `contract_end`."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, timedelta

from alerter.notify.filters.format import Words, as_instant, as_number, percent
from alerter.notify.kinds.parts import Figures, Item, Section, make_section, used


def headline(item: Item, figures: Figures, words: Words) -> str:
    """`term ends in 14 days, on Thu 31 Dec 2026, 82.4 % of the cap used`."""
    day = words.date(figures.get("end_at"))
    days_left = as_number(figures.get("days_left"))
    level = as_number(figures.get("used_percent"))
    spent = f", {percent(level)} of the cap used" if level is not None else ""
    if item.get("reason") == "resolved":
        return f"the term ending {day} has a successor"
    if days_left is None:
        return f"term ends on {day}{spent}"
    return f"term {_when(figures.get('end_at'), days_left)}, on {day}{spent}"


def _when(end_at: object, days_left: float) -> str:
    """Say it in days of the calendar, as `status` does: on the 12th a term that ends on the 14th ends in 2 days."""
    end = as_instant(end_at)
    days = math.ceil(days_left)
    if end is not None:
        with suppress(OverflowError):  # a calendar ends somewhere
            end = end.astimezone(UTC)
            days = (end.date() - (end - timedelta(days=days_left)).date()).days
    if days == 0:
        return "ends today" if days_left > 0 else "ended today"
    near = {1: "ends tomorrow", -1: "ended yesterday"}
    return near.get(days, f"ends in {days} days" if days > 0 else f"ended {-days} days ago")


def section(_: Item, figures: Figures, words: Words) -> Section:
    """What stays unused or was used too much, and whether a next term is known."""
    unused, cap = as_number(figures.get("unused")), as_number(figures.get("cap"))
    of_cap = f" of {words.limit(cap)}" if cap is not None else ""
    facts = [
        ("Unused", f"{words.area(unused)}{of_cap} so far" if unused is not None and unused >= 0 else ""),
        ("Over by", f"{words.area(-unused)}, cap {words.limit(cap)}" if unused is not None and unused < 0 else ""),
        ("Used", used(figures, words)),
        ("Ends", words.instant(figures.get("end_at"))),
        ("Next term", {True: "listed already", False: "none listed yet"}.get(figures.get("successor") is True, "")),
    ]
    return make_section(facts if figures.get("successor") is not None else facts[:-1])
