"""What is stored of an alert between two snapshots, and what a decision about it leaves behind: values only.

The moves themselves are in `alerts.py`; the words (level, told, episode, entry) are explained in docs/design.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from alerter.core.model import Figures, Severity, Tier


class Status(StrEnum):
    """Where an alert stands."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    CLOSED = "closed"


class NotifyReason(StrEnum):
    """Why a message is made, or why not."""

    FIRING = "firing"  # the first word on this episode
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    REMINDER = "reminder"
    CLOSED = "closed"
    SUPPRESSED = "suppressed"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One usable snapshot in an alert's window W; `value` on the rule's level scale."""

    snapshot_id: int
    value: float
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one recipient was last told in the running episode: enqueued, and so sure to arrive."""

    level: float
    at: datetime
    repeat: int = 0  # reminders sent at this level


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as stored: one rule, one subject, one period, one window."""

    fingerprint: str  # hash of rule, subject, period, window; never of value, tier, title, unit or receiver
    rule: str
    kind: str
    account: str
    contract_id: str  # "" for an account's alert
    user_id: str  # "" for a contract's alert
    period: str
    window: str
    status: Status
    level: float = 0.0  # the highest tier confirmed reached, as the number itself; 0 none
    episode: int = 0
    entries: tuple[Entry, ...] = ()
    held: bool = False  # the last attempt proved nothing
    recovering: bool = False  # firing, but the newest value is below the level's clear line
    told: Mapping[str, Told] = field(default_factory=dict)  # by recipient id
    started_at: datetime | None = None  # of the running (or last) episode
    changed_at: datetime
    snapshot_id: int = 0  # the newest snapshot evaluated
    revision: str = ""  # of the rule that evaluated it
    rule_changed: bool = False  # rule or cap changed since the level was last proved: a fall is then the change's doing
    acked_level: float | None = None
    close_reason: str = ""
    severity: Severity | None = None  # of the reached tier
    tiers: tuple[Tier, ...] = ()  # as of the last evaluation
    labels: Mapping[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)  # of the newest finding: what messages and `explain` show


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of an alert, kept for ever: the audit."""

    fingerprint: str
    episode: int
    snapshot_id: int
    at: datetime
    from_status: Status
    to_status: Status
    from_level: float
    to_level: float
    reason: str  # reached, escalated, lowered, recovered, corrected, renewed, rule_changed, rule_removed, …
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell one recipient about one alert."""

    fingerprint: str
    episode: int
    recipient: str
    reason: NotifyReason
    level: float  # the tier announced; for resolved and closed the level that was told
    passed: tuple[Tier, ...] = ()  # tiers passed since the recipient was last told, ascending, the announced one last
    repeat: int = 0
    detail: str = ""  # recovered, corrected, renewed, rule_removed, …

    @property
    def key(self) -> str:
        """The delivery key, made of data only: the same in every copy, unique in the outbox."""
        return f"{self.fingerprint}:{self.episode}:{self.reason.value}:{self.level:g}:{self.repeat}:{self.recipient}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message on its way into the outbox: one recipient, one or more notices, everything needed to render it."""

    key: str  # unique: the first notice's key, or a natural key (test, digest)
    recipient: str
    channel: str
    kind: str  # alert, storm, test, health
    thread: str  # messages with one thread key belong together at the recipient
    notice_keys: tuple[str, ...]
    payload: Figures
    created_at: datetime
