"""What each kind of rule has to say: a headline, and a section of facts, tables and notes.

Each kind is a pair of functions from an item (of a payload) to words; whatever a figure lacks is left out.  A kind
without words of its own is shown by its figures, so that a new rule speaks on the day it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alerter.notify.filters.clean import clean
from alerter.notify.filters.format import UNKNOWN, Words, as_number, number, percent, times, user_label

Item = Mapping[str, Any]
Section = dict[str, Any]
TOP = 10  # rows of a table
GROUPED = frozenset({"user_cap"})  # kinds whose items share one table

_PER = {"month": "monthly ", "week": "weekly ", "day": "daily "}
_KIND_WORDS = {
    "alert": "alert", "contract_cap": "contract cap", "contract_end": "end of term", "daily_spike": "spike",
    "user_cap": "user cap", "health": "alerter's own health", "storm": "many alerts",
}  # fmt: skip


def word_for(kind: object) -> str:
    """Name a kind in words: `contract cap`, or the kind itself with blanks."""
    return _KIND_WORDS.get(str(kind), clean(str(kind or "alert").replace("_", " "), 60))


def headline(item: Item, words: Words) -> str:
    """Say in one line what happened, the number, and against what."""
    figures, bound = _figures(item), words.for_figures(_figures(item))
    maker = _HEADLINES.get(str(item.get("kind")), _generic_headline)
    return maker(item, figures, bound)


def section(items: Sequence[Item], more: int, words: Words) -> Section:
    """Give the facts behind one item, or behind several of one kind."""
    kind = str(items[0].get("kind"))
    if len(items) + more > 1 and kind in GROUPED:
        return _user_table(items, more, words)
    maker = _SECTIONS.get(kind, _generic_section)
    figures = _figures(items[0])
    return maker(items[0], figures, words.for_figures(figures))


def group_headline(kind: str, items: Sequence[Item], count: int, words: Words) -> str:
    """Say in one line what several items of one kind have in common, and name the worst."""
    if kind == "user_cap":
        worst = max(items, key=lambda item: as_number(_figures(item).get("percent")) or 0.0)
        level = percent(_figures(worst).get("percent"))
        return f"{count} users at their cap's tiers, highest {user_label(worst.get('user'))} at {level}"
    return f"{count} × {word_for(kind)}: {headline(items[0], words)}"


def storm(items: Sequence[Item], more: int, words: Words) -> Section:
    """List many alerts, a line each."""
    rows = [[clean(item.get("severity") or "", 12), headline(item, words)] for item in items[:TOP]]
    left = len(items) - len(rows) + more
    table = _table("", (("Severity", False, False), ("What", False, False)), rows, left, "more")
    return _section(tables=[table])


def _figures(item: Item) -> Mapping[str, Any]:
    figures = item.get("figures")
    return figures if isinstance(figures, Mapping) else {}


def _section(facts: Sequence[tuple[str, str]] = (), tables: Sequence[Any] = (), notes: Sequence[str] = ()) -> Section:
    return {
        "title": "",
        "facts": [{"label": label, "value": value} for label, value in facts if value],
        "tables": [table for table in tables if table],
        "notes": [note for note in notes if note],
    }


def _table(
    caption: str, columns: Sequence[tuple[str, bool, bool]], rows: list[list[str]], more: int, noun: str
) -> dict[str, Any] | None:
    """Make a table of (name, right-aligned, left out where it is narrow) columns."""
    if not rows:
        return None
    return {
        "caption": caption,
        "columns": [{"name": name, "right": right, "wide": wide} for name, right, wide in columns],
        "rows": rows,
        "more": f"and {more:,} {noun}" if more > 0 else "",
    }


# ------------------------------------------------------------------ what the kinds share
def _amount(figures: Mapping[str, Any], words: Words, cap: object) -> str:
    """`659,000 of 800,000 ac billed`, or without a cap `659,000 ac billed`."""
    measure = clean(figures.get("measure") or "billed", 40)
    value = figures.get("value")
    if as_number(cap) is None:
        return f"{words.area(value)} {measure}"
    return f"{words.bare_area(value, against=cap)} of {words.limit(cap)} {measure}"


def _used(figures: Mapping[str, Any], words: Words) -> str:
    """Billed, unique and what was counted twice, since the term's start."""
    billed, unique, overlap = (figures.get(key) for key in ("used_billed", "used_unique", "overlap"))
    parts = []
    if as_number(billed) is not None:
        parts.append(f"{words.area(billed)} billed")
    if as_number(unique) is not None:
        parts.append(f"{words.area(unique)} unique")
    if as_number(overlap) is not None and as_number(billed) is not None and as_number(unique) is not None:
        share = as_number(figures.get("overlap_share"))
        parts.append(f"{words.area(overlap)} counted twice{f' ({percent(share * 100)})' if share is not None else ''}")
    return ", ".join(parts)


def _term(figures: Mapping[str, Any], words: Words) -> str:
    start, end = words.day(figures.get("term_start"), weekday=False), words.day(figures.get("term_end"), weekday=False)
    if start == UNKNOWN:
        return ""
    ends = f", ends {end}" if end != UNKNOWN else ", no end known"
    elapsed = as_number(figures.get("term_elapsed_percent"))
    return f"since {start}{ends}{f', {percent(elapsed)} elapsed' if elapsed is not None else ''}"


def _left(figures: Mapping[str, Any], words: Words) -> tuple[str, str]:
    """The area to the cap, or the area above it."""
    remaining = as_number(figures.get("remaining"))
    if remaining is None:
        return "Left", ""
    if remaining < 0:
        return "Over by", words.area(-remaining)
    return "Left", words.area(remaining)


# ------------------------------------------------------------------ contract_cap
def _contract_cap_headline(item: Item, figures: Mapping[str, Any], words: Words) -> str:
    level = as_number(figures.get("percent"))
    per = _PER.get(str(figures.get("per") or ""), "")
    if level is None:
        return f"{per}contract cap, figures unknown"
    now_ok = "back to " if item.get("reason") == "resolved" else ""
    at_least = "at least " if "bound" in str(figures.get("measure")) else ""
    return f"{now_ok}{at_least}{percent(level)} of {per}cap: {_amount(figures, words, figures.get('cap'))}"


def _contract_cap(_: Item, figures: Mapping[str, Any], words: Words) -> Section:
    facts = [
        _left(figures, words),
        ("Next tier", _next_tier(figures, words)),
        ("Rate", _rates(figures, words)),
        ("Used", _used(figures, words)),
        ("Term", _term(figures, words)),
        ("Cap from", clean(figures.get("cap_source") or "", 80)),
    ]
    rows = [
        [user_label(user), words.area(user.get("area")), _share(user.get("share"))]
        for user in _rows(figures.get("top_users"))[:5]
    ]
    columns = (("Top users, last 28 days", False, False), ("Area", True, False), ("Share", True, False))
    return _section(facts, [_table("", columns, rows, 0, "")])


def _next_tier(figures: Mapping[str, Any], words: Words) -> str:
    tier = figures.get("next_tier")
    if not isinstance(tier, Mapping):
        return ""
    label = clean(tier.get("label") or percent(tier.get("at")), 40)
    return f"{label}, in {words.area(tier.get('area_left'))}"


def _rates(figures: Mapping[str, Any], words: Words) -> str:
    week, month = as_number(figures.get("rate_7d")), as_number(figures.get("rate_28d"))
    parts = [f"{words.area(rate)}/day over {days} days" for rate, days in ((week, 7), (month, 28)) if rate is not None]
    remaining = as_number(figures.get("remaining"))
    if remaining is not None and remaining > 0 and week:
        parts.append(f"what is left lasts {number(remaining / week, 2)} days at the 7-day rate")
    return ", ".join(parts)


def _share(value: object) -> str:
    share = as_number(value)
    return "" if share is None else percent(share * 100)


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, (list, tuple)) else []


# ------------------------------------------------------------------ user_cap
def _user_cap_headline(item: Item, figures: Mapping[str, Any], words: Words) -> str:
    who = user_label(item.get("user") or figures.get("user"))
    level = as_number(figures.get("percent"))
    per = _PER.get(str(figures.get("per") or ""), "")
    if level is None:
        return f"{who}: {per}cap, figures unknown"
    back = "back to " if item.get("reason") == "resolved" else "at "
    return f"{who} {back}{percent(level)} of its {per}cap: {_amount(figures, words, figures.get('cap'))}"


def _user_cap(_: Item, figures: Mapping[str, Any], words: Words) -> Section:
    added = figures.get("added_today")
    facts = [
        _left(figures, words),
        ("Today so far", words.area(added, signed=True) if as_number(added) is not None else ""),
        ("Cap from", _cap_from(figures)),
        ("Contract", _used(figures, words)),
        ("Term", _term(figures, words)),
    ]
    return _section(facts)


def _cap_from(figures: Mapping[str, Any]) -> str:
    source = clean(figures.get("cap_from") or "", 80)
    return {"default": "the rule's default", "share": "the share of the contract's cap"}.get(source, source)


def _user_table(items: Sequence[Item], more: int, words: Words) -> Section:
    ranked = sorted(items, key=lambda item: -(as_number(_figures(item).get("percent")) or 0.0))
    rows = [_user_row(item, words) for item in ranked[:TOP]]
    columns = (
        ("User", False, False), ("%", True, False), ("Used", True, False), ("Cap", True, False),
        ("Today", True, True), ("Since", False, True), ("Cap from", False, True), ("", False, False),
    )  # fmt: skip
    figures = _figures(ranked[0])
    facts = [("Contract", _used(figures, words.for_figures(figures))), ("Term", _term(figures, words))]
    return _section(facts, [_table("", columns, rows, len(items) - len(rows) + more, "more users")])


def _user_row(item: Item, words: Words) -> list[str]:
    figures = _figures(item)
    bound = words.for_figures(figures)
    added = figures.get("added_today")
    return [
        user_label(item.get("user") or figures.get("user")),
        percent(figures.get("percent")),
        bound.area(figures.get("value"), against=figures.get("cap")),
        bound.limit(figures.get("cap")),
        bound.area(added, signed=True) if as_number(added) is not None else "",
        bound.day(item.get("since"), weekday=False) if item.get("since") else "",
        _cap_from(figures),
        {"firing": "new", "escalated": "worse"}.get(str(item.get("reason")), ""),
    ]


# ------------------------------------------------------------------ contract_end
def _contract_end_headline(item: Item, figures: Mapping[str, Any], words: Words) -> str:
    day = words.date(figures.get("end_at"))
    left = as_number(figures.get("days_left"))
    used = as_number(figures.get("used_percent"))
    used_words = f", {percent(used)} of the cap used" if used is not None else ""
    if item.get("reason") == "resolved":
        return f"term ending {day} has a successor"
    if left is None:
        return f"term ends on {day}{used_words}"
    days = int(left)
    when = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days") if days >= 0 else f"{-days} days ago"
    return f"term {'ends' if days >= 0 else 'ended'} {when}, on {day}{used_words}"


def _contract_end(_: Item, figures: Mapping[str, Any], words: Words) -> Section:
    unused = as_number(figures.get("unused"))
    successor = figures.get("successor")
    rest = (
        ("", "")
        if unused is None
        else ("Unused", words.area(unused))
        if unused >= 0
        else ("Over by", words.area(-unused))
    )
    facts = [
        rest,
        ("Cap", words.limit(figures.get("cap")) if as_number(figures.get("cap")) is not None else ""),
        ("Used", _used(figures, words)),
        ("Ends", words.instant(figures.get("end_at"))),
        (
            "Next term",
            {True: "listed", False: "none listed yet"}.get(successor, "") if isinstance(successor, bool) else "",
        ),
    ]
    return _section(facts)


# ------------------------------------------------------------------ daily_spike
def _spike_headline(item: Item, figures: Mapping[str, Any], words: Words) -> str:
    who = user_label(item.get("user")) if isinstance(item.get("user"), Mapping) else ""
    day = words.day(figures.get("day"))
    when = f"today so far ({day})" if figures.get("day_class") == "open" else f"on {day}"
    measure = clean(figures.get("measure") or "billed", 40)
    ratio = as_number(figures.get("ratio"))
    against = f"{times(ratio)} normal, bar" if ratio is not None else "bar"
    spike = {"resolved": "no spike any more", "closed": "spike"}.get(str(item.get("reason")), "spike")
    return (
        f"{f'{who}: ' if who else ''}{spike} {when}: {words.area(figures.get('value'), signed=True)} {measure}"
        f" ({against} {words.area(figures.get('bar'))})"
    )


def _spike(_: Item, figures: Mapping[str, Any], words: Words) -> Section:
    before, after = as_number(figures.get("cap_percent_before")), as_number(figures.get("cap_percent_after"))
    share = (
        f"{percent(before)} before the day, {percent(after)} after" if before is not None and after is not None else ""
    )
    facts = [
        ("Above normal", _excess(figures, words)),
        ("Who", _breadth(figures)),
        ("Of the cap", share),
        ("Used", _used(figures, words)),
        ("Bar", _bar(figures, words)),
    ]
    return _section(facts, [_contributors(figures, words)], [_DAY_NOTES.get(str(figures.get("day_class")), "")])


_DAY_NOTES = {
    "open": "The day is not over: the figure can only be a lower bound.",
    "provisional": "The day is over but not settled: late data may still move it.",
}


def _excess(figures: Mapping[str, Any], words: Words) -> str:
    excess, normal = as_number(figures.get("excess")), as_number(figures.get("normal"))
    if excess is None or normal is None:
        return ""
    return f"{words.area(excess, signed=True)}; a normal active day is {words.area(normal)}"


def _breadth(figures: Mapping[str, Any]) -> str:
    breadth = figures.get("breadth")
    if not isinstance(breadth, Mapping):
        return ""
    top, above, users = (as_number(breadth.get(key)) for key in ("top1_share", "users_above_mean", "users"))
    parts = []
    if top is not None:
        parts.append(f"the first user explains {percent(top * 100)} of it")
    if above is not None and users is not None:
        parts.append(f"{int(above):,} of {int(users):,} users above their own mean")
    return ", ".join(parts)


def _bar(figures: Mapping[str, Any], words: Words) -> str:
    """How the bar was made, so that it can be argued with."""
    method = clean(figures.get("method") or "", 30)
    reason = clean(figures.get("method_reason") or "", 100)
    parts = [f"{words.area(figures.get('bar'))} by {method}{f' ({reason})' if reason else ''}"] if method else []
    base = figures.get("baseline")
    if isinstance(base, Mapping) and as_number(base.get("mean")) is not None:
        spread = ""
        if as_number(base.get("sd")) is not None and as_number(base.get("sigma")) is not None:
            spread = f" + {number(base['sigma'])} × {words.area(base['sd'])}"
        active, days = as_number(base.get("active_days")), as_number(base.get("days"))
        over = f" over {int(active)} active of {int(days)} days" if active is not None and days is not None else ""
        parts.append(f"mean {words.area(base['mean'])}{spread}{over}")
    return "; ".join(parts)


def _contributors(figures: Mapping[str, Any], words: Words) -> dict[str, Any] | None:
    rows = [
        [
            user_label(row),
            words.area(row.get("value"), signed=True),
            words.area(row.get("own_mean")) if as_number(row.get("own_mean")) is not None else "",
            _share(row.get("share_of_excess")),
            "new user" if row.get("is_new") is True else "",
        ]
        for row in _rows(figures.get("contributors"))[:5]
    ]
    others = figures.get("others")
    if rows and isinstance(others, Mapping) and as_number(others.get("count")):
        count = int(as_number(others["count"]) or 0)
        noun = "user" if count == 1 else "users"
        rows.append([f"{count:,} other {noun}", words.area(others.get("value"), signed=True), "", "", ""])
    columns = (
        ("User", False, False), ("Area", True, False), ("Own mean", True, False), ("Of the excess", True, False),
        ("", False, False),
    )  # fmt: skip
    return _table("", columns, rows, 0, "")


# ------------------------------------------------------------------ any other kind
def _generic_headline(item: Item, figures: Mapping[str, Any], _: Words) -> str:
    who = f"{user_label(item['user'])}: " if isinstance(item.get("user"), Mapping) else ""
    said = clean(figures.get("message") or "", 140)
    tier = clean(item.get("tier") or "", 40)
    return f"{who}{word_for(item.get('kind'))}{f' at {tier}' if tier else ''}{f': {said}' if said else ''}"


def _generic_section(_: Item, figures: Mapping[str, Any], words: Words) -> Section:
    """Show plain figures by their names; areas cannot be told from other numbers here, so no unit is claimed."""
    facts = []
    for key, value in list(figures.items())[:20]:
        if key in ("unit", "message") or isinstance(value, (Mapping, list, tuple)) or value is None:
            continue
        label = clean(key.replace("_", " "), 30).capitalize()
        facts.append((label, _plain(str(key), value, words)))
    return _section(facts[:12])


def _plain(key: str, value: object, words: Words) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if as_number(value) is not None:
        return percent(value) if key.endswith("percent") else number(value, 6)
    if key.endswith("_at") and words.instant(value) != UNKNOWN:
        return words.instant(value)
    return clean(value)


_HEADLINES: Mapping[str, Callable[[Item, Mapping[str, Any], Words], str]] = {
    "contract_cap": _contract_cap_headline,
    "user_cap": _user_cap_headline,
    "contract_end": _contract_end_headline,
    "daily_spike": _spike_headline,
}
_SECTIONS: Mapping[str, Callable[[Item, Mapping[str, Any], Words], Section]] = {
    "contract_cap": _contract_cap,
    "user_cap": _user_cap,
    "contract_end": _contract_end,
    "daily_spike": _spike,
}
