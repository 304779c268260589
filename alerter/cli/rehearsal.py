"""Ask a server only for what it could have said at an earlier instant: for `alerter once --at`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from alerter.errors import LeafNotFound

if TYPE_CHECKING:
    from alerter.app.ports import UsageSource
    from alerter.core.answers import (
        ContractAnswer,
        ContractsAnswer,
        RangeAnswer,
        SummaryAnswer,
        Unchanged,
        UserAnswer,
    )

LOOK_BACK = 7  # days that may be missing before the rehearsed one


@dataclass(frozen=True, slots=True)
class AsOf:
    """A UsageSource whose newest day is that of `now`; the contract list is today's, for no other can be had."""

    source: UsageSource
    now: Callable[[], datetime]

    def fetch_contracts(self) -> ContractsAnswer:
        """Fetch the contract list."""
        return self.source.fetch_contracts()

    def fetch_contract(self, contract_id: str) -> ContractAnswer:
        """Fetch one contract's details."""
        return self.source.fetch_contract(contract_id)

    def fetch_summary(
        self, contract_id: str, day: date | None = None, *, known_hash: bytes | None = None
    ) -> SummaryAnswer | Unchanged:
        """Fetch a day's summary; without a day that of the rehearsed one, or of the nearest day before it."""
        if day is not None:
            return self.source.fetch_summary(contract_id, day, known_hash=known_hash)
        newest = self.now().date()
        for back in range(LOOK_BACK):
            try:
                return self.source.fetch_summary(contract_id, newest - timedelta(days=back), known_hash=known_hash)
            except LeafNotFound:
                continue
        return self.source.fetch_summary(contract_id, newest - timedelta(days=LOOK_BACK), known_hash=known_hash)

    def fetch_owner_range(
        self, contract_id: str, start_on: date, end_on: date, *, may_fall: bool = False
    ) -> RangeAnswer:
        """Fetch the organisation's days, none after the rehearsed one."""
        until = self._no_later(start_on, end_on)
        return self.source.fetch_owner_range(contract_id, start_on, until, may_fall=may_fall)

    def fetch_user_range(
        self, contract_id: str, user_id: str, start_on: date, end_on: date, *, may_fall: bool = False
    ) -> RangeAnswer:
        """Fetch one user's days, none after the rehearsed one."""
        until = self._no_later(start_on, end_on)
        return self.source.fetch_user_range(contract_id, user_id, start_on, until, may_fall=may_fall)

    def fetch_users(self) -> tuple[UserAnswer, ...]:
        """Fetch all Leaf users of the account."""
        return self.source.fetch_users()

    def close(self) -> None:
        """Abort calls in flight and let go of every socket."""
        self.source.close()

    def _no_later(self, start_on: date, end_on: date) -> date:
        # One day more than the newest: it is open whether a range's end belongs to it; callers drop what is beyond.
        return max(start_on, min(end_on, self.now().date() + timedelta(days=1)))
