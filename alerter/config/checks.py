"""What no single value can know: names used twice, routes to nowhere, entries that can never be reached.

These look at the file as written, so that they speak even where other keys are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from alerter.config.document import Document, Path
from alerter.config.explain import kind_meant, unknown
from alerter.config.matching import ALERT_LABELS
from alerter.config.rule_schema import RULE_KINDS, DailySpikeRule, UserCapRule, default_rules, why_unfit_tiers
from alerter.config.values import closest, globs_cover, listed, parse_percent, parse_points, parse_yes_no, shown
from alerter.core.model import Severity


def check_whole(document: Document) -> None:
    """Add the problems that lie between the parts of a config to the document's."""
    _check_unique(document, "accounts", "name", "account")
    _check_unique(document, "rules", "id", "rule")
    _check_previous_ids(document)
    _check_tiers(document)
    _check_idle_keys(document)
    _check_contracts(document)
    _check_routes(document)


def _items(document: Document, key: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the mappings in the list under a top-level key, with their paths."""
    items = document.root.get(key)
    if isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield (key, index), item


def _check_unique(document: Document, section: str, key: str, what: str) -> None:
    first: dict[str, int] = {}
    for path, item in _items(document, section):
        name = item.get(key)
        if not isinstance(name, str):
            continue
        if name in first:
            document.complain((*path, key), f"another {what} is named {shown(name)} (line {first[name]})")
        first.setdefault(name, document.place((*path, key))[0])


def _rule_ids(document: Document) -> list[str]:
    written = [str(rule["id"]) for _, rule in _items(document, "rules") if isinstance(rule.get("id"), str)]
    return written or [rule["id"] for rule in default_rules()]


def _check_previous_ids(document: Document) -> None:
    ids = set(_rule_ids(document))
    claimed: dict[str, int] = {}
    for path, rule in _items(document, "rules"):
        former = rule.get("previous_ids")
        for index, name in enumerate(former if isinstance(former, list) else []):
            place = (*path, "previous_ids", index)
            if not isinstance(name, str):
                continue
            if name in ids:
                document.complain(place, f"{shown(name)} is the id of a rule that still exists")
            elif name in claimed:
                document.complain(place, f"{shown(name)} is a former name of another rule (line {claimed[name]})")
            else:
                claimed[name] = document.place(place)[0]


def _check_tiers(document: Document) -> None:
    """Compare the tiers that can be read, for the schema compares only lists without any other mistake."""
    for path, rule in _items(document, "rules"):
        model, tiers = kind_meant(rule), rule.get("tiers")
        if model is None or "tiers" not in model.model_fields or not isinstance(tiers, list):
            continue
        default = model.model_fields["gap"].default
        gap = _read(parse_points, rule["gap"]) if "gap" in rule else float(default)
        ats = {
            index: _read(parse_percent, tier.get("at")) for index, tier in enumerate(tiers) if isinstance(tier, dict)
        }
        readable = {index: at for index, at in ats.items() if at is not None}
        bar = 100.0 if model is DailySpikeRule else 0.0
        for steps, message, _ in why_unfit_tiers(readable, gap, bar=bar) if gap is not None else ():
            if steps[0] != "..":
                document.complain((*path, "tiers", *steps), message)


_METHODS_OF = {"at_least": ("absolute",), "ratio": ("ratio",), "sensitivity": ("auto", "active")}


def _check_idle_keys(document: Document) -> None:
    """Refuse keys that would do nothing: whoever wrote them believes that they do."""
    for path, rule in _items(document, "rules"):
        model = kind_meant(rule)
        whole = model is not UserCapRule and (
            model is not DailySpikeRule or rule.get("scope", "contract") == "contract"
        )
        match = rule.get("match")
        if whole and isinstance(match, dict) and "user" in match:
            message = "has no effect here; only user_cap and daily_spike with scope: user look at single users"
            document.complain((*path, "match", "user"), message, key=True)
        if model is not DailySpikeRule:
            continue
        if not whole and rule.get("measure") == "unique":
            document.complain((*path, "measure"), "unique areas are known of whole contracts only, not of users")
        method = rule.get("method", "auto")
        if not whole and method == "season":
            message = "the previous term's days are kept of whole contracts only, not of users; take auto or active"
            document.complain((*path, "method"), message)
        for key, methods in _METHODS_OF.items():
            if key in rule and isinstance(method, str) and method not in methods:
                message = f"has no effect with method {shown(method)[1:-1]}; it belongs to {' and '.join(methods)}"
                document.complain((*path, key), message, key=True)


def _read(parse: Callable[[object], float], value: object) -> float | None:
    try:
        return parse(value)
    except ValueError:  # PydanticCustomError is one
        return None


# ------------------------------------------------------------------ contracts
_MOST_COMPARED = 300  # entries: comparing each with all before it takes quadratic time


def _check_contracts(document: Document) -> None:
    entries = [(path, _globs_of(item.get("match", {}))) for path, item in _items(document, "contracts")]
    for index, (path, match) in enumerate(entries[:_MOST_COMPARED]):
        for earlier, (_, other) in enumerate(entries[:index]):
            if match is not None and other is not None and all(globs_cover(other[key], match[key]) for key in match):
                place = (*path, "match") if "match" in document.at(path) else path
                document.complain(place, f"is never reached: contracts[{earlier}] matches the same contracts first")
                break


def _globs_of(match: object) -> dict[str, tuple[str, ...]] | None:
    """Return the globs of a contracts entry, or None where they cannot be read."""
    if not isinstance(match, dict):
        return None
    globs: dict[str, tuple[str, ...]] = {}
    for key in ("account", "product", "region", "contract"):
        value = match.get(key, [])
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            return None
        globs[key] = tuple(str(item) for item in items)
    return globs


# ------------------------------------------------------------------ routes
def _check_routes(document: Document) -> None:
    channels = document.root.get("channels")
    names = [str(name) for name in channels] if isinstance(channels, dict) else []
    labels = [*ALERT_LABELS, *(str(key) for _, rule in _items(document, "rules")
                               if isinstance(rule.get("labels"), dict) for key in rule["labels"])]  # fmt: skip
    routes = list(_items(document, "routes"))
    for number, (path, route) in enumerate(routes):
        last = number == len(routes) - 1
        _check_targets(document, (*path, "to"), route.get("to"), names)
        _check_labels(document, (*path, "match"), route.get("match"), labels)
        if last and route.get("match"):
            message = "the last route must match everything, so that nothing is lost; add one with only `to`"
            document.complain((*path, "match"), message)
        if not last and not route.get("match", {}) and not _goes_on(route.get("continue")):
            document.complain(path, "matches everything, so the routes after it are never reached; add a match")


def _goes_on(value: object) -> bool:
    try:
        return value is not None and parse_yes_no(value)
    except ValueError:
        return True


def _check_targets(document: Document, path: Path, to: object, names: list[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(to if isinstance(to, list) else []):
        if not isinstance(name, str):
            continue
        if names and name not in names:
            document.complain((*path, index), unknown(name, names, "channel"))
        elif name in seen:
            document.complain((*path, index), f"{shown(name)} is there already")
        seen.add(name)


def _check_labels(document: Document, path: Path, match: object, labels: list[str]) -> None:
    closed = {"severity": [severity.value for severity in Severity], "kind": [*RULE_KINDS, "health"]}
    for label, wanted in match.items() if isinstance(match, dict) else ():
        if label not in labels:
            near = closest(label, labels) or f"; there are {listed(labels)}"
            document.complain((*path, label), f"no alert has the label {shown(label)}{near}", key=True)
        items = wanted if isinstance(wanted, list) else [wanted]
        for index, item in enumerate(items):
            place = (*path, label, index) if isinstance(wanted, list) else (*path, label)
            exact = item.removeprefix("!") if isinstance(item, str) else ""
            if label in closed and exact and not re.search(r"[*?\[~]", exact) and exact not in closed[label]:
                near = closest(exact, closed[label]) or f", expected {', '.join(closed[label])}"
                document.complain(place, f"no alert has the {label} {shown(exact)}{near}")
