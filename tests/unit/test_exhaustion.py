"""The forecast rule: from settled days alone, several of them running, and silent once the cap is reached."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.area import Area, Unit
from alerter.core.forecast import forecast
from alerter.core.model import PreviousTerm, Proof, Severity, SummaryMeaning, Tier
from alerter.core.rules.base import EvalContext
from alerter.core.rules.exhaustion import Exhaustion, settled_days
from tests.histories import TODAY, contract, history

NAN = float("nan")
TIERS = (Tier(at=50, severity=Severity.WARNING), Tier(at=90, severity=Severity.CRITICAL))
RULE = Exhaustion(id="forecast", tiers=TIERS, where="alerter.yaml: rules[0]")
WATCHED = frozenset({("forecast", "", "-")})


def term(daily, *, end_after: int = 365, **more):
    begin = TODAY - timedelta(days=len(daily) - 1)
    product = more.pop("product", "OPERATIONS_FILE")
    of = contract(begin, None if end_after == 0 else begin + timedelta(days=end_after), product)
    return history(daily, of=of, **more)


def found(seen, cap: float | None = 4000, rule=RULE, **more):
    area = None if cap is None else Area(cap, Unit.ACRE)
    return list(rule.findings(seen, EvalContext(now=seen.fetched_at, cap=area, **more)))


def test_the_probability_is_that_of_the_settled_days_and_the_least_of_three():
    # 120 days, the last three (28, 29, 30 June is 2 days old at most) not settled: 117
    daily = [10.0] * 120
    (finding,) = found(term(daily), cap=3600)
    days = [forecast(np.full(count, 10.0), np.zeros(0), term_days=365, cap=3600) for count in (117, 116, 115)]
    assert finding.value == pytest.approx(100 * min(one.p_exhausted for one in days))
    assert finding.proof is Proof.FRESH
    figures = finding.figures
    assert json.dumps(figures, allow_nan=False)
    assert figures["settled_on"] == "2026-06-28"
    assert figures["total"] == pytest.approx(days[0].total)
    assert figures["overage"] == pytest.approx(days[0].total - 3600)
    assert figures["exhaust_on"] == (date(2026, 6, 28) + timedelta(days=360 - 117)).isoformat()
    assert figures["is_date_certain"] is True


def test_one_strange_day_says_nothing_yet():
    calm, wild = term([10.0] * 117 + [0.0] * 3), term([10.0] * 116 + [900.0] + [0.0] * 3)
    assert found(wild, cap=4200)[0].value == pytest.approx(found(calm, cap=4200)[0].value, rel=0.2)
    assert found(wild, cap=4200, rule=replace(RULE, days=1))[0].value > 2 * found(calm, cap=4200)[0].value


def test_days_that_can_still_change_do_not_count():
    assert found(term([10.0] * 117 + [9e5] * 3)) == found(term([10.0] * 117 + [9e5] * 3))
    one, other = found(term([10.0] * 120))[0], found(term([10.0] * 117 + [77.0] * 3))[0]
    assert one.value == other.value


def test_a_likely_day_within_a_month_counts_as_90():
    daily = [10.0] * 120
    (finding,) = found(term(daily, end_after=146), cap=1450)
    assert 50 < finding.figures["probability_percent"] < 90
    assert finding.value == 90


def test_no_verdict_without_cap_end_meaning_or_enough_days():
    for seen, cap in (
        (term([10.0] * 120), None),
        (term([10.0] * 120, end_after=0), 4000),
        (term([10.0] * 120, meaning=SummaryMeaning.UNPROVEN), 4000),
        (term([10.0] * 32), 4000),
        (term([10.0] * 116 + [NAN] * 4), 4000),
        (term([10.0] * 120, product="AUDIT_FIELDS_BOUNDARY"), 4000),
    ):
        assert found(seen, cap) == []
        (finding,) = found(seen, cap, watched=WATCHED)
        assert (finding.value, finding.proof) == (None, Proof.UNKNOWN)
        assert json.dumps(finding.figures, allow_nan=False)


def test_a_reached_cap_mutes_the_forecast():
    (finding,) = found(term([10.0] * 120), cap=1170)
    assert finding.muted == "exhausted"
    assert found(term([10.0] * 120), cap=1180)[0].muted == ""


def test_the_gain_over_a_gap_is_spread_over_its_days():
    totals = np.array([10.0, NAN, NAN, 40.0, 50.0])
    seen = replace(term([10.0] * 5 + [0.0] * 3), billed_total=np.concatenate((totals, [50.0] * 3)))
    known = settled_days(seen, EvalContext(now=seen.fetched_at))
    assert known is not None
    np.testing.assert_allclose(known.daily, [10, 10, 10, 10, 10])


def test_the_previous_term_shapes_the_forecast():
    seen = term([10.0] * 120)
    before = np.array([10.0] * 117 + [0.0] * 248)
    with_last = replace(seen, previous=PreviousTerm(first_on=seen.first_on, billed_daily=before, unique_daily=before))
    assert found(with_last)[0].figures["with_last_term"] is True
    assert found(with_last)[0].figures["total"] < found(seen)[0].figures["total"]
    holes = np.where(np.arange(365) % 3 == 0, NAN, before)
    with_holes = replace(seen, previous=PreviousTerm(first_on=seen.first_on, billed_daily=holes, unique_daily=holes))
    assert found(with_holes)[0].figures["with_last_term"] is False


areas = st.lists(st.floats(0, 500), min_size=40, max_size=150)


@settings(max_examples=40, deadline=None)
@given(areas, st.floats(10, 1e5))
def test_a_higher_cap_is_never_likelier_and_no_unit_matters(daily, cap):
    (low,), (high,) = found(term(daily), cap), found(term(daily), 2 * cap)
    assert 0 <= high.value <= low.value <= 100
    (metric,) = found(term(daily, in_hectares=True), cap)
    assert metric.value == pytest.approx(low.value, abs=1e-6)
