"""What the application asks of the outside: a source of usage and a clock."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from alerter.core.answers import ContractAnswer, ContractsAnswer, RangeAnswer, SummaryAnswer, Unchanged, UserAnswer


class UsageSource(Protocol):
    """The Usage Monitoring API of one account; every call raises LeafError and nothing else."""

    def fetch_contracts(self) -> ContractsAnswer:
        """Fetch the contract list."""

    def fetch_contract(self, contract_id: str) -> ContractAnswer:
        """Fetch one contract's details."""

    def fetch_summary(
        self, contract_id: str, day: date | None = None, *, known_hash: bytes | None = None
    ) -> SummaryAnswer | Unchanged:
        """Fetch one day's summary, today's without a day; a body with the known hash is not decoded."""

    def fetch_owner_range(
        self, contract_id: str, start_on: date, end_on: date, *, may_fall: bool = False
    ) -> RangeAnswer:
        """Fetch the organisation's days from `start_on` to `end_on`; `may_fall`: a day may bring less than nothing."""

    def fetch_user_range(
        self, contract_id: str, user_id: str, start_on: date, end_on: date, *, may_fall: bool = False
    ) -> RangeAnswer:
        """Fetch one user's days from `start_on` to `end_on`."""

    def fetch_users(self) -> tuple[UserAnswer, ...]:
        """Fetch all Leaf users of the account."""

    def close(self) -> None:
        """Abort calls in flight and let go of every socket."""
