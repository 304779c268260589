"""From the config's rules to the core's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from alerter.config.rule_schema import (
    ContractCapRule,
    ContractEndRule,
    DailySpikeRule,
    ExhaustionRule,
    RuleConfig,
    TierConfig,
    UserCapRule,
)
from alerter.config.schema import Config
from alerter.core.area import Area
from alerter.core.model import Tier
from alerter.core.rules.base import Measure, Per, Rule
from alerter.core.rules.contract_cap import ContractCap
from alerter.core.rules.contract_end import ContractEnd
from alerter.core.rules.daily_spike import DailySpike
from alerter.core.rules.exhaustion import Exhaustion
from alerter.core.rules.planned import Planned
from alerter.core.rules.user_cap import CapOverride, UserCap

_SIGMA = {"low": 6.0, "normal": 4.75, "high": 4.0}


def build_rules(config: Config) -> tuple[Rule, ...]:
    """Return the enabled rules in the order of the file; each knows its place in it (`alerter.yaml: rules[0]`)."""
    return tuple(
        _BUILDERS[type(rule)](rule, _common(rule, _where(config, index)))
        for index, rule in enumerate(config.rules)
        if rule.enabled
    )


def build_planned(config: Config) -> tuple[Planned, ...]:
    """Return the planned activity in the order of the file."""
    return tuple(
        Planned(
            first_on=one.first_on,
            last_on=one.last_on,
            match=one.globs(),
            reason=one.reason or "",
            where=f"{config.path.name}: planned[{index}]",
        )
        for index, one in enumerate(config.planned)
    )


def _where(config: Config, index: int) -> str:
    if config.has_default_rules:
        return f"{config.path.name}: no rules, so the default {config.rules[index].id}"
    return f"{config.path.name}: rules[{index}]"


def _common(rule: RuleConfig, where: str) -> dict[str, Any]:
    return {
        "id": rule.id,
        "match": rule.match.globs(),
        "confirm": rule.confirm,
        "resolve_confirm": rule.resolve_confirm,
        "labels": dict(rule.labels),
        "where": where,
    }


def _percent_tiers(tiers: Iterable[TierConfig]) -> tuple[Tier, ...]:
    return tuple(Tier(at=tier.at, severity=tier.severity, remind=tier.remind, label=f"{tier.at:g} %") for tier in tiers)


def _contract_cap(rule: ContractCapRule, common: dict[str, Any]) -> Rule:
    return ContractCap(
        **common,
        tiers=_percent_tiers(rule.tiers),
        gap=rule.gap,
        cap=rule.cap,
        measure=Measure(rule.measure),
        per=Per(rule.per),
    )


def _user_cap(rule: UserCapRule, common: dict[str, Any]) -> Rule:
    tiers = rule.tiers or (TierConfig(at=100.0, severity=rule.severity),)
    return UserCap(
        **common,
        tiers=_percent_tiers(tiers),
        gap=rule.gap,
        cap=rule.cap,
        share=None if rule.share is None else rule.share / 100,
        overrides=tuple(CapOverride(user=one.user, cap=one.cap) for one in rule.overrides),
        per=Per(rule.per),
    )


def _daily_spike(rule: DailySpikeRule, common: dict[str, Any]) -> Rule:
    bar = TierConfig(at=100.0, severity=rule.severity)
    area = rule.at_least if isinstance(rule.at_least, Area) else None
    share = rule.at_least if isinstance(rule.at_least, float) else None
    return DailySpike(
        **common,
        tiers=_percent_tiers((bar, *rule.tiers)),
        gap=rule.gap,
        scope=rule.scope,
        method=rule.method,
        sigma=_SIGMA[rule.sensitivity],
        at_least=area,
        at_least_share=share,
        ratio=rule.ratio,
        minimum=rule.minimum,
        measure=Measure(rule.measure),
    )


def _contract_end(rule: ContractEndRule, common: dict[str, Any]) -> Rule:
    tiers = tuple(
        Tier(
            at=float(rank),
            severity=tier.grade,
            remind=tier.remind,
            label="1 day" if tier.days == 1 else f"{tier.days} days",
        )
        for rank, tier in enumerate(rule.days, start=1)
    )
    return ContractEnd(**common, tiers=tiers, gap=0.0, days=tuple(tier.days for tier in rule.days))


def _exhaustion(rule: ExhaustionRule, common: dict[str, Any]) -> Rule:
    return Exhaustion(**common, tiers=_percent_tiers(rule.tiers), gap=rule.gap, cap=rule.cap, days=rule.days)


_BUILDERS: dict[type[RuleConfig], Callable[[Any, dict[str, Any]], Rule]] = {
    ContractCapRule: _contract_cap,
    UserCapRule: _user_cap,
    DailySpikeRule: _daily_spike,
    ContractEndRule: _contract_end,
    ExhaustionRule: _exhaustion,
}
