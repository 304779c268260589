"""What the store gives back and takes in, apart from the core's own values: frozen, keyword-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Unit
from alerter.core.model import Contract
from alerter.errors import StoreError


class StaleClaim(StoreError):
    """Somebody else has claimed the account since: this daemon was paused past its lease and writes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to poll one account; `epoch` is the fence that every write is checked against."""

    account: str
    account_key: int
    epoch: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRecord:
    """How one poll went; `calls` counts HTTP calls by endpoint."""

    started_at: datetime
    ended_at: datetime
    ok: bool
    reason: str = ""
    message: str = ""
    calls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """Where an account stands; `failing_since` is the first failure of the running row of them."""

    name: str
    next_poll_at: datetime
    last_poll_at: datetime | None
    last_ok_at: datetime | None
    failing_since: datetime | None
    reason: str
    message: str
    calls_last: int
    calls_total: int
    polls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredContract:
    """One term of one contract; `missing_lists` counts the complete lists in a row that did not have it."""

    key: int
    contract: Contract
    first_seen_at: datetime
    last_listed_at: datetime
    missing_lists: int
    evaluated_up_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """One look at one contract."""

    id: int
    contract_key: int
    fetched_at: datetime
    today: date
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryState:
    """The newest stored version of one day's summary; `final_read`: it was read when the day could change no more."""

    hash: bytes
    read_at: datetime
    final_read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUsage:
    """One contract's usage exactly as said and as known at one snapshot, columnar and read-only.

    `days` (n,) are the ordinals of the days that have a summary, ascending, each with its unit, unique area, sum and
    count of users; `owner_*` likewise for the organisation's range.  `user_areas` (U, w) has a row per user that any of
    these summaries names (ordered by id) and a column per day of `window_days`; NaN: not in that day's summary.
    `user_first_on` (U,) is the ordinal of the first summary day with an area above zero, 0 never.
    """

    days: NDArray[np.int64]
    units: list[Unit]
    unique: NDArray[np.float64]
    user_sum: NDArray[np.float64]
    user_count: NDArray[np.int64]
    owner_days: NDArray[np.int64]
    owner_units: list[Unit]
    owner_total: NDArray[np.float64]
    owner_daily: NDArray[np.float64]
    user_ids: tuple[str, ...]
    window_days: NDArray[np.int64]
    user_areas: NDArray[np.float64]
    user_first_on: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeaningRow:
    """What was found out about one question on one contract, and from what."""

    answer: str
    evidence: Mapping[str, Any]
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BadAnswer:
    """An answer that was refused; `sample` holds what leaf kept of it."""

    account: str
    contract_id: str
    endpoint: str
    at: datetime
    reason: str
    sample: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataEvent:
    """Something noticed about the data; `contract_key` None: about the account.

    `standing` True: from then on it was so; False: from then on no more; None: it happened at that time.
    """

    id: int
    account: str
    contract_key: int | None
    contract_id: str | None
    kind: str  # as in core.quality.EventKind
    what: str
    day: date | None
    standing: bool | None
    seen_at: datetime
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """A dead message with the keys of the notices in it."""

    message: OutboxMessage
    notice_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestSummary:
    """The newest day that was read, as said: `user_sum` in `unit`, over `user_count` users."""

    day: date
    unit: str
    user_sum: float
    user_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One row of the outbox; `attempts` counts the running one too, `ambiguous` those that may have arrived.

    From `claim`, `thread_ref` is that of the newest message sent in the same thread to the same recipient; from `list`
    it is the row's own.
    """

    id: int
    key: str
    recipient: str
    channel: str
    kind: str
    thread: str
    payload: Mapping[str, Any]
    created_at: datetime
    attempts: int
    ambiguous: int
    thread_ref: str | None
    state: str  # pending, sending, sent, dead
    queued_at: datetime  # created_at, or when somebody had it sent again
    next_attempt_at: datetime
    last_error: str
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """Where a database's schema stands: `state` is current, older, newer or none."""

    current: str | None
    head: str
    state: str
