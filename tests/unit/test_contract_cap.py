"""A contract against its cap, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from alerter.core.area import Area, Unit
from alerter.core.model import Proof, Severity, SummaryMeaning, Tier
from alerter.core.rules.base import EvalContext, Match, Measure, Per
from alerter.core.rules.contract_cap import ContractCap
from tests.histories import TODAY, at, history

NAN = float("nan")
TIERS = (
    Tier(at=50, severity=Severity.INFO, label="50 %"),
    Tier(at=80, severity=Severity.WARNING, label="80 %"),
)
RULE = ContractCap(id="cap", tiers=TIERS, cap=Area(1000, Unit.ACRE), where="alerter.yaml: rules[0]")


def context(**more) -> EvalContext:
    return EvalContext(**{"now": at(TODAY), **more})


def only(rule, seen, **more):
    (finding,) = rule.findings(seen, context(**more))
    return finding


def test_the_level_is_the_percentage_of_the_cap():
    finding = only(RULE, history([100.0] * 8 + [50.0]))
    assert (finding.value, finding.proof, finding.window) == (85, Proof.FRESH, "-")
    figures = finding.figures
    assert (figures["value"], figures["cap"], figures["percent"], figures["remaining"]) == (850, 1000, 85, 150)
    assert figures["cap_source"] == "alerter.yaml: rules[0].cap"
    assert figures["next_tier"] is None
    assert (figures["rate_7d"], figures["rate_28d"]) == (100, 100)
    assert finding.labels["contract"] == "c1"
    assert finding.labels["user"] == ""


def test_the_next_tier_says_how_much_area_is_left():
    figures = only(RULE, history([100.0] * 6)).figures
    assert figures["next_tier"] == {"at": 80, "label": "80 %", "area_left": 200}


def test_the_cap_of_the_contract_serves_where_the_rule_has_none():
    rule = replace(RULE, cap=None)
    finding = only(rule, history([100.0]), cap=Area(200, Unit.ACRE), cap_source="quota of the API")
    assert (finding.value, finding.figures["cap_source"]) == (50, "quota of the API")
    assert list(rule.findings(history([100.0]), context())) == []


def test_a_cap_that_went_missing_proves_nothing_of_a_known_alert():
    rule = replace(RULE, cap=None)
    finding = only(rule, history([100.0]), watched=frozenset({("cap", "", "-"), ("other", "", "-")}))
    assert (finding.value, finding.proof) == (None, Proof.UNKNOWN)


def test_unique_area_leaves_overlap_out():
    seen = history([100.0] * 8, unique=[75.0] * 8)
    assert only(replace(RULE, measure=Measure.UNIQUE), seen).value == 60
    figures = only(RULE, seen).figures
    assert (figures["overlap"], figures["overlap_share"], figures["used_unique"]) == (200, 0.25, 600)


def test_billed_area_nobody_knows_is_no_less_than_the_unique_one():
    seen = replace(history([100.0] * 8, unique=[75.0] * 8), meaning=SummaryMeaning.UNPROVEN)
    finding = only(RULE, seen)
    assert (finding.value, finding.proof) == (60, Proof.LOWER_BOUND)
    assert finding.figures["measure"] == "unique (lower bound)"


@pytest.mark.parametrize(
    ("seen", "value", "proof"),
    [
        (history([100.0] * 8, fresh=False), 80, Proof.LOWER_BOUND),
        (history([100.0] * 7 + [NAN]), 70, Proof.FRESH),  # yesterday's is the newest the API has
        (history([100.0] * 6 + [NAN, NAN]), 60, Proof.LOWER_BOUND),
        (history([NAN, NAN]), None, Proof.UNKNOWN),
        (replace(history([100.0] * 8), total_is_lower_bound=True), 80, Proof.LOWER_BOUND),
    ],
)
def test_only_whole_and_recent_figures_prove_a_fall(seen, value, proof):
    finding = only(RULE, seen)
    assert (finding.value, finding.proof) == (value, proof)


def test_the_term_before_does_not_count():
    assert only(RULE, history([900.0, 900.0, 100.0, 100.0], term_index=2)).value == 20


def test_no_verdict_depends_on_the_unit():
    daily = [1000 / 3] * 3
    for cap in (Area(1000, Unit.ACRE), Area(1000, Unit.ACRE).to(Unit.HECTARE)):
        rule = replace(RULE, cap=cap)
        assert rule.revision == RULE.revision
        for in_hectares in (False, True):
            finding = only(rule, history(daily, in_hectares=in_hectares))
            assert finding.value == pytest.approx(100)


# ------------------------------------------------------------------ windows
def by_window(rule, seen, **more):
    return {one.window: one for one in rule.findings(seen, context(**more))}


def test_a_month_counts_its_own_days_and_begins_anew():
    # 30 June days of 10, then 1 July with 40: only July can still be told apart from June's revisions.
    found = by_window(
        replace(RULE, per=Per.MONTH), history([10.0] * 30 + [40.0]), activated_on={"cap": date(2026, 1, 1)}
    )
    assert {window: one.figures["value"] for window, one in found.items()} == {"2026-06-01": 300, "2026-07-01": 40}
    assert found["2026-06-01"].proof is Proof.FRESH
    assert not found["2026-06-01"].final


def test_a_week_begins_on_monday_and_leaves_out_what_was_before_the_term():
    # 1 July 2026 is a Wednesday; the term began on Tuesday.
    found = by_window(replace(RULE, per=Per.WEEK), history([7.0, 10.0, 20.0], term_index=1))
    assert {window: one.figures["value"] for window, one in found.items()} == {"2026-06-29": 30}


def test_days_before_the_rule_began_are_never_judged():
    found = by_window(replace(RULE, per=Per.DAY), history([900.0] * 10))
    assert set(found) == {"2026-07-01"}
    found = by_window(replace(RULE, per=Per.DAY), history([900.0] * 10), activated_on={"cap": TODAY - timedelta(2)})
    assert set(found) == {"2026-06-29", "2026-06-30", "2026-07-01"}


def test_an_open_day_is_never_below_its_cap_for_good():
    found = by_window(replace(RULE, per=Per.DAY), history([10.0] * 5), activated_on={"cap": TODAY - timedelta(1)})
    assert found["2026-07-01"].proof is Proof.LOWER_BOUND
    assert found["2026-06-30"].proof is Proof.FRESH


def test_an_unknown_day_leaves_the_window_a_lower_bound():
    found = by_window(replace(RULE, per=Per.WEEK), history([10.0, NAN, 20.0]))
    assert (found["2026-06-29"].figures["value"], found["2026-06-29"].proof) == (30, Proof.LOWER_BOUND)
    empty = by_window(replace(RULE, per=Per.DAY), history([10.0, NAN]))
    assert empty["2026-07-01"].proof is Proof.UNKNOWN


def test_a_watched_window_is_told_when_it_can_change_no_more():
    watched = frozenset({("cap", "", "2026-06-20"), ("cap", "", "-"), ("cap", "", "2025-01-01")})
    found = by_window(replace(RULE, per=Per.DAY), history([900.0] * 20), watched=watched)
    assert set(found) == {"2026-06-20", "2026-07-01"}
    assert found["2026-06-20"].final
    assert not found["2026-07-01"].final


# ------------------------------------------------------------------ what every rule shares
def test_figures_are_plain_data():
    users = {f"u{number}": [float(number)] * 10 for number in range(8)}
    figures = only(RULE, history([100.0] * 9 + [NAN], users=users, names={"u7": "Co-op"})).figures
    json.dumps(figures, allow_nan=False)
    assert [one["id"] for one in figures["top_users"]] == ["u7", "u6", "u5", "u4", "u3"]
    assert figures["top_users"][0] == {"id": "u7", "name": "Co-op", "area": 70, "share": 0.25}


def test_the_revision_follows_what_decides_and_not_what_is_shown():
    same = replace(RULE, labels={"team": "x"}, where="elsewhere", match=Match(product=("X",)))
    shown = tuple(replace(tier, severity=Severity.CRITICAL, remind=timedelta(1), label="!") for tier in TIERS)
    assert RULE.revision == same.revision == replace(RULE, tiers=shown).revision
    others = [
        replace(RULE, cap=Area(1001, Unit.ACRE)),
        replace(RULE, per=Per.DAY),
        replace(RULE, measure=Measure.UNIQUE),
        replace(RULE, gap=3.0),
        replace(RULE, confirm=2),
        replace(RULE, tiers=TIERS[:1]),
    ]
    assert len({one.revision for one in [RULE, *others]}) == len(others) + 1


def test_a_match_is_a_glob_in_exact_case():
    seen = history([1.0]).contract
    assert Match().covers(seen)
    assert Match(product=("FIELDS_*", "OPER*"), region=("U?",), contract=("c1",), account=("prod",)).covers(seen)
    assert not Match(product=("oper*",)).covers(seen)
    assert not Match(region=("EU",)).covers(seen)
    assert Match(region=("",)).covers(replace(seen, region=None))
