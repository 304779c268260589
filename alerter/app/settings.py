"""What polls and cycles need of a config, as plain values: read by the plan that makes them and by whoever works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from alerter.core.area import Area
from alerter.core.model import Contract, Settling, SummaryMeaning
from alerter.core.routing import Route
from alerter.core.rules.base import Rule
from alerter.core.rules.planned import Planned

NamedContracts = Callable[[Contract], str | None]  # what people call a contract, if the config says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A contract's cap and where it was written."""

    area: Area | None
    source: str


def quota_of(contract: Contract) -> Cap:
    """Return the cap that the API itself names, if it does."""
    return Cap(area=contract.quota, source="quota of the API" if contract.quota is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleSettings:
    """The parts of a config that a cycle needs; `recipients` maps a channel to the ids of its recipients."""

    rules: tuple[Rule, ...]
    routes: tuple[Route, ...]
    recipients: Mapping[str, tuple[str, ...]]
    settling: Settling = field(default_factory=Settling)
    storm_max: int = 20
    cap_of: Callable[[Contract], Cap] = quota_of
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # account -> user id -> name
    renamed: Mapping[str, str] = field(default_factory=dict)  # a rule's former id -> its id
    every: timedelta = timedelta(minutes=15)  # between two polls: what counts as blind follows from it
    planned: tuple[Planned, ...] = ()
    first_account: str = ""  # the one whose cycle also judges what belongs to no account


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """How far the first reading of a term's past is: `read` days `of` so many, up to yesterday."""

    contract: Contract
    read: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """How one account is polled; `backfill_rate` in calls a second, None without a limit."""

    settling: Settling = field(default_factory=Settling)
    threads: int = 4
    backfill_rate: float | None = 5.0
    names: bool = True
    summary_means: Callable[[Contract], SummaryMeaning | None] = lambda _: None  # as configured; None: find it out
    on_filled: Callable[[Filled], None] = lambda _: None  # called with each part of a first fill, from any thread
