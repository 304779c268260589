"""Days far above the usual, for contracts and users."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from alerter.core.area import Area, Unit
from alerter.core.model import PreviousTerm, Proof, Severity, SummaryMeaning, Tier
from alerter.core.rules.base import EvalContext, Match, Measure
from alerter.core.rules.daily_spike import DailySpike, mean_active_days
from tests.histories import TODAY, at, contract, history

NAN = float("nan")
TIERS = (Tier(at=100, severity=Severity.WARNING, label="bar"),)
RULE = DailySpike(id="spike", tiers=TIERS, sigma=5, where="alerter.yaml: rules[0]")
USERS = replace(RULE, scope="user")
LONG_AGO = {"spike": date(2020, 1, 1)}
COMMON = {
    "unit", "measure", "used_billed", "used_unique", "overlap", "overlap_share", "cap", "cap_source", "used_percent",
    "term_start", "term_end", "term_elapsed_percent", "as_of", "newest_day",
}  # fmt: skip
OWN = {
    "scope", "user", "day", "day_class", "value", "bar", "normal", "ratio", "excess", "method", "method_reason",
    "baseline", "minimum", "cap_percent_before", "cap_percent_after", "contributors", "others", "breadth",
    "planned",
}  # fmt: skip


def acres(value: float) -> Area:
    return Area(value, Unit.ACRE)


def found(rule, seen, **more):
    return list(rule.findings(seen, EvalContext(**{"now": seen.fetched_at, "activated_on": LONG_AGO, **more})))


def steady(*last: float, days: int = 60, usual: float = 100.0) -> list[float]:
    return [usual] * (days - len(last)) + list(last)


def watch(*days: str, user: str = "") -> frozenset[tuple[str, str, str]]:
    return frozenset(("spike", user, day) for day in days)


# ------------------------------------------------------------------ the contract's days
def test_a_spike_today_is_known_at_once_and_names_its_bar():
    (finding,) = found(RULE, history(steady(350.0)), cap=acres(5_000))
    assert (finding.window, finding.value, finding.proof) == ("2026-07-01", 200, Proof.LOWER_BOUND)
    figures = finding.figures
    assert set(figures) == COMMON | OWN
    json.dumps(figures, allow_nan=False)
    assert (figures["bar"], figures["normal"], figures["ratio"], figures["excess"]) == (175, 100, 3.5, 250)
    assert (figures["day_class"], figures["method"]) == ("open", "active")


def test_the_minimum_volume_lifts_the_bar():
    (finding,) = found(RULE, history(steady(350.0)), cap=acres(15_000))
    assert (finding.figures["bar"], finding.figures["minimum"]) == (300, 300)
    assert "minimum volume" in finding.figures["method_reason"]
    assert found(RULE, history(steady(350.0)), cap=acres(50_000)) == []
    (low,) = found(replace(RULE, minimum=acres(0)), history(steady(350.0)), cap=acres(50_000))
    assert low.figures["bar"] == 175


def test_without_a_cap_the_last_terms_total_sets_the_minimum():
    seen = history([500.0] * 40 + steady(960.0, days=21, usual=500.0), term_index=40)
    (finding,) = found(RULE, seen)
    assert finding.figures["minimum"] == pytest.approx(0.02 * 40 * 500)


def test_only_days_near_their_bar_become_findings():
    assert found(RULE, history(steady(157.0))) == []
    (finding,) = found(RULE, history(steady(158.0)))
    assert finding.value == pytest.approx(100 * 158 / 175)


def test_past_days_are_judged_while_they_can_change_and_prove_both_ways():
    past = [0.0] * 9
    past[0], past[2] = 500.0, 500.0  # 23 June is final, 25 June is not
    findings = found(RULE, history(steady(*past)))
    assert [(one.window, one.proof, one.figures["day_class"]) for one in findings] == [
        ("2026-06-25", Proof.FRESH, "settled")
    ]
    stale = found(RULE, history(steady(*past), fresh=False))
    assert stale[0].proof is Proof.LOWER_BOUND


def test_days_before_the_rule_saw_the_contract_are_never_judged():
    seen = history(steady(500.0, 500.0, 500.0))
    windows = [one.window for one in found(RULE, seen, activated_on={"spike": TODAY - timedelta(days=1)})]
    assert windows == ["2026-06-30", "2026-07-01"]
    assert [one.window for one in found(RULE, seen, activated_on={})] == ["2026-07-01"]


def test_days_of_the_term_before_belong_to_its_own_alerts():
    seen = history(steady(500.0, 500.0, 500.0), term_index=58)
    assert [one.window for one in found(RULE, seen)] == ["2026-06-30", "2026-07-01"]


def test_watched_days_are_told_of_whatever_they_have_and_when_they_are_final():
    findings = found(RULE, history(steady(50.0)), watched=watch("2026-06-28", "2026-06-10", "2020-01-01", "-"))
    assert [(one.window, one.final) for one in findings] == [
        ("2026-06-10", True),
        ("2026-06-28", False),
        ("2020-01-01", True),
    ]
    assert findings[1].value == pytest.approx(100 * 100 / 175)
    assert findings[1].proof is Proof.FRESH
    assert (findings[2].value, findings[2].proof) == (None, Proof.UNKNOWN)


def test_a_day_without_figures_proves_nothing():
    seen = history(steady(NAN, 100.0, 100.0))
    (finding,) = found(RULE, seen, watched=watch("2026-06-29"))
    assert (finding.value, finding.proof) == (None, Proof.UNKNOWN)
    assert set(finding.figures) == COMMON | OWN
    json.dumps(finding.figures, allow_nan=False)


def test_unproven_billed_figures_prove_nothing_and_unique_ones_still_do():
    seen = replace(history(steady(500.0)), meaning=SummaryMeaning.UNPROVEN)
    (finding,) = found(RULE, seen, watched=watch("2026-07-01"))
    assert finding.proof is Proof.UNKNOWN
    assert [one.value for one in found(replace(RULE, measure=Measure.UNIQUE), seen)] == [pytest.approx(100 * 500 / 175)]
    assert found(USERS, seen) == []


def test_products_that_may_fall_wait_for_the_day_to_end():
    audit = contract(start_on=TODAY - timedelta(days=59), product="AUDIT_FIELDS_BOUNDARY")
    findings = found(RULE, history(steady(500.0, 500.0), of=audit))
    assert [(one.window, one.proof) for one in findings] == [
        ("2026-06-30", Proof.FRESH),
        ("2026-07-01", Proof.UNKNOWN),
    ]


def test_the_day_is_open_until_an_answer_came_after_its_end():
    early = replace(history(steady(500.0)), fetched_at=at(TODAY, 23.9))
    late = replace(history(steady(500.0, 1.0)), fetched_at=at(TODAY, 0.1))
    assert found(RULE, early)[0].proof is Proof.LOWER_BOUND
    assert [one.proof for one in found(RULE, late)] == [Proof.FRESH]


def test_the_days_before_settle_first():
    # 29 and 30 June have not settled by noon of 1 July; 28 June has not either.
    (finding,) = found(RULE, history(steady(500.0)))
    assert finding.figures["baseline"]["to"] == "2026-06-28"
    assert finding.figures["baseline"]["from"] == "2026-05-04"
    assert finding.figures["baseline"]["days"] == 56


def test_the_share_of_the_cap_before_and_after():
    (finding,) = found(RULE, history(steady(500.0)), cap=acres(10_000))
    assert finding.figures["cap_percent_before"] == pytest.approx(59)
    assert finding.figures["cap_percent_after"] == pytest.approx(64)


def test_breadth_names_who_it_was():
    by_user = {"a": [60.0] * 59 + [460.0], "b": [40.0] * 59 + [40.0], "new": [0.0] * 59 + [100.0]}
    (finding,) = found(RULE, history(steady(600.0), users=by_user, names={"a": "Co-op"}))
    first, second = finding.figures["contributors"]
    assert (first["name"], first["value"], first["own_mean"]) == ("Co-op", 460, 60)
    assert (first["share_of_excess"], first["is_new"]) == (0.8, False)
    assert (second["id"], second["own_mean"], second["is_new"]) == ("new", 0, True)
    assert finding.figures["others"] == {"count": 1, "value": 40}
    assert finding.figures["breadth"] == {"top1_share": 0.8, "users_above_mean": 2, "users": 3}


# ------------------------------------------------------------------ the other bars
def test_an_absolute_bar_needs_no_history_and_no_minimum():
    rule = replace(RULE, method="absolute", at_least=acres(50))
    (finding,) = found(rule, history([60.0]), cap=acres(1_000_000))
    assert (finding.value, finding.figures["method"], finding.figures["normal"]) == (120, "absolute", None)


def test_an_absolute_bar_may_be_a_share_of_the_cap():
    rule = replace(RULE, method="absolute", at_least_share=0.01)
    assert [one.value for one in found(rule, history([60.0]), cap=acres(5000))] == [120]
    assert found(rule, history([60.0])) == []


def test_a_ratio_is_of_the_median_and_no_verdict_depends_on_the_unit():
    rule = replace(RULE, method="ratio", ratio=3.0)
    for in_hectares in (False, True):
        (finding,) = found(rule, history(steady(300.0), in_hectares=in_hectares), cap=acres(5000))
        assert finding.value == pytest.approx(100)
        assert finding.figures["method"] == "ratio"


# ------------------------------------------------------------------ users
def crowd(**users: list[float]):
    quiet = [0.0] * 60
    return {name: quiet[: 60 - len(last)] + last for name, last in users.items()}


def test_a_user_has_a_bar_of_their_own():
    by_user = {"a": steady(90.0, usual=40.0), "b": steady(60.0, usual=60.0)}
    (finding,) = found(USERS, history(steady(150.0), users=by_user))
    assert (finding.labels["user"], finding.window) == ("a", "2026-07-01")
    assert finding.value == pytest.approx(100 * 90 / 70)
    assert (finding.figures["minimum"], finding.figures["user"]) == (25, {"id": "a", "name": None})
    assert set(finding.figures) == COMMON | OWN


def test_users_below_a_quarter_of_the_mean_day_are_never_spikes():
    by_user = {"a": steady(20.0, usual=2.0), "b": steady(98.0, usual=98.0)}
    assert found(USERS, history(steady(118.0), users=by_user)) == []
    lower = replace(USERS, minimum=acres(10))
    assert [one.labels["user"] for one in found(lower, history(steady(118.0), users=by_user))] == ["a"]


def test_new_users_are_onboarding_unless_their_day_is_large_for_the_contract():
    by_user = crowd(a=[50.0] * 8 + [250.0]) | {"b": steady(100.0)}
    seen = history(steady(350.0), users=by_user)
    assert found(USERS, seen) == []
    assert found(USERS, seen, cap=acres(20_000)) == []
    (finding,) = found(USERS, seen, cap=acres(10_000))
    assert (finding.labels["user"], finding.value) == ("a", 125)
    assert (finding.figures["method"], finding.figures["bar"]) == ("onboarding", 200)


def test_a_user_of_the_term_before_is_no_newcomer():
    by_user = {"a": steady(90.0, usual=40.0)}
    seen = replace(history(steady(150.0), users=by_user, term_index=58), user_first_on=np.array([TODAY.toordinal()]))
    assert [one.figures["method"] for one in found(USERS, seen)] == ["active"]


def test_watched_users_are_told_of_and_those_out_of_scope_are_not():
    seen = history(steady(100.0), users={"a": steady(40.0, usual=40.0), "b": steady(1.0, usual=1.0)})
    watched = watch("2026-06-30", user="a") | watch("2026-06-30", user="gone") | watch("2026-06-30")
    findings = found(USERS, seen, watched=watched)
    assert [(one.labels["user"], one.proof) for one in findings] == [("a", Proof.FRESH), ("gone", Proof.UNKNOWN)]
    assert found(replace(USERS, match=Match(user=("b",))), seen, watched=watch("2026-06-30", user="a")) == []


def test_an_absolute_bar_holds_for_new_users_too():
    rule = replace(USERS, method="absolute", at_least=acres(50))
    (finding,) = found(rule, history(steady(160.0), users=crowd(a=[60.0])), cap=acres(1_000_000))
    assert (finding.labels["user"], finding.value) == ("a", 120)


def test_the_mean_active_day_leaves_idle_and_unknown_days_out():
    means = mean_active_days(np.array([NAN, 0.0, 100.0, 0.0, 200.0, *[0.0] * 60]))
    assert means[1] == np.inf
    assert (means[2], means[4], means[58], means[59]) == (100, 150, 200, 200)


def test_later_days_never_change_the_verdict_on_a_user():
    """A day's floor comes from the days before it, so what follows cannot take a spike back."""
    quiet, busy = steady(150.0, 100.0), steady(150.0, 9000.0)
    by_user = {"a": steady(90.0, 40.0, usual=40.0)}
    verdicts = [
        {one.window: one.value for one in found(USERS, history(daily, users=by_user))}["2026-06-30"]
        for daily in (quiet, busy)
    ]
    assert verdicts[0] == verdicts[1]


# ------------------------------------------------------------------ the same weeks of the previous term
def seasonal(today_area: float, *, year: int = 365, **more):
    """A term whose 51st day is judged; the previous one planted on its days 50 to 70."""
    before = np.array([10.0] * 50 + [1000.0] * 20 + [10.0] * (year - 70))
    seen = history([*before[-120:], *[10.0] * 50, today_area], term_index=120)
    first_on = seen.first_on + timedelta(days=120 - year)
    return replace(seen, previous=PreviousTerm(first_on=first_on, billed_daily=before, unique_daily=before), **more)


def test_planting_is_no_spike_where_the_previous_terms_planting_is_stored():
    (spike,) = found(RULE, replace(seasonal(900.0), previous=None))
    assert (spike.figures["method"], spike.value > 500) == ("active", True)
    assert "no previous term is stored" in spike.figures["method_reason"]
    assert found(RULE, seasonal(900.0)) == []
    (larger,) = found(RULE, seasonal(1400.0))
    figures = larger.figures
    assert (figures["method"], figures["normal"]) == ("season", 10)
    season = figures["baseline"]["season"]
    assert (season["largest"], season["days"]) == (1000, 57)
    assert season["largest_on"] == (TODAY - timedelta(days=365)).isoformat()
    assert figures["bar"] == pytest.approx(1250 * season["growth"])
    assert json.dumps(figures, allow_nan=False)


def test_a_previous_term_longer_than_a_year_is_compared_by_the_same_day():
    # of 400 days, the one 365 days before day 51 is its 86th: planting is 16 days past, and was within its first days
    (larger,) = found(RULE, seasonal(1400.0, year=400))
    season = larger.figures["baseline"]["season"]
    assert season["largest"] == 1000
    assert season["growth"] == pytest.approx(1 / 3)


def test_users_have_no_season_of_their_own():
    days = [10.0] * 59 + [400.0]
    seen = replace(history(days, users={"u1": days}), previous=seasonal(1.0).previous)
    (finding,) = found(USERS, seen)
    assert finding.figures["method"] == "active"
