"""Turn a payload into a document: what a message says, in order, before any sink decides how it looks.

A document is plain data (dict, list, str), every value clean and short, nothing escaped yet:
    title, mark, headline, tone, lead, sections [{title, facts [{label, value}], tables, notes}], small, commands,
    link, key.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alerter.notify import kinds
from alerter.notify.filters.clean import TITLE_LIMIT, clean
from alerter.notify.filters.format import Words, as_day, as_number, span, user_label
from alerter.notify.message import MessageSettings, Payload

_RANK = {"info": 0, "warning": 1, "critical": 2}
_ORDER = ("firing", "escalated", "reminder", "resolved", "closed")
_OVER = ("resolved", "closed")
_SECTIONS = 10  # of a message
_PERCENT = re.compile(r"[0-9.,]+ %")
_OF = {"contract_cap": " of the cap", "user_cap": " of the user's cap", "daily_spike": " of the bar"}
_RESOLVED = {
    "recovered": "Resolved: fresh data is below the threshold again.",
    "corrected": "Resolved: earlier figures were revised down.",
    "renewed": "Resolved: the next term is there.",
    "rule_changed": "Resolved: the rule was changed, it does not reach any more.",
}
_CLOSED = {
    "rule_removed": "Closed: the rule was taken out of the config. This is not a recovery.",
    "subject_gone": "Closed: the rule does not apply here any more. This is not a recovery.",
    "planned": "Closed: the config names this as planned activity. This is not a recovery.",
    "exhausted": "Closed: the cap is reached, so there is nothing left to forecast.",
    "period_ended": "Closed: the term is over.",
    "day_final": "Closed: the day can change no more.",
}


def build(payload: Payload, settings: MessageSettings) -> dict[str, Any]:
    """Build the document of one message; missing figures are left out, never guessed."""
    items = _items(payload)
    made_on = as_day(payload.get("made_at"))
    words = Words(settings, year=made_on.year if made_on else 0)
    kind = str(payload.get("kind") or "alert")
    sections = _sections(items, payload, words)
    mark, tone = _mark(kind, payload, items)
    headline = clean(_headline(kind, payload, items, words), TITLE_LIMIT)
    where = [clean(part, 60) for part in (payload.get("account"), _contract_label(payload)) if part]
    return {
        "title": clean(" · ".join([mark, *where, headline]), TITLE_LIMIT),
        "mark": mark,
        "where": " · ".join(where),
        "headline": headline,
        "tone": tone,
        "lead": _lead(kind, payload, items, words),
        "sections": sections,
        "small": _small(payload, items, words),
        "commands": _commands(payload, items),
        "link": settings.public_url if settings.public_url.startswith(("https://", "http://")) else "",
        "key": clean(payload.get("key") or "", 300),
    }


def template_kind(payload: Payload) -> str:
    """Name the template a message uses: the one rule kind of its items, `mixed` for several, else its own kind."""
    kind = str(payload.get("kind") or "alert")
    found = {str(item.get("kind") or "other") for item in _items(payload)}
    if kind != "alert" or not found:
        return kind
    return found.pop() if len(found) == 1 else "mixed"


def _items(payload: Payload) -> list[Mapping[str, Any]]:
    given = payload.get("items") or ()
    items = [item for item in given if isinstance(item, Mapping)]
    return sorted(items, key=_urgency)


def _urgency(item: Mapping[str, Any]) -> tuple[bool, int, int]:
    reason = _reason(item)
    return reason in _OVER, -_RANK.get(str(item.get("severity")), 0), _ORDER.index(reason)


def _reason(item: Mapping[str, Any]) -> str:
    reason = str(item.get("reason") or "firing")
    return reason if reason in _ORDER else "firing"


def _contract_label(payload: Payload) -> str:
    contract = payload.get("contract")
    if not isinstance(contract, Mapping):
        return ""
    label = contract.get("label") or contract.get("product") or ""
    return str(label)


def _mark(kind: str, payload: Payload, items: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The first word of a message, and the tone of its colours."""
    severity = str(payload.get("severity") or "info")
    severity = severity if severity in _RANK else "info"
    if kind == "test":
        return "TEST", "info"
    reasons = {_reason(item) for item in items}
    if reasons and reasons <= set(_OVER):
        return ("RESOLVED" if "resolved" in reasons else "CLOSED"), "good" if "resolved" in reasons else "info"
    return severity.upper(), severity


def _headline(kind: str, payload: Payload, items: Sequence[Mapping[str, Any]], words: Words) -> str:
    more = _count(payload.get("more"))
    if kind == "test":
        return "test message, this channel works"
    if kind == "storm":
        return f"{len(items) + more} alerts at once, the worst first"
    if not items:
        return kinds.word_for(kind)
    if len(items) + more == 1:
        return kinds.headline(items[0], words)
    found = {str(item.get("kind")) for item in items}
    if len(found) == 1:
        return kinds.group_headline(found.pop(), items, len(items) + more, words)
    return f"{kinds.headline(items[0], words)} (and {len(items) + more - 1} more)"


def _lead(kind: str, payload: Payload, items: Sequence[Mapping[str, Any]], words: Words) -> str:
    """One line: new, still firing or over, and when the next word comes."""
    if kind == "test":
        return "Sent by hand to check the way from alerter to here. Nothing is wrong."
    if kind == "storm":
        return "One message instead of many; each alert stays open until its own end. To list them all: alerter alerts"
    if len(items) != 1:
        return _group_lead(items, _count(payload.get("more")))
    item = items[0]
    reason, detail = _reason(item), str(item.get("detail") or "")
    if reason == "resolved":
        said = "Resolved: it works again." if kind == "health" else _RESOLVED.get(detail, "Resolved.")
        return _since(said, item, payload, words)
    if reason == "closed":
        return _CLOSED.get(detail, "Closed. This is not a recovery.")
    start = {
        "firing": "New.",
        "escalated": f"Escalated{_to(item)}.",
        "reminder": f"Reminder {_count(item.get('repeat')) or ''}".rstrip() + ": still so.",
    }[reason]
    parts = [_since(start, item, payload, words) if reason != "firing" else start, _passed(item), _repeats(item)]
    if item.get("held"):
        parts.append("The newest poll brought no usable figures; these are the last good ones.")
    return " ".join(part for part in parts if part)


def _group_lead(items: Sequence[Mapping[str, Any]], more: int) -> str:
    names = {
        "firing": "new",
        "escalated": "escalated",
        "reminder": "still so",
        "resolved": "resolved",
        "closed": "closed",
    }
    counts = [(names[reason], sum(_reason(item) == reason for item in items)) for reason in _ORDER]
    present = [(name, count) for name, count in counts if count]
    if len(present) == 1:  # those left out of the payload came for the same reason
        present = [(present[0][0], present[0][1] + more)]
    said = [f"{count} {name}" for name, count in present]
    repeats = {_repeats(item) for item in items if _reason(item) not in _OVER}
    text = f"{', '.join(said)}.".capitalize() if said else ""
    return f"{text} {repeats.pop()}".strip() if len(repeats) == 1 else text


def _since(start: str, item: Mapping[str, Any], payload: Payload, words: Words) -> str:
    elapsed = words.elapsed(item.get("since"), payload.get("made_at"))
    if not elapsed or item.get("kind") == "contract_end":  # days pass, that is no news
        return start
    over = _reason(item) in _OVER
    return f"{start} It {'had lasted' if over else 'has lasted'} {elapsed}, since {words.instant(item.get('since'))}."


def _to(item: Mapping[str, Any]) -> str:
    tier = _threshold(item, "tier")
    return f" to {tier}" if tier else ""


def _threshold(item: Mapping[str, Any], name: str = "threshold") -> str:
    """Say a tier in full: `80 % of the cap`, `14 days before the end`."""
    text, kind = clean(item.get(name) or "", 160), str(item.get("kind"))
    if _PERCENT.fullmatch(text):
        return text + _OF.get(kind, "")
    return f"{text} before the end" if kind == "contract_end" and text.endswith(("day", "days")) else text


def _passed(item: Mapping[str, Any]) -> str:
    passed = [clean(label, 40) for label in item.get("passed") or () if label]
    return f"Passed {' and '.join((', '.join(passed[:-1]), passed[-1]))} at once." if len(passed) > 1 else ""


def _repeats(item: Mapping[str, Any]) -> str:
    remind = as_number(item.get("remind_for_s"))
    if remind:
        return f"Repeats every {span(remind)} while it holds."
    has_tiers = item.get("kind") != "daily_spike" and item.get("tier")
    return "Sent once per tier." if has_tiers else "Sent once."


def _sections(items: Sequence[Mapping[str, Any]], payload: Payload, words: Words) -> list[dict[str, Any]]:
    if payload.get("kind") == "storm":
        return [kinds.storm(items, _count(payload.get("more")), words)]
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in items:
        kind = str(item.get("kind") or "other")
        state = _reason(item) if _reason(item) in _OVER else "on" if kind in kinds.GROUPED else str(id(item))
        groups.setdefault((kind, state), []).append(item)
    more = _count(payload.get("more"))
    single = len(items) == 1 and not more
    sections = []
    kept = list(groups.items())[:_SECTIONS]
    for (_, state), members in kept:
        section = kinds.section(members, more if members[-1] is items[-1] else 0, words)
        if not single:
            section["title"] = _section_title(state, members, words) if len(groups) > 1 or len(members) == 1 else ""
        sections.append(section)
    _say_once(sections)
    if len(groups) > len(kept):
        sections[-1]["notes"].append(f"And {len(groups) - len(kept)} more; to list them all: alerter alerts")
    return sections


def _say_once(sections: Sequence[Mapping[str, Any]]) -> None:
    """Drop facts that an earlier section has told word for word: the contract is the same in all of them."""
    told: set[str] = set()
    for section in sections:
        facts = section["facts"]
        facts[:] = [fact for fact in facts if fact["value"] not in told]
        told |= {fact["value"] for fact in facts if fact["label"] in ("Used", "Contract", "Term", "Cap")}


def _section_title(state: str, members: Sequence[Mapping[str, Any]], words: Words) -> str:
    prefix = {"resolved": "Resolved: ", "closed": "Closed: "}.get(state, "")
    if len(members) == 1:
        severity = "" if prefix else f"{clean(members[0].get('severity') or '', 12).upper()}: "
        return f"{prefix}{severity}{kinds.headline(members[0], words)}"
    return f"{prefix}{kinds.group_headline(str(members[0].get('kind')), members, len(members), words)}"


def _small(payload: Payload, items: Sequence[Mapping[str, Any]], words: Words) -> list[str]:
    """What proves the message: the age of the data, and where to change the rule."""
    lines = []
    if payload.get("data_at"):
        lines.append(f"Data as of {words.instant(payload['data_at'])}{_newest(payload, words)}.")
    for item in _one_per_rule(items):
        threshold = _threshold(item)
        where = "; ".join(part for part in (clean(item.get("where") or "", 120), _cap_place(item)) if part)
        about = f": {threshold}" if threshold else ""
        lines.append(f"Rule {clean(item['rule'], 60)}{about}{f' ({where})' if where else ''}.")
    return lines


def _newest(payload: Payload, words: Words) -> str:
    newest = as_day(payload.get("newest_day"))
    if newest is None:
        return ""
    so_far = ", today so far" if newest == as_day(payload.get("made_at")) else ""
    return f"; newest day {words.day(newest.isoformat())}{so_far}"


def _cap_place(item: Mapping[str, Any]) -> str:
    """Say where a contract's cap was set, when that is not the rule itself."""
    figures = item.get("figures")
    source = figures.get("cap_source") if item.get("kind") == "contract_cap" and isinstance(figures, Mapping) else None
    return f"cap: {clean(source, 80)}" if source else ""


def _one_per_rule(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({str(item.get("rule")): item for item in reversed(list(items)) if item.get("rule")}.values())[::-1][:5]


def _commands(payload: Payload, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ready-made silences, one per rule, as exact as one line can be; ids are whole, for these must match."""
    if payload.get("kind") == "storm":
        return []
    firing = [item for item in items if _reason(item) not in _OVER]
    contract = payload.get("contract")
    commands = []
    for item in _one_per_rule(firing)[:3]:
        matchers = [f"rule={item['rule']}"]
        if isinstance(contract, Mapping) and contract.get("id"):
            matchers.append(f"contract={contract['id']}")
        else:
            matchers.append(f"account={payload.get('account') or ''}")
        users = {str(i["user"].get("id")) for i in firing if i.get("rule") == item["rule"] and _has_user(i)}
        if len(users) == 1 and not _count(payload.get("more")):
            matchers.append(f"user={users.pop()}")
        quoted = " ".join(shlex.quote(clean(matcher, 200)) for matcher in matchers)
        commands.append(f"alerter silence add {quoted} --for 7d")
    return commands


def _has_user(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("user"), Mapping)


def _count(value: object) -> int:
    amount = as_number(value)
    return int(amount) if amount and amount > 0 else 0


def bare(payload: Payload) -> tuple[str, str]:
    """Say the little that can always be said: a title and a text, from a payload of any shape."""
    items = payload.get("items")
    first = items[0] if isinstance(items, (list, tuple)) and items and isinstance(items[0], Mapping) else {}
    title = " · ".join(
        clean(part, 60)
        for part in (
            str(payload.get("severity") or "info").upper(),
            payload.get("account"),
            first.get("kind") or payload.get("kind"),
            first.get("rule"),
            user_label(first["user"]) if _has_user(first) else None,
        )
        if part
    )
    lines = [
        title,
        f"Reason: {clean(first.get('reason') or 'unknown')}",
        f"Key: {clean(payload.get('key') or '', 300)}",
    ]
    return title, "\n".join(lines)
