"""What every kind of rule shares: whom it covers, what it is told, how it words a finding.

A rule reads one History and yields findings.  It says what one snapshot proves; what becomes of that is for
`core/alerts.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import ClassVar

from alerter.core.area import Area, Unit
from alerter.core.model import Contract, Figures, Finding, History, LeafUser, Proof, Settling, Subject, Tier
from alerter.core.rules.planned import Planned

# What a person reads in a message, and what only routes it, decides no verdict.
_SILENT_FIELDS = frozenset({"id", "match", "labels", "where"})


class Measure(StrEnum):
    """Which area counts."""

    BILLED = "billed"  # the sum over users, so land of two users counts twice
    UNIQUE = "unique"  # overlap removed


class Per(StrEnum):
    """Over which window a cap holds; windows begin at 00:00 UTC, weeks on Monday."""

    TERM = "term"
    MONTH = "month"
    WEEK = "week"
    DAY = "day"


def _fits(globs: tuple[str, ...], text: str) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Whom a rule is about, as shell-style patterns in exact case; an empty tuple means any."""

    account: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    user: tuple[str, ...] = ()

    def covers(self, contract: Contract) -> bool:
        """Say whether the contract is meant; one without a region has the region ""."""
        return (
            _fits(self.account, contract.account)
            and _fits(self.product, contract.product)
            and _fits(self.region, contract.region or "")
            and _fits(self.contract, contract.id)
        )

    def covers_user(self, user: LeafUser) -> bool:
        """Say whether the user is meant, by id or by name."""
        return _fits(self.user, user.id) or (user.name is not None and _fits(self.user, user.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalContext:
    """What a rule must know beside the history: the time, the contract's cap and what is watched already."""

    now: datetime
    settling: Settling = field(default_factory=Settling)
    cap: Area | None = None
    cap_source: str = ""
    activated_on: Mapping[str, date] = field(default_factory=dict)
    watched: frozenset[tuple[str, str, str]] = frozenset()
    successor: bool = False
    planned: tuple[Planned, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(ABC):
    """One rule of the config; `tiers` ascend on the kind's level scale, `where` is the place in the config."""

    kind: ClassVar[str]

    id: str
    match: Match = field(default_factory=Match)
    tiers: tuple[Tier, ...]
    gap: float = 2.0
    confirm: int = 1
    resolve_confirm: int = 2
    labels: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @property
    def revision(self) -> str:
        """A hash of everything that decides a verdict, 16 hex digits; the same land in another unit is the same."""
        names = [one.name for one in dataclasses.fields(self) if one.name not in _SILENT_FIELDS]
        parts = (f"{name}={_canonical(getattr(self, name))}" for name in names)
        return hashlib.sha256("\n".join((self.kind, *parts)).encode()).hexdigest()[:16]

    @abstractmethod
    def findings(self, history: History, context: EvalContext) -> Iterator[Finding]:
        """Yield what this history says about the rule, breached or not, in a fixed order."""

    def watched_windows(self, context: EvalContext, user: str | None = None) -> set[tuple[str, str]]:
        """Return (user id, window) of this rule's alerts that must hear of every snapshot; of one user if given."""
        return {
            (who, window) for rule, who, window in context.watched if rule == self.id and (user is None or who == user)
        }

    def clear_below(self) -> float:
        """The level below which no alert can be or stay."""
        return min((tier.at for tier in self.tiers), default=0.0) - self.gap

    def finding(
        self,
        contract: Contract,
        *,
        value: float | None,
        proof: Proof,
        figures: Figures,
        window: str = "-",
        user: LeafUser | None = None,
        final: bool = False,
        muted: str = "",
    ) -> Finding:
        """Word one finding; without a value it proves nothing."""
        return Finding(
            rule=self.id,
            kind=self.kind,
            subject=Subject(account=contract.account, contract=contract, user=user),
            period=contract.period,
            window=window,
            value=value if proof is not Proof.UNKNOWN else None,
            proof=proof if value is not None else Proof.UNKNOWN,
            tiers=self.tiers,
            final=final,
            muted=muted,
            labels={
                **self.labels,
                "rule": self.id,
                "kind": self.kind,
                "account": contract.account,
                "product": contract.product,
                "region": contract.region or "",
                "contract": contract.id,
                "user": user.id if user else "",
            },
            figures=figures,
        )


def _canonical(value: object) -> str:
    """Write a field so that equal verdicts give equal text."""
    if isinstance(value, Area):
        return f"{value.to(Unit.ACRE).value:.9g} ac"
    if isinstance(value, Tier):
        return f"{value.at:.9g}"
    if isinstance(value, tuple):
        return "[" + ",".join(_canonical(item) for item in value) + "]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = (f"{one.name}={_canonical(getattr(value, one.name))}" for one in dataclasses.fields(value))
        return "{" + ",".join(inner) + "}"
    return repr(value)
