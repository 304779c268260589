"""Users against caps of their own, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from alerter.core.area import Area, Unit
from alerter.core.model import Proof, Severity, SummaryMeaning, Tier
from alerter.core.rules.base import EvalContext, Match, Per
from alerter.core.rules.user_cap import CapOverride, UserCap
from tests.histories import TODAY, at, history

NAN = float("nan")
TIERS = (Tier(at=100, severity=Severity.WARNING, label="100 %"),)


def acres(value: float) -> Area:
    return Area(value, Unit.ACRE)


RULE = UserCap(id="uc", tiers=TIERS, cap=acres(100), where="alerter.yaml: rules[1]")


def found(rule, seen, **more):
    return list(rule.findings(seen, EvalContext(**{"now": at(TODAY), **more})))


def users(**areas: float):
    return {name: [area / 2, area / 2] for name, area in areas.items()}


def test_only_users_near_their_cap_become_findings():
    many = users(a=50, b=97.9, c=98, d=100, e=250)
    findings = found(RULE, history([500.0, 500.0], users=many))
    assert [(one.labels["user"], one.value) for one in findings] == [("c", 98), ("d", 100), ("e", 250)]
    assert findings[0].proof is Proof.FRESH
    figures = findings[2].figures
    assert (figures["cap_from"], figures["remaining"], figures["added_today"]) == ("default", -150, 125)
    assert (figures["cap"], figures["value"], figures["user"]) == (100, 250, {"id": "e", "name": None})
    json.dumps(figures, allow_nan=False)


def test_watched_users_are_told_of_whatever_they_have():
    watched = frozenset({("uc", "a", "-"), ("uc", "gone", "-"), ("other", "b", "-")})
    findings = found(RULE, history([500.0, 500.0], users=users(a=50, b=60)), watched=watched)
    assert [(one.labels["user"], one.value, one.proof) for one in findings] == [
        ("a", 50, Proof.FRESH),
        ("gone", None, Proof.UNKNOWN),
    ]


def test_an_id_beats_a_name_beats_a_pattern_beats_the_default():
    rule = replace(
        RULE,
        overrides=(
            CapOverride(user="*", cap=acres(10)),
            CapOverride(user="Prairie*", cap=acres(20)),
            CapOverride(user="Prairie Co-op", cap=acres(30)),
            CapOverride(user="id1", cap=acres(40)),
        ),
    )
    names = {"id1": "Prairie Co-op", "id2": "Prairie Co-op 2", "id3": "Prairie Farm"}
    only_one = {key: value for key, value in names.items() if key != "id2"} | {"id2": "x"}
    seen = history([0.0, 400.0], users=users(id1=100, id2=100, id3=100, id4=100), names=only_one)
    caps = {one.labels["user"]: (one.figures["cap"], one.figures["cap_from"]) for one in found(rule, seen)}
    assert caps["id1"] == (40, "override id1")
    assert caps["id3"] == (10, "override *")  # the first fitting pattern
    named = history([0.0, 100.0], users=users(id9=100), names={"id9": "Prairie Co-op"})
    assert found(rule, named)[0].figures["cap_from"] == "override Prairie Co-op"
    patterned = replace(rule, overrides=rule.overrides[1:])
    assert found(patterned, seen)[2].figures["cap_from"] == "override Prairie*"


def test_a_name_that_several_users_bear_moves_no_cap_and_is_said():
    rule = replace(RULE, overrides=(CapOverride(user="Twin", cap=acres(1)),))
    seen = history([0.0, 200.0], users=users(a=100, b=100), names={"a": "Twin", "b": "Twin"})
    assert [one.figures["cap"] for one in found(rule, seen)] == [100, 100]
    assert found(rule, seen)[0].figures["cap_from"] == "default (override Twin not used: 2 users bear that name)"


def test_a_name_with_pattern_letters_is_first_of_all_a_name():
    rule = replace(RULE, overrides=(CapOverride(user="Farm [North]", cap=acres(500)),))
    seen = history([0.0, 100.0], users=users(a=100), names={"a": "Farm [North]"})
    assert found(rule, seen) == []


def test_a_share_of_the_contracts_cap():
    rule = replace(RULE, cap=None, share=0.3)
    findings = found(rule, history([0.0, 400.0], users=users(a=300, b=100)), cap=acres(1000))
    assert [(one.labels["user"], one.value, one.figures["cap_from"]) for one in findings] == [("a", 100, "share")]
    assert found(rule, history([0.0, 400.0], users=users(a=300))) == []


def test_users_outside_the_match_are_left_alone():
    rule = replace(RULE, match=Match(user=("b*", "Co-op")))
    seen = history([0.0, 600.0], users=users(a=200, b1=200, c=200), names={"c": "Co-op"})
    watched = frozenset({("uc", "a", "-")})
    assert [one.labels["user"] for one in found(rule, seen, watched=watched)] == ["b1", "c"]


def test_unproven_summaries_say_nothing_of_users():
    seen = replace(history([0.0, 600.0], users=users(a=200, b=200)), meaning=SummaryMeaning.UNPROVEN)
    assert [(one.labels["user"], one.proof) for one in found(RULE, seen, watched=frozenset({("uc", "a", "-")}))] == [
        ("a", Proof.UNKNOWN)
    ]


def test_stale_figures_and_vanished_users_are_lower_bounds():
    assert found(RULE, history([0.0, 200.0], users=users(a=200), fresh=False))[0].proof is Proof.LOWER_BOUND
    seen = history([0.0, 0.0, 200.0], users={"a": [200.0, NAN, NAN], "b": [0.0, 0.0, 200.0]})
    assert [one.proof for one in found(RULE, seen)] == [Proof.LOWER_BOUND, Proof.FRESH]


def test_a_day_of_a_user_is_judged_alone():
    rule = replace(RULE, per=Per.DAY)
    seen = history([100.0] * 4, users={"a": [150.0, 150.0, 10.0, 120.0], "b": [1.0, NAN, NAN, 1.0]})
    findings = found(rule, seen, activated_on={"uc": TODAY - timedelta(days=2)})
    assert [(one.window, one.value, one.proof) for one in findings] == [
        ("2026-06-29", 150, Proof.FRESH),
        ("2026-07-01", 120, Proof.LOWER_BOUND),
    ]


def test_a_month_with_days_that_are_not_there_is_a_lower_bound():
    rule = replace(RULE, per=Per.MONTH, cap=acres(10))
    seen = history([1.0] * 60, users={"a": [5.0] * 20}, today=TODAY - timedelta(days=1))
    (june,) = found(rule, seen)
    assert (june.window, june.figures["value"], june.proof) == ("2026-06-01", 100, Proof.LOWER_BOUND)


def test_a_final_day_of_a_vanished_user_is_final_too():
    watched = frozenset({("uc", "gone", "2026-06-10"), ("uc", "a", "2026-06-10")})
    findings = found(replace(RULE, per=Per.DAY), history([1.0] * 40, users={"a": [1.0] * 40}), watched=watched)
    assert [(one.labels["user"], one.final) for one in findings] == [("a", True), ("gone", True)]


def test_no_verdict_depends_on_the_unit():
    for in_hectares in (False, True):
        (finding,) = found(RULE, history([0.0, 100.0], users=users(a=100), in_hectares=in_hectares))
        assert finding.value == pytest.approx(100)


def test_a_hundred_thousand_idle_users_make_no_findings():
    wide = {f"u{number:06}": [0.0, 1.0] for number in range(1000)}
    seen = history([0.0, 1000.0], users=wide)
    assert found(RULE, seen) == []
    assert np.isfinite(seen.user_total).all()
