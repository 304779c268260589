"""The one evaluator: rules and one history in, findings out; daemon, replay and rule tests all come through here."""

from __future__ import annotations

from collections.abc import Sequence

from alerter.core.model import Finding, History
from alerter.core.rules.base import EvalContext, Rule


def evaluate(rules: Sequence[Rule], history: History, context: EvalContext) -> tuple[Finding, ...]:
    """Return the findings of every rule that covers the history's contract, in the order of the rules."""
    return tuple(
        finding for rule in rules if rule.match.covers(history.contract) for finding in rule.findings(history, context)
    )
