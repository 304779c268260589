"""Load a contract's History as it was known at one snapshot, its predecessor term included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np

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
    known_at: datetime | None = None,
    users: bool = True,
) -> History:
    """Build the History of one term at one snapshot; `terms` are all stored terms of the account.

    What the figures mean is taken as known today, or as known at `known_at`.  Without `users` there are no daily
    figures of single users in it, and it is made sooner.
    """
    before = predecessor_of(stored, terms)
    return build_history(
        term=_term(tx, stored, snapshot, known_at, since=None if users else snapshot.today + timedelta(days=1)),
        predecessor=_term(tx, before, snapshot, known_at) if before else None,
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


def load_user(
    tx: Tx, stored: StoredContract, snapshot: SnapshotRow, user_id: str, known_at: datetime | None = None
) -> TermUsage:
    """Load one user's figures of a whole term as known at a snapshot: `user_areas` has one row and every day."""
    meaning, unique_meaning = _meanings(tx, stored, known_at)
    columns = tx.usage.usage(stored.key, snapshot.id, snapshot.today + timedelta(days=1))
    days, areas = tx.usage.areas_of(stored.key, snapshot.id, user_id)
    used = days[areas > 0]
    columns = replace(
        columns,
        user_ids=(user_id,),
        window_days=days,
        user_areas=areas[np.newaxis, :],
        user_first_on=used[:1] if len(used) else np.zeros(1, dtype=np.int64),
    )
    return TermUsage(contract=stored.contract, columns=columns, meaning=meaning, unique_meaning=unique_meaning)


def _term(
    tx: Tx, stored: StoredContract, snapshot: SnapshotRow, known_at: datetime | None, *, since: date | None = None
) -> TermUsage:
    users, unique = _meanings(tx, stored, known_at)
    # The sum of one day's own figures needs every day of the term; cumulative figures only the last ones.
    start_on = stored.contract.start_at.date()
    if since is None:
        since = start_on if users is SummaryMeaning.DAILY else _window_start(start_on, snapshot.today)
    columns = tx.usage.usage(stored.key, snapshot.id, since)
    return TermUsage(contract=stored.contract, columns=columns, meaning=users, unique_meaning=unique, owned=True)


def _meanings(tx: Tx, stored: StoredContract, known_at: datetime | None) -> tuple[SummaryMeaning, SummaryMeaning]:
    """Return what the users' figures and `totalUniqueArea` mean, as known today or at `known_at`."""
    known = tx.usage.meanings(stored.key, known_at)
    users, unique = (
        SummaryMeaning(known[question].answer) if question in known else SummaryMeaning.UNPROVEN
        for question in (USERS, UNIQUE)
    )
    return users, unique


def _window_start(start_on: date, today: date) -> date:
    # One day more than the window: its first difference needs the day before.
    return max(start_on, today - timedelta(days=USER_WINDOW))
