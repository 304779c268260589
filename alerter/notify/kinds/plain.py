"""The words of every kind that has none of its own, health among them: its message and its figures by name."""

from __future__ import annotations

from collections.abc import Mapping

from alerter.notify.filters.clean import clean
from alerter.notify.filters.format import UNKNOWN, Words, as_instant, as_number, number, percent, user_label
from alerter.notify.kinds.parts import Figures, Item, Section, make_section

_LINES = 12
_HIDDEN = frozenset({"unit", "message"})
_WORDS = {
    "alert": "alert", "contract_cap": "contract cap", "contract_end": "end of term", "daily_spike": "spike",
    "exhaustion": "forecast of the cap",
    "user_cap": "user cap", "health": "alerter's own health", "storm": "many alerts",
}  # fmt: skip


def word_for(kind: object) -> str:
    """Name a kind in words: `contract cap`, or the kind itself with blanks."""
    return _WORDS.get(str(kind), clean(str(kind or "alert").replace("_", " "), 60))


def headline(item: Item, figures: Figures, _: Words) -> str:
    """`login failed: two logins in a row were refused`."""
    who = f"{user_label(item['user'])}: " if isinstance(item.get("user"), Mapping) else ""
    said = clean(figures.get("message") or "", 140)
    tier = clean(item.get("tier") or "", 40)
    return f"{who}{word_for(item.get('kind'))}{f' at {tier}' if tier else ''}{f': {said}' if said else ''}"


def section(_: Item, figures: Figures, words: Words) -> Section:
    """Show plain figures by their names; areas cannot be told from other numbers here, so no unit is claimed."""
    facts = [
        (clean(key.replace("_", " "), 30).capitalize(), _show(str(key), value, words))
        for key, value in figures.items()
        if key not in _HIDDEN and value is not None and not isinstance(value, (Mapping, list, tuple))
    ]
    return make_section(facts[:_LINES])


def _show(key: str, value: object, words: Words) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if as_number(value) is not None:
        return percent(value) if key.endswith("percent") else number(value, 6)
    if isinstance(value, str) and "T" in value and as_instant(value) and words.instant(value) != UNKNOWN:
        return words.instant(value)
    return clean(value)
