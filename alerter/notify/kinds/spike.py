"""The words of `daily_spike`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alerter.notify.filters.clean import clean
from alerter.notify.filters.format import Words, as_number, number, percent, times, user_label
from alerter.notify.kinds.parts import (
    TOP,
    Figures,
    Item,
    Section,
    figures_of,
    is_over,
    make_section,
    make_table,
    rows_of,
    share,
    used,
)

_DAY_NOTES = {
    "open": "The day is not over: the figure is a lower bound.",
    "provisional": "The day is over but not settled: late data may still move it.",
}


def headline(item: Item, figures: Figures, words: Words) -> str:
    """`spike on Thu 14 May: +18,400 ac billed (normal 1,150, bar 5,210)`."""
    user = item.get("user")
    who = f"{user_label(user)}: " if isinstance(user, Mapping) else ""
    day = words.day(figures.get("day"))
    when = f"today so far ({day})" if figures.get("day_class") == "open" else f"on {day}"
    measure = clean(figures.get("measure") or "billed", 40)
    normal, bar = as_number(figures.get("normal")), as_number(figures.get("bar"))
    against = [f"normal {words.bare_area(normal)}"] if normal is not None else []
    against += [f"bar {words.bare_area(bar, against=figures.get('value'))}"] if bar is not None else []
    spike = "no spike any more" if item.get("reason") == "resolved" else "spike"
    added = words.area(figures.get("value"), against=bar, signed=True)
    brackets = f" ({', '.join(against)})" if against else ""
    return f"{who}{spike} {when}: {added} {measure}{brackets}"


def section(item: Item, figures: Figures, words: Words) -> Section:
    """By how much, who, what it did to the cap, and how the bar was made."""
    before, after = as_number(figures.get("cap_percent_before")), as_number(figures.get("cap_percent_after"))
    moved = f"{percent(after)} used, {percent(before)} before" if before is not None and after is not None else ""
    facts = [
        ("Above normal", _excess(figures, words)),
        ("Who", _breadth(figures)),
        ("Cap", moved),
        ("Used", used(figures, words)),
        ("Bar", _bar(figures, words)),
        ("Planned", _planned(figures, words)),
    ]
    if is_over(item):
        return make_section(facts[3:])
    return make_section(facts, [_contributors(figures, words)], [_DAY_NOTES.get(str(figures.get("day_class")), "")])


def _planned(figures: Figures, words: Words) -> str:
    """Name the planned activity that the day belongs to, and its place in the config."""
    plan = figures.get("planned")
    if not isinstance(plan, Mapping):
        return ""
    days = f"{words.day(plan.get('from'), weekday=False)} to {words.day(plan.get('to'), weekday=False)}"
    reason = clean(plan.get("reason") or "", 80)
    where = clean(plan.get("where") or "", 80)
    return f"{f'{reason}, ' if reason else ''}{days}{f' ({where})' if where else ''}"


def _excess(figures: Figures, words: Words) -> str:
    excess, normal = as_number(figures.get("excess")), as_number(figures.get("normal"))
    if excess is None or normal is None:
        return ""
    ratio = as_number(figures.get("ratio"))
    by = f"{times(ratio)} a normal active day of {words.area(normal)}" if ratio else "there was no active day before"
    return f"{words.area(excess, signed=True)}; {by}"


def _breadth(figures: Figures) -> str:
    breadth = figures.get("breadth")
    if not isinstance(breadth, Mapping):
        return ""
    top, above, users = (as_number(breadth.get(key)) for key in ("top1_share", "users_above_mean", "users"))
    total = f"1 of {int(users):,} users" if users is not None else "one user"
    parts = [f"{total} explains {percent(top * 100)} of the excess"] if top is not None else []
    if above is not None:
        parts.append(f"{int(above):,} {'is' if int(above) == 1 else 'are'} above their own mean")
    return ", ".join(parts)


def _bar(figures: Figures, words: Words) -> str:
    """How the bar was made, so that it can be argued with."""
    method = clean(figures.get("method") or "", 30)
    if not method:
        return ""
    base = figures.get("baseline")
    how = _mean(base, figures.get("bar"), words) if isinstance(base, Mapping) else ""
    reason = clean(figures.get("method_reason") or "", 240)
    detail = f" ({reason})" if reason else ""
    return f"{words.area(figures.get('bar'))}{how}; method {method}{detail}"


def _mean(base: Figures, bar: object, words: Words) -> str:
    """Show the mean and the spread that the bar came from, as a sum where the bar is that sum."""
    mean, sd, sigma = (as_number(base.get(key)) for key in ("mean", "sd", "sigma"))
    season = base.get("season")
    if isinstance(season, Mapping):
        return _season(season, words)
    if mean is None:
        return ""
    spread = f" + {number(sigma)} × {words.bare_area(sd)}" if sd is not None and sigma is not None else ""
    active, days = as_number(base.get("active_days")), as_number(base.get("days"))
    over = f" over {int(active)} active of {int(days)} days" if active is not None and days is not None else ""
    whole = mean + (sigma or 0.0) * (sd or 0.0)
    limit = as_number(bar)
    sign = " = " if limit is not None and abs(limit - whole) <= 0.005 * abs(whole) else "; "
    return f"{sign}mean {words.bare_area(mean)}{spread}{over}"


def _season(season: Figures, words: Words) -> str:
    """Name last term's largest day and the growth since."""
    growth = as_number(season.get("growth"))
    grown = f", growth {times(growth)}" if growth is not None else ""
    return f"; largest last term {words.area(season.get('largest'))} on {words.date(season.get('largest_on'))}{grown}"


def table(items: Sequence[Item], more: int, words: Words) -> Section:
    """List several spikes, the furthest above their bars first."""
    ranked = sorted(items, key=_height, reverse=True)
    rows = [_row(item, words) for item in ranked[:TOP]]
    figures = figures_of(ranked[0])
    unit = words.for_figures(figures).symbol
    columns = (
        ("User", False, False), ("Day", False, False), (f"Added, {unit}", True, False),
        (f"Normal, {unit}", True, False), (f"Bar, {unit}", True, True),
    )  # fmt: skip
    facts = [("Contract", used(figures, words.for_figures(figures)))]
    return make_section(facts, [make_table(columns, rows, len(items) - len(rows) + more, "more")])


def several(items: Sequence[Item], count: int, words: Words) -> str:
    """`12 spikes; the highest: Prairie Co-op (8f3c): spike on Thu 14 May: …`."""
    worst = max(items, key=_height)
    figures = figures_of(worst)
    over = "spikes taken back" if all(is_over(item) for item in items) else "spikes"
    highest = headline({**worst, "reason": "firing"}, figures, words.for_figures(figures))
    return f"{count} {over}; the highest: {highest}"


def _height(item: Item) -> float:
    value, bar = (as_number(figures_of(item).get(key)) for key in ("value", "bar"))
    return value / bar if value is not None and bar else 0.0


def _row(item: Item, words: Words) -> list[str]:
    figures = figures_of(item)
    bound = words.for_figures(figures)
    shown = [
        bound.bare_area(figures.get(key), signed=key == "value") if as_number(figures.get(key)) is not None else ""
        for key in ("value", "normal", "bar")
    ]
    day = bound.day(figures.get("day"))
    who = user_label(item["user"]) if isinstance(item.get("user"), Mapping) else "all users"
    return [who, f"{day}, so far" if figures.get("day_class") == "open" else day, *shown]


def _contributors(figures: Figures, words: Words) -> Section | None:
    rows = [
        [
            user_label(row),
            words.area(row.get("value"), signed=True),
            words.area(row.get("own_mean")) if as_number(row.get("own_mean")) is not None else "",
            share(row.get("share_of_excess")),
            "new user" if row.get("is_new") is True else "",
        ]
        for row in rows_of(figures.get("contributors"))[:5]
    ]
    others = figures.get("others")
    if rows and isinstance(others, Mapping) and as_number(others.get("count")):
        count = int(as_number(others["count"]) or 0)
        rows.append(
            [f"{count:,} other user{'s'[: count != 1]}", words.area(others.get("value"), signed=True), "", "", ""]
        )
    columns = (
        ("User", False, False), ("Area", True, False), ("Own mean", True, False), ("Of the excess", True, False),
        ("", False, False),
    )  # fmt: skip
    return make_table(columns, rows)
