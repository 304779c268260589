"""Load a contract's History as it was known at one snapshot, its predecessor term included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from alerter.core.history import USER_WINDOW, TermUsage, build_history
from alerter.core.meaning import UNIQUE, USERS
from alerter.core.model import Contract, History, SummaryMeaning
from alerter.store import SnapshotRow, StoredContract, Tx

NEIGHBOUR = timedelta(days=7)  # a renewal may leave a few days between two terms


def load_history(
    tx: Tx,
    stored: StoredContract,
    snapshot: SnapshotRow,
    *,
    terms: Sequence[StoredContract],
    names: Mapping[str, str],
) -> History:
    """Build the History of one term at one snapshot; `terms` are all stored terms of the account."""
    before = predecessor_of(stored, terms)
    return build_history(
        term=_term(tx, stored, snapshot),
        predecessor=_term(tx, before, snapshot) if before else None,
        snapshot_id=snapshot.id,
        fetched_at=snapshot.fetched_at,
        names=names,
    )


def predecessor_of(stored: StoredContract, terms: Sequence[StoredContract]) -> StoredContract | None:
    """Return the term of the same product and region that ended where this one began, if it is stored."""
    contract = stored.contract
    candidates = [
        other
        for other in terms
        if _same_line(other.contract, contract)
        and other.contract.start_at < contract.start_at
        and other.contract.end_at is not None
        and abs(contract.start_at - other.contract.end_at) <= NEIGHBOUR
    ]
    return max(candidates, key=lambda other: other.contract.start_at, default=None)


def successor_of(stored: StoredContract, terms: Sequence[StoredContract]) -> StoredContract | None:
    """Return a later term of the same product and region, if there is one."""
    later = [
        other
        for other in terms
        if _same_line(other.contract, stored.contract)
        and other.contract.start_at > stored.contract.start_at
        and (
            other.contract.end_at is None or other.contract.end_at > (stored.contract.end_at or other.contract.start_at)
        )
    ]
    return min(later, key=lambda other: other.contract.start_at, default=None)


def _same_line(a: Contract, b: Contract) -> bool:
    return (a.account, a.product, a.region) == (b.account, b.product, b.region)


def _term(tx: Tx, stored: StoredContract, snapshot: SnapshotRow) -> TermUsage:
    meanings = tx.usage.meanings(stored.key, None)
    users = SummaryMeaning(meanings[USERS].answer) if USERS in meanings else SummaryMeaning.UNPROVEN
    unique = SummaryMeaning(meanings[UNIQUE].answer) if UNIQUE in meanings else SummaryMeaning.UNPROVEN
    # The sum of one day's own figures needs every day of the term; cumulative figures only the last ones.
    start_on = stored.contract.start_at.date()
    since = start_on if users is SummaryMeaning.DAILY else _window_start(start_on, snapshot.today)
    columns = tx.usage.usage(stored.key, snapshot.id, since)
    return TermUsage(contract=stored.contract, columns=columns, meaning=users, unique_meaning=unique, owned=True)


def _window_start(start_on: date, today: date) -> date:
    # One day more than the window: its first difference needs the day before.
    return max(start_on, today - timedelta(days=USER_WINDOW))
