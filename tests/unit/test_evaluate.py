"""One evaluator for all rules: in their order, only where they apply, each blind to the others."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from alerter.core.area import Area, Unit
from alerter.core.evaluate import evaluate
from alerter.core.model import Severity, Tier
from alerter.core.rules.base import EvalContext, Match, Per
from alerter.core.rules.contract_cap import ContractCap
from alerter.core.rules.contract_end import ContractEnd
from alerter.core.rules.daily_spike import DailySpike
from alerter.core.rules.exhaustion import Exhaustion
from alerter.core.rules.registry import KINDS
from alerter.core.rules.user_cap import UserCap
from tests.histories import TODAY, at, history

TIERS = (Tier(at=100, severity=Severity.WARNING, label="100 %"),)
RULES = (
    ContractCap(id="cap", tiers=TIERS, cap=Area(5000, Unit.ACRE)),
    ContractCap(id="elsewhere", tiers=TIERS, cap=Area(1, Unit.ACRE), match=Match(region=("EU",))),
    UserCap(id="users", tiers=TIERS, cap=Area(900, Unit.ACRE)),
    DailySpike(id="spike", tiers=TIERS),
    DailySpike(id="user-spike", tiers=TIERS, scope="user"),
    ContractCap(id="daily", tiers=TIERS, cap=Area(120, Unit.ACRE), per=Per.DAY),
    ContractEnd(id="end", tiers=(Tier(at=1, severity=Severity.INFO, label="400 days"),), days=(400,)),
    Exhaustion(id="forecast", tiers=TIERS, cap=Area(90_000, Unit.ACRE)),
)
SEEN = history(
    [100.0] * 59 + [400.0],
    users={"a": [40.0] * 59 + [340.0], "b": [60.0] * 60, "c": [0.0] * 60},
    names={"a": "<!channel> Co-op"},
)
CONTEXT = EvalContext(now=at(TODAY))


def test_rules_that_do_not_cover_the_contract_are_silent():
    assert [one.rule for one in evaluate(RULES, SEEN, CONTEXT)] == [
        "cap", "users", "users", "spike", "user-spike", "daily", "end", "forecast",
    ]  # fmt: skip


@given(st.permutations(RULES))
def test_the_order_of_rules_changes_nothing_but_the_order(rules):
    def by_rule(findings):
        return {one.id: [finding for finding in findings if finding.rule == one.id] for one in RULES}

    assert by_rule(evaluate(rules, SEEN, CONTEXT)) == by_rule(evaluate(RULES, SEEN, CONTEXT))


def test_every_figure_is_plain_data_and_every_kind_is_registered():
    findings = evaluate(RULES, SEEN, CONTEXT)
    for finding in findings:
        json.dumps(finding.figures, allow_nan=False)
        assert KINDS[finding.kind].kind == finding.kind
    assert {one.kind for one in findings} == set(KINDS)
