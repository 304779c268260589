"""The values that rules, alerts and messages are about: frozen, keyword-only, no behaviour beyond naming themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Area, Unit

Figures = Mapping[str, Any]  # plain data only: str, int, float, bool, None, list, dict


class SummaryMeaning(StrEnum):
    """What a per-user figure of the daily summary means for one contract."""

    CUMULATIVE = "cumulative"  # since the term's start, up to and including that day
    DAILY = "daily"  # that day's alone
    UNPROVEN = "unproven"  # not settled yet: every billed figure is UNKNOWN
    CONTRADICTED = "contradicted"  # the evidence disagrees with itself: likewise UNKNOWN

    @property
    def known(self) -> bool:
        """Whether billed figures can be derived at all."""
        return self in (SummaryMeaning.CUMULATIVE, SummaryMeaning.DAILY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One term of one Leaf contract, as known at a point in time; a later start date makes another term."""

    account: str
    id: str
    product: str
    region: str | None
    start_at: datetime
    end_at: datetime | None  # the first instant not covered
    quota: Area | None = None

    @property
    def period(self) -> str:
        """The period key: alerts of one term never touch those of another."""
        return f"{self.id}@{self.start_at:%Y-%m-%d}"

    @property
    def may_fall(self) -> bool:
        """Whether the area is a stock that may shrink (current boundaries), not work done that only grows."""
        return self.product.startswith("AUDIT_")

    @property
    def label(self) -> str:
        """What a person calls it: `OPERATIONS_FILE (US)`."""
        return f"{self.product} ({self.region})" if self.region else self.product


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafUser:
    """A Leaf user: `name` is other people's text, None where it is not known."""

    id: str
    name: str | None = None

    @property
    def label(self) -> str:
        """The name with a short id, for names repeat: `Prairie Co-op (8f3c)`."""
        return f"{self.name} ({self.id[:4]})" if self.name else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom an alert is about: a user within a contract, a contract, or (without both) an account."""

    account: str
    contract: Contract | None = None
    user: LeafUser | None = None

    @property
    def key(self) -> str:
        """A stable identity that no renaming changes; parts cannot run into one another."""
        return subject_key(self.account, self.contract.id if self.contract else "", self.user.id if self.user else "")


def subject_key(account: str, contract_id: str, user_id: str) -> str:
    """Join a subject's parts ("" where there is none) so that no two subjects share a key."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (account, contract_id, user_id))


class DayClass(StrEnum):
    """How far a UTC day can still change."""

    OPEN = "open"  # today: its figure is a lower bound
    PROVISIONAL = "provisional"  # over, but late processing is likely to move it
    SETTLED = "settled"  # ended `settle` ago: bars and forecasts may use it
    FINAL = "final"  # ended more than `revise` ago: never looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """How long days take to settle and how long they are re-read."""

    settle: timedelta = timedelta(days=2)
    revise: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousTerm:
    """The whole term before, as known at the same snapshot: P days, in the History's unit; NaN unknown."""

    first_on: date
    billed_daily: NDArray[np.float64]  # (P,)
    unique_daily: NDArray[np.float64]  # (P,)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One contract's usage as known at one snapshot, columnar, every area in `unit`.

    The day axis has D consecutive UTC days: index 0 is `first_on`, index D-1 is `today` (the open day).  Days before
    `term_index` belong to the predecessor term (same account, product and region) and carry its own totals.
    NaN means UNKNOWN or a gap, never zero.  A daily figure after a gap of n days is NaN too: it spans n days.
    `user_daily` (U, W) covers the last W days of the axis only.
    """

    contract: Contract
    snapshot_id: int  # grows with every snapshot of the store
    fetched_at: datetime
    fresh: bool
    unit: Unit
    meaning: SummaryMeaning
    today: date
    first_on: date
    term_index: int
    billed_daily: NDArray[np.float64]  # (D,) sum over users of the day's new area
    billed_total: NDArray[np.float64]  # (D,) since that term's start, up to and including the day
    unique_daily: NDArray[np.float64]  # (D,) overlap removed
    unique_total: NDArray[np.float64]  # (D,)
    users: Sequence[LeafUser]  # U of them, ordered by id
    user_first_on: NDArray[np.int64]  # (U,) ordinal (date.toordinal) of the first day with use in this term; 0 never
    user_total: NDArray[np.float64]  # (U,) since the term's start, newest reading
    user_daily: NDArray[np.float64]  # (U, W)
    previous: PreviousTerm | None = None
    total_is_lower_bound: bool = False  # days or users are missing from the totals: they prove no fall

    @property
    def days(self) -> int:
        """D, the length of the day axis."""
        return len(self.billed_daily)

    @property
    def window(self) -> int:
        """W, the number of last days for which per-user figures are here."""
        return int(self.user_daily.shape[1])

    @property
    def newest_index(self) -> int:
        """The index of the newest day that the term can have figures for: today, or its last day when it is over."""
        if self.contract.end_at is None:
            return self.days - 1
        last_on = (self.contract.end_at - timedelta(microseconds=1)).date()
        return max(self.term_index, min(self.days - 1, (last_on - self.first_on).days))

    def index_of(self, day: date) -> int | None:
        """The position of `day` on the day axis, or None outside it."""
        index = (day - self.first_on).days
        return index if 0 <= index < self.days else None

    def day_at(self, index: int) -> date:
        """The UTC day at `index` of the axis."""
        return self.first_on + timedelta(days=index)


class Severity(StrEnum):
    """How bad: in ascending order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0, 1 or 2."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One step of a rule on its level scale (percent; for `contract_end` the rank of the day tier)."""

    at: float
    severity: Severity
    remind: timedelta | None = None
    label: str = ""  # what a person reads: `80 %`, `14 days`


class Proof(StrEnum):
    """What a finding proves (see docs/design.md, "What one snapshot proves")."""

    FRESH = "fresh"  # at least lo, at most hi
    LOWER_BOUND = "lower_bound"  # at least lo only: stale, incomplete, or the open day
    UNKNOWN = "unknown"  # nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one snapshot says of one rule and one subject, breached or not; `value` is on the rule's level scale."""

    rule: str
    kind: str
    subject: Subject
    period: str
    window: str = "-"  # ISO date of the window's start; "-" for the term
    value: float | None  # None exactly when proof is UNKNOWN
    proof: Proof
    tiers: tuple[Tier, ...]  # ascending by `at`
    final: bool = False  # the day can change no more: close the alert as day_final
    muted: str = ""  # why nobody is to hear of it, such as planned activity; such a finding moves no alert
    labels: Mapping[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)
