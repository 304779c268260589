"""Collect from the database how reading and speaking go, and have the core judge it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from alerter.app.load import successor_of
from alerter.core import health
from alerter.core.health import ContractHealth, DataHealth, SourceHealth, VoiceHealth
from alerter.core.meaning import USERS
from alerter.core.model import Finding, SummaryMeaning
from alerter.core.quality import EventKind, describe
from alerter.store import AccountState, StoredContract, Tx

LEAST_LIMIT = timedelta(hours=1)


def health_findings(
    tx: Tx,
    account: str,
    terms: Sequence[StoredContract],
    *,
    read_at: Mapping[int, datetime],
    every: timedelta,
    speaks_for_all: bool,
    recipients: Collection[str],
    now: datetime,
) -> Iterator[Finding]:
    """Yield what is to be said of one account; `speaks_for_all`: of what belongs to no account as well.

    `read_at` is when each contract's newest complete snapshot was read, by contract.
    """
    state = next((one for one in tx.accounts.states() if one.name == account), None)
    if state is None:
        return
    limit = max(3 * every, LEAST_LIMIT)
    running = [_contract(tx, one, terms, read_at.get(one.key)) for one in terms if _runs(one, now)]
    newest_at = max((one.read_at for one in running if one.read_at), default=state.last_ok_at)
    yield from health.source_findings(_source(state, newest_at), limit, now)
    source_ok = state.failing_since is None or (newest_at is not None and now - newest_at < limit)
    for one in running:
        yield from health.contract_findings(one, source_ok=source_ok, limit=limit, now=now)
    yield from _data(tx, account, [one for one in terms if _runs(one, now)], now)
    if speaks_for_all:
        broken = {one.recipient: one for one in _voices(tx)}
        for recipient in sorted(recipients):
            yield health.voice_finding(account, recipient, broken.get(recipient))
        yield health.config_finding(account, list((tx.journal.get("config") or {}).get("rejected", ())))


def _data(tx: Tx, account: str, running: Sequence[StoredContract], now: datetime) -> Iterator[Finding]:
    """Yield what is to be said of the account's data: what stands, and units that changed lately."""
    found: dict[int | None, dict[str, list[str]]] = {}
    oldest = (now - health.DATA_FOR).date()
    for event in tx.usage.standing_events(account):
        # A contract that is gone has an alert of its own, after three lists.
        if event.what != "contract_list" and (event.day is None or event.day >= oldest):
            words = describe(event.what, event.day, event.details)
            found.setdefault(event.contract_key, {}).setdefault(event.kind, []).append(words)
    units: dict[int | None, dict[date, str]] = {}
    changes = tx.usage.data_events(account, kinds=[EventKind.UNIT_CHANGED], since=now - health.DATA_FOR)
    for event in changes:
        day = event.day or event.seen_at.date()
        units.setdefault(event.contract_key, {})[day] = describe(event.what, event.day, event.details)
    contracts: list[StoredContract | None] = [None, *running]
    for stored in contracts:
        key = stored.key if stored else None
        kinds = found.get(key, {})
        one = DataHealth(
            account=account,
            contract=stored.contract if stored else None,
            contradictions=tuple(kinds.get(EventKind.CONTRADICTION, ())),
            shrunk=tuple(kinds.get(EventKind.SHRUNK, ())),
            refused=tuple(kinds.get(EventKind.REFUSED, ())),
            units=units.get(key, {}),
        )
        yield from health.data_findings(one, now)


def _runs(stored: StoredContract, now: datetime) -> bool:
    contract = stored.contract
    return contract.start_at <= now and (contract.end_at is None or now < contract.end_at)


def _source(state: AccountState, read_at: datetime | None) -> SourceHealth:
    return SourceHealth(
        account=state.name,
        reason=state.reason,
        message=state.message,
        failing_since=state.failing_since,
        read_at=read_at,
        next_poll_at=state.next_poll_at,
    )


def _contract(
    tx: Tx, stored: StoredContract, terms: Sequence[StoredContract], read_at: datetime | None
) -> ContractHealth:
    meaning = tx.usage.meanings(stored.key, None).get(USERS)
    newest = tx.usage.newest_summary(stored.key)
    return ContractHealth(
        contract=stored.contract,
        first_seen_at=stored.first_seen_at,
        read_at=read_at,
        newest_on=newest.day if newest else None,
        missing_lists=stored.missing_lists,
        successor=successor_of(stored, terms) is not None,
        meaning=SummaryMeaning(meaning.answer) if meaning else SummaryMeaning.UNPROVEN,
        used=bool(newest and newest.user_sum > 0),
    )


def _voices(tx: Tx) -> list[VoiceHealth]:
    return [VoiceHealth(recipient=one.recipient, error=one.last_error, since=one.done_at or one.created_at)
            for one in tx.outbox.broken()]  # fmt: skip
