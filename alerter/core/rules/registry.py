"""The kinds of rules by name: what a config may say and what evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from alerter.core.rules.base import Rule
from alerter.core.rules.contract_cap import ContractCap

KINDS: Mapping[str, type[Rule]] = MappingProxyType({kind.kind: kind for kind in (ContractCap,)})
