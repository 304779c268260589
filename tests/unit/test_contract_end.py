"""The end of a term comes nearer by ranks of days."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from alerter.core.area import Area, Unit
from alerter.core.model import Proof, Severity, Tier
from alerter.core.rules.base import EvalContext
from alerter.core.rules.contract_end import ContractEnd
from tests.histories import TODAY, at, contract, history

DAYS = (60, 30, 14)
TIERS = tuple(Tier(at=n, severity=Severity.INFO, label=f"{days} days") for n, days in enumerate(DAYS, 1))
RULE = ContractEnd(id="end", days=DAYS, tiers=TIERS)


def found(left: timedelta | None, **more):
    end_on = None if left is None else date(2026, 12, 1)
    seen = history([10.0] * 5, of=contract(start_on=date(2026, 6, 27), end_on=end_on))
    now = at(TODAY) if left is None else at(date(2026, 12, 1), 0) - left
    return list(RULE.findings(seen, EvalContext(now=now, cap=Area(100, Unit.ACRE), cap_source="x", **more)))


@pytest.mark.parametrize(
    ("left", "rank"),
    [
        (timedelta(days=61), 0),
        (timedelta(days=60, seconds=1), 0),
        (timedelta(days=60), 1),
        (timedelta(days=14, hours=1), 2),
        (timedelta(days=3), 3),
        (timedelta(0), 3),
        (timedelta(days=-40), 3),
    ],
)
def test_the_level_is_the_rank_of_the_days_passed_and_stays_after_the_end(left, rank):
    (finding,) = found(left)
    assert (finding.value, finding.proof) == (rank, Proof.FRESH)
    assert finding.figures["days_left"] == pytest.approx(left / timedelta(days=1))
    assert finding.figures["unused"] == 50
    json.dumps(finding.figures, allow_nan=False)


def test_a_successor_ends_all_urgency():
    (finding,) = found(timedelta(days=3), successor=True)
    assert (finding.value, finding.figures["successor"]) == (0, True)


def test_a_term_without_an_end_has_no_findings_but_lets_a_known_alert_go():
    assert found(None) == []
    (finding,) = found(None, watched=frozenset({("end", "", "-")}))
    assert (finding.value, finding.figures["days_left"]) == (0, None)


def test_overage_is_negative_unused_area():
    seen = history([60.0, 60.0], of=contract(end_on=date(2026, 7, 10)))
    (finding,) = RULE.findings(seen, EvalContext(now=at(TODAY), cap=Area(100, Unit.ACRE)))
    assert finding.figures["unused"] == -20
    (unknown,) = replace(RULE, gap=0.0).findings(seen, EvalContext(now=at(TODAY)))
    assert unknown.figures["unused"] is None
