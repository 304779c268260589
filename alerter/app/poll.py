"""One poll of one account: the contract list, the users' names once a day, and every running contract.

Nothing is evaluated here.  One contract's trouble stays with it; a list that cannot be read does not keep the contracts
known already from being polled.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.app.clock import Clock
from alerter.app.contract_poll import ContractPoll, Pace, Tools, keep_sample
from alerter.app.lease import AccountLease
from alerter.app.ports import UsageSource
from alerter.app.settings import PollSettings
from alerter.core.quality import Event, EventKind, accepted, refused
from alerter.errors import (
    AlerterError,
    LeafError,
    LeafForbidden,
    LeafMalformed,
    LeafNotFound,
    LeafRejected,
    LeafUnavailable,
    StoreDown,
)
from alerter.store import Claim, PollRecord, StaleClaim, Store, StoredContract, Tx

log = logging.getLogger("alerter.poll")

NAMES_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractOutcome:
    """How one contract's poll ended; `error` is None when a snapshot was stored."""

    contract: StoredContract
    snapshot_id: int | None
    filled_days: int  # days of the past read for the first time
    error: AlerterError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutcome:
    """How one account's poll ended."""

    account: str
    error: AlerterError | None  # of the contract list; the contracts known already may have been polled all the same
    contracts: tuple[ContractOutcome, ...] = ()

    @property
    def filled_days(self) -> int:
        """Days of the past read for the first time, over all contracts."""
        return sum(one.filled_days for one in self.contracts)

    @property
    def ok(self) -> bool:
        """Whether every contract was polled."""
        return self.first_error is None

    @property
    def first_error(self) -> AlerterError | None:
        """The first thing that went wrong, or None."""
        return next((error for error in (self.error, *(one.error for one in self.contracts)) if error), None)


class LeasedPace(Pace):
    """A pace that ends as soon as the account is known to be in other hands."""

    def __init__(self, rate: float | None, clock: Clock, stop: threading.Event, lease: AccountLease) -> None:
        super().__init__(rate, clock, stop)
        self._lease = lease

    def go_on(self) -> None:
        """Raise StaleClaim when the claim was lost, StoppingError when the daemon is told to stop."""
        self._lease.check()
        super().go_on()


class AccountPoll:
    """One poll of one account under one claim; make a new one for every poll."""

    def __init__(
        self,
        *,
        source: UsageSource,
        store: Store,
        claim: Claim,
        lease: AccountLease,
        settings: PollSettings,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._store = store
        self._claim = claim
        self._lease = lease
        self._settings = settings
        self._clock = clock
        self._stop = stop

    def run(self) -> PollOutcome:
        """Poll every running contract; errors of one contract are returned, never raised.

        Raises StaleClaim when the account is another daemon's by now, StoreDown when nothing can be stored at all.
        """
        account, trouble = self._claim.account, None
        try:
            contracts = self._contracts()
        except (LeafMalformed, LeafRejected, LeafForbidden, LeafNotFound, LeafUnavailable) as error:
            if isinstance(error, LeafUnavailable) and error.status is None:
                return PollOutcome(account=account, error=error)  # no answer at all: nothing else will get one
            # A list that cannot be read says nothing about the contracts known already.
            contracts, trouble = self._known_contracts(), error
            self._keep_refused(None, error)
        except LeafError as error:
            return PollOutcome(account=account, error=error)
        self._names()
        threads = self._settings.threads
        with (
            ThreadPoolExecutor(threads, "fetch") as fetchers,
            ThreadPoolExecutor(threads, "poll") as pool,
        ):
            tools = self._tools(fetchers)
            outcomes = tuple(pool.map(lambda stored: self._contract(stored, tools), contracts))
        return PollOutcome(account=account, error=trouble, contracts=outcomes)

    def _tools(self, fetchers: ThreadPoolExecutor) -> Tools:
        return Tools(
            source=self._source,
            store=self._store,
            claim=self._claim,
            settings=self._settings,
            clock=self._clock,
            pace=LeasedPace(self._settings.backfill_rate, self._clock, self._stop, self._lease),
            fetchers=fetchers,
        )

    # -------------------------------------------------------------- the account
    def _contracts(self) -> list[StoredContract]:
        """Fetch and store the list; return the terms that are still polled."""
        answer = self._source.fetch_contracts()
        now = self._clock.now()
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            stored = tx.usage.save_contracts(self._claim.account, answer, now)
            self._note_listed(tx, answer.complete, now)
        return [one for one in stored if self._is_polled(one, now)]

    def _note_listed(self, tx: Tx, complete: bool, now: datetime) -> None:
        """Note which running terms a complete list lacks, and which are back."""
        events: list[tuple[int | None, Event]] = [(None, accepted("list"))]
        for one in tx.usage.contracts(self._claim.account) if complete else ():
            is_gone = one.missing_lists > 0 and (one.contract.end_at is None or now < one.contract.end_at)
            events.append((one.key, Event(kind=EventKind.SHRUNK, what="contract_list", standing=is_gone)))
        tx.usage.note_events(self._claim.account, events, now)

    def _keep_refused(self, stored: StoredContract | None, error: AlerterError) -> None:
        """Keep what was refused of a contract's answers (None: of the list) and that it was."""
        if not isinstance(error, LeafMalformed):
            return
        account, now = self._claim.account, self._clock.now()
        event = refused("answer" if stored else "list", str(error))
        try:
            with self._store.write() as tx:
                tx.accounts.check(self._claim, now)
                keep_sample(tx, account, stored.contract.id if stored else "", error, now)
                tx.usage.note_events(account, [(stored.key if stored else None, event)], now)
        except AlerterError as trouble:
            log.warning("action=refusal_not_kept", extra={"fields": {"account": account, "error": str(trouble)}})

    def _known_contracts(self) -> list[StoredContract]:
        with self._store.read() as tx:
            stored = tx.usage.contracts(self._claim.account)
        # An id whose term was followed by another answers for the later one only.
        newest = {one.contract.id: one for one in sorted(stored, key=lambda one: one.contract.start_at)}
        return [one for one in newest.values() if self._is_polled(one, self._clock.now())]

    def _is_polled(self, stored: StoredContract, now: datetime) -> bool:
        """A term is polled from its first day until its last days can change no more."""
        contract = stored.contract
        ends_at = contract.end_at + self._settings.settling.revise if contract.end_at else None
        return contract.start_at <= now and (ends_at is None or now < ends_at)

    def _names(self) -> None:
        """Fetch the users' names once a day; alerts do without them when it fails."""
        if not self._settings.names:
            return
        now, fact = self._clock.now(), f"names/{self._claim.account}"
        with self._store.read() as tx:
            last = tx.journal.get(fact)
        if last and now - datetime.fromisoformat(last["at"]) < NAMES_EVERY:
            return
        try:
            users = self._source.fetch_users()
        except LeafError as error:
            log.warning("action=names_failed", extra={"fields": {"account": self._claim.account, "error": str(error)}})
            return
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            tx.usage.save_users(self._claim.account, users, now)
            tx.journal.put(fact, {"at": now.isoformat(), "users": len(users)}, now)

    # -------------------------------------------------------------- one contract
    def _contract(self, stored: StoredContract, tools: Tools) -> ContractOutcome:
        """Poll one contract; whatever goes wrong stays with it."""
        poll = ContractPoll(stored, tools)
        snapshot_id, trouble = None, None
        try:
            snapshot_id = poll.run()
        except (StaleClaim, StoreDown):
            raise  # not the contract's trouble, nor the account's
        except AlerterError as error:
            trouble = error
            fields = {"account": self._claim.account, "contract": stored.contract.id, "error": str(error)}
            log.warning("action=contract_poll_failed", extra={"fields": fields})
            self._keep_refused(stored, error)
        return ContractOutcome(contract=stored, snapshot_id=snapshot_id, filled_days=poll.filled_days, error=trouble)


def record(outcome: PollOutcome, *, started_at: datetime, ended_at: datetime, calls: Counter[str]) -> PollRecord:
    """Return what the account's row keeps of a poll."""
    error = outcome.first_error
    return PollRecord(
        started_at=started_at,
        ended_at=ended_at,
        ok=error is None,
        reason=getattr(error, "reason", "error") if error else "",
        message=str(error) if error else "",
        calls=dict(calls),
    )
