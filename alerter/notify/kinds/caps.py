"""The words of `contract_cap` and `user_cap`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alerter.notify.filters.clean import clean
from alerter.notify.filters.format import Words, as_number, number, percent, user_label
from alerter.notify.kinds.parts import (
    PER,
    TOP,
    Figures,
    Item,
    Section,
    amount,
    figures_of,
    is_over,
    left,
    make_section,
    make_table,
    rows_of,
    share,
    term,
    used,
)


def contract_headline(item: Item, figures: Figures, words: Words) -> str:
    """`82.4 % of cap: 659,000 of 800,000 ac billed`."""
    level = as_number(figures.get("percent"))
    per = PER.get(str(figures.get("per") or ""), "")
    if level is None:
        return f"{per}contract cap, figures unknown"
    back = "back to " if item.get("reason") == "resolved" else ""
    at_least = "at least " if "bound" in str(figures.get("measure")) else ""
    return f"{back}{at_least}{percent(level)} of {per}cap: {amount(figures, words, figures.get('cap'))}"


def contract_section(item: Item, figures: Figures, words: Words) -> Section:
    """What is left, the next tier, the pace, and who used most lately."""
    if is_over(item):
        return make_section(
            [left(figures, words, "cap"), ("Used", used(figures, words)), ("Term", term(figures, words))]
        )
    facts = [
        left(figures, words, "cap"),
        ("Next tier", _next_tier(figures, words)),
        ("Rate", _rates(figures, words)),
        ("Used", used(figures, words)),
        ("Term", term(figures, words)),
    ]
    rows = [
        [user_label(user), words.area(user.get("area")), share(user.get("share"))]
        for user in rows_of(figures.get("top_users"))[:5]
    ]
    columns = (("Top users, last 28 days", False, False), ("Area", True, False), ("Share", True, False))
    return make_section(facts, [make_table(columns, rows)])


def _next_tier(figures: Figures, words: Words) -> str:
    tier = figures.get("next_tier")
    if not isinstance(tier, Mapping):
        return ""
    label = clean(tier.get("label") or percent(tier.get("at")), 40)
    return f"{label}, {words.area(tier.get('area_left'))} away"


def _rates(figures: Figures, words: Words) -> str:
    week, month = as_number(figures.get("rate_7d")), as_number(figures.get("rate_28d"))
    parts = [f"{words.area(rate)}/day over {days} days" for rate, days in ((week, 7), (month, 28)) if rate is not None]
    remaining = as_number(figures.get("remaining"))
    if remaining is not None and remaining > 0 and week and week > 0:
        parts.append(f"at the 7-day rate the rest lasts {number(max(1.0, remaining / week), 2)} days")
    return "; ".join(parts)


def user_headline(item: Item, figures: Figures, words: Words) -> str:
    """`Prairie Co-op (8f3c) at 104 % of its cap: 41,600 of 40,000 ac billed`."""
    who = user_label(item.get("user") or figures.get("user"))
    level = as_number(figures.get("percent"))
    per = PER.get(str(figures.get("per") or ""), "")
    if level is None:
        return f"{who}: {per}cap, figures unknown"
    back = "back to" if item.get("reason") == "resolved" else "at"
    return f"{who} {back} {percent(level)} of its {per}cap: {amount(figures, words, figures.get('cap'))}"


def user_section(item: Item, figures: Figures, words: Words) -> Section:
    """What is left of one user's cap, which cap it is, and how the contract stands."""
    added = as_number(figures.get("added_today"))
    facts = [
        left(figures, words, "cap"),
        ("Today so far", words.area(added, signed=True) if added is not None and not is_over(item) else ""),
        ("Cap from", _cap_from(figures)),
        ("Contract", used(figures, words)),
        ("Term", term(figures, words)),
    ]
    return make_section(facts)


def users_headline(items: Sequence[Item], count: int) -> str:
    """`15 users at or over their cap, highest Prairie Co-op (8f3c) at 104 %`."""
    worst = max(items, key=_level)
    who, level = (
        user_label(worst.get("user") or figures_of(worst).get("user")),
        percent(figures_of(worst).get("percent")),
    )
    if all(item.get("reason") == "closed" for item in items):
        return f"{count} users' cap alerts closed"
    if all(is_over(item) for item in items):
        return f"{count} users below their cap's tiers again"
    least = min((as_number(item.get("level")) or 0.0 for item in items if not is_over(item)), default=0.0)
    what = "at or over their cap" if least >= 100 else f"at {percent(least)} of their cap or more"
    return f"{count} users {what}, highest {who} at {level}"


def _level(item: Item) -> float:
    level = as_number(figures_of(item).get("percent"))
    return -1.0 if level is None or is_over(item) else level


def _cap_from(figures: Figures, *, short: bool = False) -> str:
    source = clean(figures.get("cap_from") or "", 80)
    if short and source.startswith("override"):
        return "override"
    return {"share": "share of the contract's cap"}.get(source, source)


def user_table(items: Sequence[Item], more: int, words: Words) -> Section:
    """List the users nearest to or furthest above their caps, the most first."""
    ranked = sorted(items, key=lambda item: -(as_number(figures_of(item).get("percent")) or 0.0))
    rows = [_user_row(item, words) for item in ranked[:TOP]]
    if len({row[-1] for row in rows}) == 1:
        for row in rows:
            row[-1] = ""  # the first lines said it of all of them
    figures = figures_of(ranked[0])
    bound = words.for_figures(figures)
    unit = bound.symbol
    columns = (
        ("User", False, False), ("%", True, False), (f"Used, {unit}", True, False), (f"Cap, {unit}", True, False),
        (f"Today, {unit}", True, True), ("Since", False, True), ("Cap from", False, True), ("", False, False),
    )  # fmt: skip
    facts = [("Contract", used(figures, bound)), ("Term", term(figures, bound))]
    return make_section(facts, [make_table(columns, rows, len(items) - len(rows) + more, "more users")])


def _user_row(item: Item, words: Words) -> list[str]:
    figures = figures_of(item)
    bound = words.for_figures(figures)
    added = as_number(figures.get("added_today"))
    return [
        user_label(item.get("user") or figures.get("user")),
        percent(figures.get("percent")).removesuffix(" %"),
        bound.bare_area(figures.get("value"), against=figures.get("cap")),
        bound.bare_limit(figures.get("cap")),
        bound.bare_area(added, signed=True) if added is not None else "",
        bound.day(item.get("since"), weekday=False) if item.get("since") else "",
        _cap_from(figures, short=True),
        {"firing": "new", "escalated": "escalated"}.get(str(item.get("reason")), ""),
    ]
