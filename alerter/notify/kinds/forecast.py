"""The words of `exhaustion`."""

from __future__ import annotations

from alerter.notify.filters.format import UNKNOWN, Words, as_number, percent
from alerter.notify.kinds.parts import Figures, Item, Section, is_over, make_section, term, used


def headline(item: Item, figures: Figures, words: Words) -> str:
    """`cap will be reached with 92 % probability, likely on Thu 3 Sep 2026`."""
    odds = as_number(figures.get("probability_percent"))
    if odds is None:
        return "forecast of the cap, figures unknown"
    if item.get("reason") == "resolved":
        return f"cap likely lasts again: {percent(odds)} probability that it is reached"
    day = words.date(figures.get("exhaust_on"))
    when = f", likely on {day}" if figures.get("is_date_certain") is True and day != UNKNOWN else ""
    return f"cap will be reached with {percent(odds)} probability{when}"


def section(item: Item, figures: Figures, words: Words) -> Section:
    """The likely total with its interval, what it lies above the cap, and from what it was made."""
    low, high = as_number(figures.get("p10")), as_number(figures.get("p90"))
    between = f"; 80 % between {words.bare_area(low)} and {words.area(high)}" if low and high else ""
    total = as_number(figures.get("total"))
    over = as_number(figures.get("overage"))
    settled = words.day(figures.get("settled_on"))
    basis = "this term and the last" if figures.get("with_last_term") is True else "this term alone"
    facts = [
        ("At the end", f"{words.area(total)}{between}" if total is not None else ""),
        ("Over by", f"{words.area(over)}, cap {words.limit(figures.get('cap'))}" if over and over > 0 else ""),
        ("Used", used(figures, words)),
        ("Term", term(figures, words)),
        ("From", f"days settled up to {settled}, {basis}" if settled != UNKNOWN else ""),
    ]
    return make_section(facts[2:4] if is_over(item) else facts)
