"""What the core is given is what the config says."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.config import Config, build_planned, build_routes, build_rules, read_config
from alerter.config.rule_schema import RULE_KINDS
from alerter.core.area import Area, Unit
from alerter.core.model import Severity, Tier
from alerter.core.routing import Route, routed
from alerter.core.rules.base import Match, Measure, Per
from alerter.core.rules.contract_cap import ContractCap
from alerter.core.rules.contract_end import ContractEnd
from alerter.core.rules.daily_spike import DailySpike
from alerter.core.rules.exhaustion import Exhaustion
from alerter.core.rules.planned import Planned
from alerter.core.rules.registry import KINDS
from alerter.core.rules.user_cap import CapOverride, UserCap

SMALL = "accounts: [{name: prod, token: t}]\nchannels: {ops: {url: 'console://'}, mail: {url: 'console://'}}\n"


def config_of(text: str) -> Config:
    return read_config((SMALL + text).encode(), Path("/etc/alerter/my.yaml"), env={})


def test_a_forecast_is_built_as_written() -> None:
    (rule,) = build_rules(
        config_of("rules: [{id: f, kind: exhaustion, cap: 9 ha, days: 5, gap: 4, tiers: [{at: 70%}]}]")
    )
    assert isinstance(rule, Exhaustion)
    assert (rule.cap, rule.days, rule.gap) == (Area(9, Unit.HECTARE), 5, 4)
    assert [tier.at for tier in rule.tiers] == [70]
    (plain,) = build_rules(config_of("rules: [{id: f, kind: exhaustion}]"))
    assert [(tier.at, tier.severity) for tier in plain.tiers] == [(50, Severity.WARNING), (90, Severity.CRITICAL)]


def test_planned_activity_is_built_as_written() -> None:
    (one,) = build_planned(
        config_of("planned: [{from: 2026-05-10, to: 2026-05-24, user: [u1, P*], reason: onboarding}]")
    )
    assert one == Planned(
        first_on=date(2026, 5, 10),
        last_on=date(2026, 5, 24),
        match=Match(user=("u1", "P*")),
        reason="onboarding",
        where="my.yaml: planned[0]",
    )
    assert build_planned(config_of("planned: []")) == ()


def test_every_kind_of_the_core_can_be_written() -> None:
    assert set(RULE_KINDS) == set(KINDS)


def test_a_contract_cap_is_built_as_written() -> None:
    (rule,) = build_rules(
        config_of("""\
rules:
  - id: cap
    kind: contract_cap
    match: {product: [A*, B], account: prod}
    labels: {team: ops}
    confirm: 2
    resolve_confirm: 3
    gap: 5
    tiers: [{at: 50%, severity: info}, {at: 100%, severity: critical, remind: 1d}]
    measure: unique
    cap: 10 ha
    per: month
""")
    )
    assert rule == ContractCap(
        id="cap",
        match=Match(account=("prod",), product=("A*", "B")),
        labels={"team": "ops"},
        confirm=2,
        resolve_confirm=3,
        gap=5.0,
        where="my.yaml: rules[0]",
        tiers=(
            Tier(at=50.0, severity=Severity.INFO, label="50 %"),
            Tier(at=100.0, severity=Severity.CRITICAL, remind=timedelta(days=1), label="100 %"),
        ),
        measure=Measure.UNIQUE,
        cap=Area(10, Unit.HECTARE),
        per=Per.MONTH,
    )


def test_the_default_tiers_of_a_contract_cap_are_50_80_100() -> None:
    (rule,) = build_rules(config_of("rules: [{id: a, kind: contract_cap}]\n"))
    assert [(tier.at, tier.severity.value, tier.remind) for tier in rule.tiers] == [
        (50, "info", None), (80, "warning", timedelta(days=7)), (100, "critical", timedelta(days=1)),
    ]  # fmt: skip
    assert (rule.gap, rule.confirm, rule.resolve_confirm) == (2.0, 1, 2)


def test_a_user_cap_is_built_as_written() -> None:
    first, second = build_rules(
        config_of("""\
rules:
  - {id: a, kind: user_cap, cap: 5000 acre, overrides: [{user: Prairie Co-op, cap: 40000 acre}], severity: critical}
  - {id: b, kind: user_cap, share: 30%, match: {user: [u1, "P*"]}, tiers: [{at: 80%}]}
""")
    )
    assert isinstance(first, UserCap)
    assert first.tiers == (Tier(at=100.0, severity=Severity.CRITICAL, label="100 %"),)
    assert (first.cap, first.share, first.per) == (Area(5000, Unit.ACRE), None, Per.TERM)
    assert first.overrides == (CapOverride(user="Prairie Co-op", cap=Area(40000, Unit.ACRE)),)
    assert isinstance(second, UserCap)
    assert (second.cap, second.share) == (None, 0.3)
    assert second.match.user == ("u1", "P*")
    assert [tier.at for tier in second.tiers] == [80]


@pytest.mark.parametrize(("word", "sigma"), [("low", 6.0), ("normal", 4.75), ("high", 4.0)])
def test_sensitivity_is_a_number_of_sigmas(word: str, sigma: float) -> None:
    (rule,) = build_rules(config_of(f"rules: [{{id: a, kind: daily_spike, sensitivity: {word}}}]\n"))
    assert isinstance(rule, DailySpike)
    assert (rule.sigma, rule.gap, rule.method, rule.scope) == (sigma, 10.0, "auto", "contract")


def test_a_spike_may_have_more_tiers_above_its_bar() -> None:
    rules = build_rules(
        config_of("""\
rules:
  - {id: a, kind: daily_spike, scope: user, severity: info, method: absolute, at_least: 500 acre, minimum: 0 ha,
     tiers: [{at: 200%, severity: critical}]}
  - {id: b, kind: daily_spike, method: absolute, at_least: 2%}
""")
    )
    first, second = rules
    assert isinstance(first, DailySpike)
    assert isinstance(second, DailySpike)
    assert [(tier.at, tier.severity.value) for tier in first.tiers] == [(100, "info"), (200, "critical")]
    assert (first.at_least, first.at_least_share, first.minimum) == (Area(500, Unit.ACRE), None, Area(0, Unit.HECTARE))
    assert (second.at_least, second.at_least_share, second.minimum) == (None, 0.02, None)


def test_days_become_ranks() -> None:
    (rule,) = build_rules(
        config_of("rules: [{id: a, kind: contract_end, days: [1, 60, {days: 14, severity: critical, remind: 1d}]}]\n")
    )
    assert isinstance(rule, ContractEnd)
    assert rule.days == (60, 14, 1)
    assert rule.gap == 0
    assert rule.tiers == (
        Tier(at=1.0, severity=Severity.INFO, label="60 days"),
        Tier(at=2.0, severity=Severity.CRITICAL, remind=timedelta(days=1), label="14 days"),
        Tier(at=3.0, severity=Severity.CRITICAL, label="1 day"),
    )


def test_disabled_rules_are_left_out_and_the_others_keep_their_place() -> None:
    rules = build_rules(config_of("rules: [{id: a, kind: contract_cap, enabled: no}, {id: b, kind: contract_end}]\n"))
    assert [(rule.id, rule.where) for rule in rules] == [("b", "my.yaml: rules[1]")]


def test_default_rules_say_that_they_are_in_no_file() -> None:
    rules = build_rules(config_of(""))
    assert [rule.id for rule in rules] == ["spike", "contract-cap", "term-end"]
    assert all("my.yaml" in rule.where and "default" in rule.where for rule in rules)


# ------------------------------------------------------------------ routes
def test_without_routes_everything_goes_everywhere() -> None:
    assert build_routes(config_of("")) == (Route(to=("ops", "mail")),)


@pytest.mark.parametrize(
    ("match", "labels", "fits"),
    [
        ("{severity: critical}", {"severity": "critical"}, True),
        ("{severity: critical}", {"severity": "warning"}, False),
        ("{severity: [critical, warning]}", {"severity": "warning"}, True),
        ("{severity: [critical, warning]}", {"severity": "warningx"}, False),
        ("{severity: '!info'}", {"severity": "warning"}, True),
        ("{severity: '!info'}", {"severity": "info"}, False),
        ("{product: 'OPER*'}", {"product": "OPERATIONS_FILE"}, True),
        ("{product: 'OPER*'}", {"product": "XOPER"}, False),
        ("{product: '!OPER*'}", {"product": "FIELDS"}, True),
        ("{product: 'a.c'}", {"product": "abc"}, False),
        ("{product: '~a.c'}", {"product": "abc"}, True),
        ("{product: '~a.c'}", {"product": "abcd"}, False),
        ("{product: '!~a.c'}", {"product": "abc"}, False),
        ("{product: ['a?', '~x|y', 'z.z']}", {"product": "y"}, True),
        ("{product: ['a?', '~x|y', 'z.z']}", {"product": "ab"}, True),
        ("{product: ['a?', '~x|y', 'z.z']}", {"product": "z.z"}, True),
        ("{product: ['a?', '~x|y', 'z.z']}", {"product": "zzz"}, False),
        ("{product: ['a?', '~x|y', 'z.z']}", {"product": "abc"}, False),
        ("{account: prod, severity: info}", {"account": "prod", "severity": "info"}, True),
        ("{account: prod, severity: info}", {"account": "prod", "severity": "critical"}, False),
        ("{region: ''}", {"region": ""}, True),
        ("{region: ''}", {"region": "US"}, False),
    ],
)
def test_a_route_matches_what_it_says(match: str, labels: dict[str, str], fits: bool) -> None:
    routes = build_routes(config_of(f"routes:\n- match: {match}\n  to: [ops]\n- to: [mail]\n"))
    assert routed(routes, labels) == (("ops",) if fits else ("mail",))


def test_a_route_with_continue_lets_the_next_ones_speak() -> None:
    routes = build_routes(
        config_of("routes:\n- {match: {severity: critical}, to: [ops], continue: true}\n- to: [mail]\n")
    )
    assert routed(routes, {"severity": "critical"}) == ("ops", "mail")
    assert routed(routes, {"severity": "info"}) == ("mail",)


def test_own_labels_can_be_routed_by() -> None:
    routes = build_routes(config_of(
        "rules: [{id: a, kind: contract_cap, labels: {team: field}}]\n"
        "routes:\n- {match: {team: field}, to: [ops]}\n- to: [mail]\n"
    ))  # fmt: skip
    assert routed(routes, {"team": "field"}) == ("ops",)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=12))
def test_an_exact_value_matches_itself_alone_or_in_a_list(value: str) -> None:
    if value[0] in "!~" or set(value) & set("*?[$"):
        return
    quoted = "'" + value.replace("'", "''") + "'"
    for match in (f"{{product: {quoted}}}", f"{{product: [nothing, {quoted}]}}"):
        routes = build_routes(config_of(f"routes:\n- match: {match}\n  to: [ops]\n- to: [mail]\n"))
        assert routed(routes, {"product": value}) == ("ops",)
        assert routed(routes, {"product": value + "x"}) == ("mail",)
