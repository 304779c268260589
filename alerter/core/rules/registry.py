"""The kinds of rules by name: what a config may say and what evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from alerter.core.rules.base import Rule
from alerter.core.rules.contract_cap import ContractCap
from alerter.core.rules.contract_end import ContractEnd
from alerter.core.rules.daily_spike import DailySpike
from alerter.core.rules.exhaustion import Exhaustion
from alerter.core.rules.user_cap import UserCap

KINDS: Mapping[str, type[Rule]] = MappingProxyType(
    {kind.kind: kind for kind in (ContractCap, UserCap, DailySpike, ContractEnd, Exhaustion)}
)
