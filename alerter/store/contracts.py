"""Contracts and their terms: what the list said, as versions that are never overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from alerter.core.answers import ContractAnswer, ContractsAnswer
from alerter.core.area import Area, Unit
from alerter.core.model import Contract
from alerter.store.part import Part
from alerter.store.rows import StoredContract
from alerter.store.tables import account as accounts
from alerter.store.tables import contract, contract_version
from alerter.store.types import UtcDateTime

_A, _C, _V = accounts.c, contract.c, contract_version.c
_MOVE_CURSOR = (
    sa.update(contract)
    .where(_C.key == sa.bindparam("its_key"), _C.evaluated_up_to < sa.bindparam("up_to"))
    .values(evaluated_up_to=sa.bindparam("up_to"))
)
_NEWEST_VERSIONS = sa.select(contract_version).where(
    _V.id.in_(
        sa.select(sa.func.max(_V.id))
        .join_from(contract_version, contract, _C.key == _V.contract_key)
        .where(_C.account_key == sa.bindparam("account_key"))
        .group_by(_V.contract_key)
    )
)
_Key = tuple[str, datetime]  # contract id, start of the term


class Contracts(Part):
    """The contracts of one transaction."""

    def save_contracts(self, account: str, answer: ContractsAnswer, now: datetime) -> list[StoredContract]:
        """Store one contract list and return the listed terms as stored, in the list's order.

        New terms and changed fields are added; a term that a complete list does not have any more counts it.  A list
        that says nothing new writes one column of the account's row.
        """
        key = self._account_key(account)
        self._lock_account(key)
        known = {(one.contract.id, one.contract.start_at): one for one in self.contracts(account)}
        listed = {(one.id, one.start_at): one for one in answer.contracts}
        versions = {row.contract_key: row for row in self._all(_NEWEST_VERSIONS, account_key=key)}
        for term, said in listed.items():
            self._save_term(key, known.get(term), said, versions, now)
        self._note_listed(key, answer.complete, known, set(listed), now)
        stored = {(one.contract.id, one.contract.start_at): one for one in self.contracts(account)}
        return [stored[term] for term in listed]

    def _save_term(
        self,
        account_key: int,
        known: StoredContract | None,
        said: ContractAnswer,
        versions: Mapping[int, sa.Row[Any]],
        now: datetime,
    ) -> None:
        if known is None:
            contract_key = self._add(
                contract,
                account_key=account_key,
                contract_id=said.id,
                start_at=said.start_at,
                first_seen_at=now,
                last_listed_at=now,
                missing_lists=0,
                evaluated_up_to=0,
            )
        else:
            contract_key = known.key
        fields = _version(said)
        newest = versions.get(contract_key)
        if newest is None or any(getattr(newest, name) != value for name, value in fields.items()):
            self._add(contract_version, contract_key=contract_key, known_from=now, **fields)

    def _note_listed(
        self, account_key: int, complete: bool, known: dict[_Key, StoredContract], listed: set[_Key], now: datetime
    ) -> None:
        """Keep who was listed when: in a complete list by one time per account, so that quiet polls write little."""
        before = self._connection.scalar(sa.select(_A.listed_at).where(_A.key == account_key))
        here = (_C.account_key == account_key, _C.key.in_([known[term].key for term in listed & known.keys()]))
        if not complete:
            back = sa.update(contract).where(*here, _C.missing_lists > 0)
            self._run(back.values(missing_lists=0, last_listed_at=now))
            return
        listed_ids = {contract_id for contract_id, _ in listed}
        gone = [one for term, one in known.items() if term not in listed]
        for one in gone:
            # A term whose contract goes on under a later start is over, not missing.
            more = 0 if one.contract.id in listed_ids else 1
            kept = sa.update(contract).where(_C.key == one.key)
            if more:
                self._run(kept.values(missing_lists=_C.missing_lists + more))
            self._run(kept.where(_C.last_listed_at.is_(None)).values(last_listed_at=before))
        not_gone = _C.key.not_in([one.key for one in gone])
        stale = sa.or_(_C.last_listed_at.is_not(None), _C.missing_lists > 0)
        listed_now = sa.update(contract).where(_C.account_key == account_key, not_gone, stale)
        self._run(listed_now.values(last_listed_at=None, missing_lists=0))
        self._run(sa.update(accounts).where(_A.key == account_key).values(listed_at=now))

    def contracts(self, account: str | None = None, up_to: datetime | None = None) -> list[StoredContract]:
        """Return the stored terms (of one account) as known now, or as known at `up_to`."""
        given = {"account": account, "up_to": up_to}
        values = {name: value for name, value in given.items() if value is not None}
        return [_stored(row) for row in self._all(_terms(account is not None, up_to is not None), **values)]

    def mark_evaluated(self, cursors: Mapping[int, int]) -> None:
        """Move cursors, snapshots' ids by contract: none up to it needs evaluation any more; they never move back."""
        self._run(_MOVE_CURSOR, [{"its_key": key, "up_to": cursor} for key, cursor in cursors.items()])


@cache
def _terms(of_account: bool, as_of: bool) -> sa.Select[Any]:
    newest = sa.select(sa.func.max(_V.id).label("id")).group_by(_V.contract_key)
    if as_of:
        newest = newest.where(_V.known_from <= sa.bindparam("up_to"))
    found = (
        sa.select(*_columns())
        .join_from(contract, accounts, _C.account_key == _A.key)
        .join(contract_version, _V.contract_key == _C.key)
        .where(_V.id.in_(newest))
        .order_by(_C.key)
    )
    return found.where(_A.name == sa.bindparam("account")) if of_account else found


def _columns() -> Sequence[sa.ColumnElement[Any]]:
    listed_at = sa.func.coalesce(_C.last_listed_at, _A.listed_at, _C.first_seen_at, type_=UtcDateTime).label("listed")
    contract_columns: Iterable[sa.ColumnElement[Any]] = (
        _C.key,
        _C.contract_id,
        _C.start_at,
        _C.first_seen_at,
        _C.missing_lists,
        _C.evaluated_up_to,
        _V.end_at,
        _V.product,
        _V.region,
        _V.quota_value,
        _V.quota_unit,
    )
    return (*contract_columns, listed_at, _A.name.label("account"))


def _version(said: ContractAnswer) -> dict[str, Any]:
    return {
        "end_at": said.end_at,
        "product": said.product,
        "region": said.region,
        "quota_value": said.quota.value if said.quota else None,
        "quota_unit": said.quota.unit.value if said.quota else None,
        "extra": said.extra,
    }


def _stored(row: sa.Row[Any]) -> StoredContract:
    quota = None if row.quota_value is None else Area(row.quota_value, Unit(row.quota_unit))
    term = Contract(
        account=row.account,
        id=row.contract_id,
        product=row.product,
        region=row.region,
        start_at=row.start_at,
        end_at=row.end_at,
        quota=quota,
    )
    return StoredContract(
        key=row.key,
        contract=term,
        first_seen_at=row.first_seen_at,
        last_listed_at=row.listed,
        missing_lists=row.missing_lists,
        evaluated_up_to=row.evaluated_up_to,
    )
