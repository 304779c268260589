"""What each kind of rule has to say: a headline, and a section of facts, tables and notes.

A kind is a pair of functions from an item (of a payload) to words; whatever a figure lacks is left out.  A kind
without words of its own is shown by its figures, so that a new rule speaks on the day it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alerter.notify.filters.clean import clean
from alerter.notify.filters.format import Words
from alerter.notify.kinds import caps, forecast, plain, spike, term
from alerter.notify.kinds.parts import TOP, Item, Section, Speaker, figures_of, make_section, make_table

GROUPED = frozenset({"user_cap", "daily_spike"})  # kinds whose items share one table

_SPEAKERS: Mapping[str, Speaker] = {
    "contract_cap": Speaker(caps.contract_headline, caps.contract_section),
    "user_cap": Speaker(caps.user_headline, caps.user_section),
    "contract_end": Speaker(term.headline, term.section),
    "exhaustion": Speaker(forecast.headline, forecast.section),
    "daily_spike": Speaker(spike.headline, spike.section),
}
_PLAIN = Speaker(plain.headline, plain.section)


def headline(item: Item, words: Words) -> str:
    """Say in one line what happened, the number, and against what."""
    figures = figures_of(item)
    return _SPEAKERS.get(str(item.get("kind")), _PLAIN).headline(item, figures, words.for_figures(figures))


def section(items: Sequence[Item], more: int, words: Words) -> Section:
    """Give the facts behind one item, or behind several of one kind; `more` were left out of the payload."""
    kind = str(items[0].get("kind"))
    if len(items) + more > 1 and kind in GROUPED:
        return (caps.user_table if kind == "user_cap" else spike.table)(items, more, words)
    figures = figures_of(items[0])
    return _SPEAKERS.get(kind, _PLAIN).section(items[0], figures, words.for_figures(figures))


def group_headline(kind: str, items: Sequence[Item], count: int, words: Words) -> str:
    """Say in one line what several items of one kind have in common, and name the worst."""
    if kind == "user_cap":
        return caps.users_headline(items, count)
    if kind == "daily_spike":
        return spike.several(items, count, words)
    named = "" if kind not in _SPEAKERS else f"{plain.word_for(kind)}: "  # the plain headline names its kind itself
    return f"{count} × {named}{headline(items[0], words)}"


def word_for(kind: object) -> str:
    """Name a kind in words: `contract cap`, or the kind itself with blanks."""
    return plain.word_for(kind)


def storm(items: Sequence[Item], more: int, words: Words) -> Section:
    """List many alerts, a line each."""
    rows = [[clean(item.get("severity") or "", 12), _where(item) + headline(item, words)] for item in items[:TOP]]
    columns = (("Severity", False, False), ("What", False, False))
    return make_section(tables=[make_table(columns, rows, len(items) - len(rows) + more, "more")])


def _where(item: Item) -> str:
    """Name the contract of an item that carries one of its own."""
    contract = item.get("contract")
    label = contract.get("label") if isinstance(contract, Mapping) else None
    return f"{clean(label, 60)} · " if label else ""
