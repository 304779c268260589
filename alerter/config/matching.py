"""The `match:` blocks: of contracts, of rules, of routes."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import replace
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from alerter.config.base import Section, setting
from alerter.config.values import SLUG, Complaint, Globs, all_wrong, at, shown, why_bad_glob, wrong
from alerter.core.model import Contract
from alerter.core.rules.base import Match

ALERT_LABELS = ("rule", "kind", "severity", "account", "product", "region", "contract", "user")


class ContractMatch(Section):
    """Which contracts are meant; a key that is left out matches everything."""

    account: Globs = setting((), "Names of accounts.")
    product: Globs = setting((), "Products, as the API spells them, e.g. OPERATIONS_FILE.")
    region: Globs = setting((), "Regions; a contract without one has an empty region.")
    contract: Globs = setting((), "Contract ids.")

    def covers(self, contract: Contract) -> bool:
        """Say whether `contract` is meant; globs are case-sensitive."""
        return self.globs().covers(contract)

    def globs(self) -> Match:
        """Return this as the core's Match."""
        return Match(account=self.account, product=self.product, region=self.region, contract=self.contract)


class RuleMatch(ContractMatch):
    """Which contracts, and which of their users, a rule is about."""

    user: Globs = setting((), "Leaf users, by id or by name.")

    def globs(self) -> Match:
        """Return this as the core's Match, users included."""
        return replace(super().globs(), user=self.user)


# ------------------------------------------------------------------ labels of alerts
Wanted = tuple[str, str]  # an operator (=, !=, =~, !~) and its value


def parse_label_match(value: object) -> dict[str, Wanted]:
    """Read a mapping of labels to wanted values as matchers: label to operator and value."""
    if not isinstance(value, dict):
        raise wrong("expected a mapping of labels to values, such as {severity: critical}")
    wanted: dict[str, Wanted] = {}
    problems: list[Complaint] = []
    for label, item in value.items():
        if isinstance(item, tuple):  # a matcher already
            wanted[label] = item
            continue
        found, bad = _parse_wanted(item)
        problems += [at((label, *steps), message) for steps, message, _ in bad]
        if not SLUG.fullmatch(label):
            problems.append(at((label, "[key]"), f"{shown(label)} cannot be a label"))
        if found:
            wanted[label] = found
    if problems:
        raise all_wrong(problems)
    return wanted


def _parse_wanted(item: object) -> tuple[Wanted | None, list[Complaint]]:
    if not isinstance(item, list):
        why = _why_no_value(item)
        return (None, [at((), why)]) if why else (_one_wanted(str(item)), [])
    bad = [at((index,), why) for index, one in enumerate(item) if (why := _why_no_value(one, listed=True))]
    if not item:
        bad.append(at((), "is an empty list; leave the label out to match everything"))
    if bad:
        return None, bad
    if len(item) == 1:
        return _one_wanted(str(item[0])), []
    return ("=~", "|".join(f"(?:{_regex_of(str(one))})" for one in item)), []


def _why_no_value(item: object, *, listed: bool = False) -> str:
    if item is None or isinstance(item, (dict, list)):
        return f"expected text or a list of texts, found {'nothing' if item is None else 'a nested value'}"
    if listed and str(item).startswith("!"):
        return "an item of a list cannot start with !; put it in a route of its own"
    text = str(item).removeprefix("!")
    if not text.startswith("~"):
        bad = why_bad_glob(text)
        return f"the glob {shown(item)} {bad}" if bad else ""
    try:
        re.compile(text[1:])
    except re.error as error:
        return f"{shown(item)} is not a regular expression: {error.msg}"
    return ""


def _one_wanted(text: str) -> Wanted:
    negated = text.startswith("!")
    text = text.removeprefix("!")
    if text.startswith("~") or re.search(r"[*?\[]", text):
        return "!~" if negated else "=~", _regex_of(text)
    return "!=" if negated else "=", text


def _regex_of(text: str) -> str:
    """Return an unanchored regular expression for one exact text, glob or `~regex`."""
    if text.startswith("~"):
        return text[1:]
    if not re.search(r"[*?\[]", text):
        return re.escape(text)
    return re.sub(r"\\[zZ]$", "", fnmatch.translate(text))


LabelMatch = Annotated[
    dict[str, Wanted],
    PlainValidator(parse_label_match),
    PlainSerializer(dict),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]
            },
        }
    ),
]
