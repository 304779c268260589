"""Planned activity mutes exactly the spikes that it names, and says so."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.alerts import Life, advance, close
from alerter.core.area import Area, Unit
from alerter.core.model import LeafUser, Severity, Tier
from alerter.core.rules.base import EvalContext, Match
from alerter.core.rules.contract_cap import ContractCap
from alerter.core.rules.daily_spike import DailySpike
from alerter.core.rules.planned import Planned, plan_for
from alerter.core.states import Status
from tests.histories import TODAY, contract, history

TIERS = (Tier(at=100, severity=Severity.WARNING, label="bar"),)
RULE = DailySpike(id="spike", tiers=TIERS, sigma=5)
USERS = replace(RULE, scope="user")
WEEK = Planned(
    first_on=TODAY - timedelta(days=3), last_on=TODAY, match=Match(), reason="import", where="my: planned[0]"
)
CO_OP = replace(WEEK, match=Match(user=("Prairie Co-op",)))
LIFE = Life()


def found(rule, seen, *planned, **more):
    began = {"spike": date(2020, 1, 1)}
    return list(rule.findings(seen, EvalContext(now=seen.fetched_at, activated_on=began, planned=planned, **more)))


def spiking():
    days = [10.0] * 59 + [400.0]
    return history(days, users={"u1": days, "u2": days}, names={"u1": "Prairie Co-op", "u2": "Finca"})


def test_the_contracts_spike_is_muted_on_the_days_named_and_says_by_what():
    (finding,) = found(RULE, spiking(), WEEK)
    assert finding.muted == "planned"
    assert finding.value == pytest.approx(100 * 400 / 17.5)
    assert finding.figures["planned"] == {
        "reason": "import", "from": "2026-06-28", "to": "2026-07-01", "where": "my: planned[0]",
    }  # fmt: skip
    json.dumps(finding.figures, allow_nan=False)
    over = replace(WEEK, last_on=TODAY - timedelta(days=1))
    (live,) = found(RULE, spiking(), over)
    assert (live.muted, live.figures["planned"]) == ("", None)


def test_an_entry_for_a_user_mutes_that_users_spike_alone():
    assert [one.muted for one in found(USERS, spiking(), CO_OP)] == ["planned", ""]
    assert [one.muted for one in found(RULE, spiking(), CO_OP)] == [""]
    assert [one.muted for one in found(USERS, spiking(), WEEK)] == ["planned", "planned"]


def test_caps_stay_live():
    cap = ContractCap(id="cap", tiers=(Tier(at=50, severity=Severity.INFO),))
    (finding,) = found(cap, spiking(), WEEK, cap=Area(100, Unit.ACRE))
    assert finding.muted == ""


def test_a_muted_finding_makes_no_alert_ends_one_that_fires_and_lets_it_return():
    (live,) = found(RULE, spiking())
    (muted,) = found(RULE, spiking(), WEEK)
    now = spiking().fetched_at
    assert advance(None, muted, life=LIFE, snapshot_id=1, now=now).alert.status is Status.INACTIVE
    firing = advance(None, live, life=LIFE, snapshot_id=1, now=now).alert
    ended = advance(firing, muted, life=LIFE, snapshot_id=2, now=now)
    assert (ended.alert.status, ended.alert.close_reason) == (Status.CLOSED, "planned")
    assert advance(ended.alert, muted, life=LIFE, snapshot_id=3, now=now).transitions == ()
    assert advance(ended.alert, live, life=LIFE, snapshot_id=3, now=now).alert.status is Status.FIRING
    final = replace(muted, final=True)
    assert advance(firing, final, life=LIFE, snapshot_id=2, now=now).alert.close_reason == "day_final"
    assert close(ended.alert, reason="rule_removed", now=now).alert is ended.alert


days = st.integers(-5, 5).map(lambda n: TODAY + timedelta(days=n))
matches = st.builds(
    Match,
    product=st.sampled_from([(), ("OPERATIONS_FILE",), ("FIELDS_*",)]),
    user=st.sampled_from([(), ("u1",), ("u*",)]),
)


@given(days, days, matches, days, st.sampled_from([None, LeafUser(id="u1"), LeafUser(id="u2", name="x")]))
def test_an_entry_covers_its_days_and_its_subjects_and_nothing_else(first_on, last_on, match, day, user):
    entry = Planned(first_on=first_on, last_on=last_on, match=match)
    meant = match.product != ("FIELDS_*",) and (
        (user is None and not match.user) or (user is not None and (match.user != ("u1",) or user.id == "u1"))
    )
    assert entry.covers(contract(), user, day) is (meant and first_on <= day <= last_on)
    assert plan_for([entry], contract(), user, day) in (None, entry)
