"""One poll of one account: ask, store what was said, evaluate nothing.

1. the contract list; 2. per contract today's summary and the organisation's range since the term's start; 3. the
summaries that must be read (again): days never read, days whose range figure changed, and once a UTC day the whole
revision window, because a late change inside overlap does not show in the range; 4. what settles the summary's meaning.
Everything one contract's poll learned is committed as ONE snapshot; a first fill is committed in parts, so that it can
be resumed after a crash.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from alerter.app.clock import Clock
from alerter.app.meaning import MeaningFinder
from alerter.app.ports import UsageSource
from alerter.core.answers import RangeAnswer, SummaryAnswer, Unchanged
from alerter.core.model import Contract, Settling, SummaryMeaning
from alerter.errors import AlerterError, LeafError, LeafForbidden, LeafMalformed, LeafNotFound, LeafRejected
from alerter.store import Claim, PollRecord, Store, StoredContract

log = logging.getLogger("alerter.poll")

LEASE = timedelta(seconds=10)
FILL_BATCH = 14  # days of a first fill per commit
NAMES_EVERY = timedelta(days=1)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """How one account is polled; `backfill_rate` in calls a second, None without a limit."""

    settling: Settling = field(default_factory=Settling)
    threads: int = 4
    backfill_rate: float | None = 5.0
    names: bool = True
    summary_means: Callable[[Contract], SummaryMeaning | None] = lambda _: None  # as configured; None: find it out


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractOutcome:
    """How one contract's poll ended; `error` is None when a snapshot was stored."""

    contract: StoredContract
    snapshot_id: int | None
    error: AlerterError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutcome:
    """How one account's poll ended."""

    account: str
    error: AlerterError | None  # of the contract list; the contracts known already may have been polled all the same
    contracts: tuple[ContractOutcome, ...] = ()
    filled_days: int = 0

    @property
    def ok(self) -> bool:
        """Whether every contract was polled."""
        return self.first_error is None

    @property
    def first_error(self) -> AlerterError | None:
        """The first thing that went wrong, or None."""
        return next((error for error in (self.error, *(one.error for one in self.contracts)) if error), None)


class StoppingError(AlerterError):
    """The daemon is told to stop; what was committed stays, the rest is done at the next start."""


class AccountPoll:
    """One poll of one account under one claim; make a new one for every poll."""

    def __init__(
        self,
        *,
        source: UsageSource,
        store: Store,
        claim: Claim,
        settings: PollSettings,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._store = store
        self._claim = claim
        self._settings = settings
        self._clock = clock
        self._stop = stop
        self._filled = 0
        self._lock = threading.Lock()
        self._next_turn = 0.0
        self._fetchers = ThreadPoolExecutor(settings.threads, "fetch")

    def run(self) -> PollOutcome:
        """Poll every running contract; errors of one contract are returned, never raised."""
        account, trouble = self._claim.account, None
        try:
            contracts = self._contracts()
        except (LeafMalformed, LeafRejected, LeafForbidden, LeafNotFound) as error:
            # A list that cannot be read says nothing about the contracts known already.
            contracts, trouble = self._known_contracts(), error
            self._keep_bad(error, "")
        except LeafError as error:
            return PollOutcome(account=account, error=error)
        self._names()
        with self._lease_kept(), self._fetchers, ThreadPoolExecutor(self._settings.threads, "poll") as pool:
            outcomes = tuple(pool.map(self._contract, contracts))
        return PollOutcome(account=account, error=trouble, contracts=outcomes, filled_days=self._filled)

    # -------------------------------------------------------------- the account
    def _contracts(self) -> list[StoredContract]:
        """Fetch and store the list; return the terms that are still polled."""
        answer = self._source.fetch_contracts()
        now = self._clock.now()
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            stored = tx.usage.save_contracts(self._claim.account, answer, now)
        return [one for one in stored if self._is_polled(one, now)]

    def _known_contracts(self) -> list[StoredContract]:
        with self._store.read() as tx:
            stored = tx.usage.contracts(self._claim.account)
        return [one for one in stored if self._is_polled(one, self._clock.now())]

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

    @contextmanager
    def _lease_kept(self) -> Iterator[None]:
        """Renew the claim's lease while the work goes on, in real time: a paused process stops renewing."""
        done = threading.Event()

        def keep() -> None:
            while not done.wait(LEASE.total_seconds() / 3):
                try:
                    with self._store.write() as tx:
                        tx.accounts.renew(self._claim, self._clock.now(), LEASE)
                except AlerterError as error:
                    log.warning("action=lease_not_renewed", extra={"fields": {"error": str(error)}})

        keeper = threading.Thread(target=keep, name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    # -------------------------------------------------------------- one contract
    def _contract(self, stored: StoredContract) -> ContractOutcome:
        """Poll one contract; whatever goes wrong stays with it."""
        try:
            snapshot_id = self._poll_contract(stored)
        except AlerterError as error:
            self._tell(stored, error)
            return ContractOutcome(contract=stored, snapshot_id=None, error=error)
        return ContractOutcome(contract=stored, snapshot_id=snapshot_id, error=None)

    def _tell(self, stored: StoredContract, error: AlerterError) -> None:
        fields = {"account": self._claim.account, "contract": stored.contract.id, "error": str(error)}
        log.warning("action=contract_poll_failed", extra={"fields": fields})
        self._keep_bad(error, stored.contract.id)

    def _keep_bad(self, error: AlerterError, contract_id: str) -> None:
        """Keep an answer that was refused, for whoever has to find out what the API did."""
        if isinstance(error, LeafMalformed):
            now = self._clock.now()
            with self._store.write() as tx:
                tx.usage.save_bad_answer(self._claim.account, contract_id, "", now, str(error), error.sample)

    def _poll_contract(self, stored: StoredContract) -> int:
        contract_id = stored.contract.id
        started = self._clock.now()
        today = started.date()
        with self._store.read() as tx:
            today_hash = tx.usage.known_hash(stored.key, today)
            read = tx.usage.summary_days(stored.key)
            before = tx.usage.owner_days(stored.key)
        summary = self._today(contract_id, today_hash)
        owner = self._owner_range(stored, today)
        wanted = self._days_to_read(stored, today, set(read), owner, before)
        wanted_again = [day for day in wanted if day in read]
        self._fill(stored, [day for day in wanted if day not in read], today)
        again = self._summaries(stored, wanted_again)
        if isinstance(summary, SummaryAnswer):
            self._refuse_foreign_days(stored, summary, today)
            again.append(summary)
        snapshot_id, fetched_at = self._commit(stored, again, owner, today)
        self._settle_meaning(stored, fetched_at)
        return snapshot_id

    def _today(self, contract_id: str, known_hash: bytes | None) -> SummaryAnswer | Unchanged | None:
        """Fetch today's summary; None when the API has none: the range then says whether the contract is there."""
        try:
            return self._source.fetch_summary(contract_id, known_hash=known_hash)
        except LeafNotFound:
            return None

    def _owner_range(self, stored: StoredContract, today: date) -> RangeAnswer:
        """Fetch the organisation's range since the term's start.

        Asked from a day before to a day after, for it is open whether the ends belong to a range; from the term's
        start, for it is open too whether `totalArea` counts from there or from `startTime`.
        """
        start_on = stored.contract.start_at.date()
        end_on = today + ONE_DAY
        try:
            answer = self._source.fetch_owner_range(stored.contract.id, start_on - ONE_DAY, end_on)
        except LeafRejected:
            recent = max(start_on, today - self._settings.settling.revise)
            answer = self._source.fetch_owner_range(stored.contract.id, recent, end_on)
        inside = tuple(entry for entry in answer.days if start_on <= entry.day <= today)
        return replace(answer, days=inside)

    def _refuse_foreign_days(self, stored: StoredContract, summary: SummaryAnswer, today: date) -> None:
        """A summary of a day that has not come, or of another term, would poison the figures."""
        if not stored.contract.start_at.date() <= summary.day <= today + ONE_DAY:
            raise LeafMalformed(
                f"the summary of contract {stored.contract.id} is dated {summary.day}, outside the term up to today "
                f"({today}); it was not stored"
            )

    # -------------------------------------------------------------- which days
    def _days_to_read(
        self,
        stored: StoredContract,
        today: date,
        read: set[date],
        owner: RangeAnswer,
        before: dict[date, tuple[float, float]],
    ) -> list[date]:
        """Return the past days whose summary must be read now, newest first."""
        start_on = stored.contract.start_at.date()
        last = min(today - ONE_DAY, self._last_day(stored))
        window = [last - timedelta(days=n) for n in range(self._settings.settling.revise.days)]
        window = [day for day in window if day >= start_on]
        fact = self._facts(stored)
        missing = {start_on + timedelta(days=n) for n in range((last - start_on).days + 1)} - read
        missing -= {date.fromisoformat(day) for day in fact.get("absent", ())} - set(window)
        changed = {
            entry.day
            for entry in owner.days
            if entry.day in before and before[entry.day] != (entry.total_area, entry.daily_area) and entry.day <= last
        }
        due = set(window) if fact.get("window_read_on") != today.isoformat() else set()
        # A day that was absent when the window was last read is asked for again only with the window.
        missing -= set(window) - due if fact.get("window_read_on") == today.isoformat() else set()
        return sorted(missing | changed | due, reverse=True)

    @staticmethod
    def _last_day(stored: StoredContract) -> date:
        end_at = stored.contract.end_at
        return date.max if end_at is None else (end_at - timedelta(microseconds=1)).date()

    def _facts(self, stored: StoredContract) -> dict[str, Any]:
        with self._store.read() as tx:
            return dict(tx.journal.get(f"read/{stored.key}") or {})

    # -------------------------------------------------------------- reading and storing
    def _fill(self, stored: StoredContract, days: Sequence[date], today: date) -> None:
        """Read days never read before, oldest first, committed in parts: a crash loses one part at most."""
        if not days:
            return
        ordered = sorted(days)
        if len(ordered) > FILL_BATCH:
            log.info("action=fill_started", extra={"fields": self._fields(stored, days=len(ordered))})
        for index in range(0, len(ordered), FILL_BATCH):
            part = ordered[index : index + FILL_BATCH]
            summaries = self._summaries(stored, part, polite=len(ordered) > FILL_BATCH)
            absent = set(part) - {summary.day for summary in summaries}
            self._commit_part(stored, summaries, absent, today)
            with self._lock:
                self._filled += len(summaries)
        if len(ordered) > FILL_BATCH:
            log.info("action=fill_done", extra={"fields": self._fields(stored, days=len(ordered))})

    def _summaries(self, stored: StoredContract, days: Iterable[date], *, polite: bool = False) -> list[SummaryAnswer]:
        """Fetch dated summaries, several at once; a day that the API lacks or answers with another one is left out."""
        with self._store.read() as tx:
            known = {day: tx.usage.known_hash(stored.key, day) for day in days}
        fetched = self._fetchers.map(lambda day: self._summary(stored, day, known[day], polite), known)
        return [answer for answer in fetched if answer is not None]

    def _summary(
        self, stored: StoredContract, day: date, known_hash: bytes | None, polite: bool
    ) -> SummaryAnswer | None:
        self._pause(polite)
        try:
            answer = self._source.fetch_summary(stored.contract.id, day, known_hash=known_hash)
        except LeafNotFound:
            return None
        except LeafMalformed as error:
            # One unreadable past day must not keep today's figures out; it is asked for again with its window.
            self._tell(stored, error)
            return None
        return answer if isinstance(answer, SummaryAnswer) and answer.day == day else None

    def _pause(self, polite: bool) -> None:
        """Keep a first fill to the configured rate, over all threads, and let SIGTERM end it between two calls."""
        rate = self._settings.backfill_rate if polite else None
        if self._stop.is_set() or (rate and self._clock.wait(self._turn(1 / rate), self._stop)):
            raise StoppingError("stopped while reading; the next start goes on from here")

    def _turn(self, interval: float) -> float:
        """Take the next turn, `interval` seconds after the one before, and return the seconds until then."""
        with self._lock:
            now = self._clock.monotonic()
            turn = max(now, self._next_turn)
            self._next_turn = turn + interval
            return turn - now

    def _commit_part(
        self, stored: StoredContract, summaries: Iterable[SummaryAnswer], absent: set[date], today: date
    ) -> None:
        now = self._clock.now()
        fact = self._facts(stored)
        known = set(fact.get("absent", ()))
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            snapshot_id = tx.usage.add_snapshot(stored.key, now, today, complete=False)
            for summary in summaries:
                tx.usage.add_summary(snapshot_id, stored.key, summary)
            fact["absent"] = sorted(known | {day.isoformat() for day in absent})
            tx.journal.put(f"read/{stored.key}", fact, now)

    def _commit(
        self, stored: StoredContract, summaries: Iterable[SummaryAnswer], owner: RangeAnswer, today: date
    ) -> tuple[int, datetime]:
        """Store all that this poll learned as one complete snapshot; return its id and time."""
        now = self._clock.now()
        fact = self._facts(stored)
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            snapshot_id = tx.usage.add_snapshot(stored.key, now, today)
            changed = [one.day for one in summaries if tx.usage.add_summary(snapshot_id, stored.key, one)]
            revised = tx.usage.add_owner_range(snapshot_id, stored.key, owner)
            if fact.get("window_read_on") != today.isoformat():
                fact["window_read_on"] = today.isoformat()
                tx.journal.put(f"read/{stored.key}", fact, now)
        log.debug(
            "action=snapshot_stored",
            extra={"fields": self._fields(stored, snapshot=snapshot_id, days=len(changed), range_days=len(revised))},
        )
        return snapshot_id, now

    def _settle_meaning(self, stored: StoredContract, at: datetime) -> None:
        configured = self._settings.summary_means(stored.contract)
        MeaningFinder(source=self._source, store=self._store).settle(stored, configured, at)

    def _fields(self, stored: StoredContract, **more: object) -> dict[str, object]:
        return {"account": self._claim.account, "contract": stored.contract.id, **more}


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
