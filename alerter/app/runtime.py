"""The composition root: open the database, hold a built config, poll, evaluate, deliver, reload, stop.

Nothing here decides when: the daemon's scheduler, the demo and the tests call the same methods under their own clock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.app.calls import keep_calls
from alerter.app.clock import Clock
from alerter.app.cycle import CycleOutcome, run_cycle
from alerter.app.deliver import Delivery, DeliveryOutcome, Listener
from alerter.app.heartbeat import Heartbeats
from alerter.app.lease import LEASE, AccountLease
from alerter.app.memory import give_back, keep_small
from alerter.app.plan import Plan, build_plan
from alerter.app.poll import AccountPoll, PollOutcome, record
from alerter.app.revive import revive
from alerter.app.settled import Memory
from alerter.config import Config
from alerter.errors import ConfigError, LeafRateLimited, Problem
from alerter.store import Claim, StaleClaim, Store, migrate

log = logging.getLogger("alerter.runtime")

POLL_STEP = 300.0  # seconds a poll may go without an API call, a commit or its end
DELIVERY_STEP = 900.0  # one send at most: an SMTP server may take ten minutes for its last word
SLACK = timedelta(seconds=5)  # a scheduler that wakes a moment early must still find the account due


@dataclass(frozen=True, slots=True, kw_only=True)
class TickOutcome:
    """What one poll with its cycle did."""

    poll: PollOutcome
    cycle: CycleOutcome


class Runtime:
    """One daemon's worth of work on one database; every method may be called from any thread."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        stop: threading.Event,
        owner: str,
        listener: Listener | None = None,
        fit: Callable[[Plan], Plan] = lambda plan: plan,
    ) -> None:
        """Build the config; `fit` may change the plan made of it, and of any config reloaded later, before it works."""
        self.clock = clock
        self.stop = stop
        self.heartbeats = Heartbeats(clock.monotonic)
        self.mail = threading.Event()  # set when there may be something to deliver
        self._owner = owner
        self._listener = listener
        self._fit = fit
        self._plan = self._build(config)
        self._old_plans: list[Plan] = []
        self._store: Store | None = None
        self._judged = Memory()
        self._delivery = threading.Lock()
        self._delivering: Delivery | None = None
        self._spoke_at: dict[str, float] = {}
        self._mended = threading.Event()  # a start or reload: channels may work again

    # -------------------------------------------------------------- life
    @property
    def plan(self) -> Plan:
        """The config in force, built."""
        return self._plan

    @property
    def store(self) -> Store:
        """The open database."""
        if self._store is None:
            raise RuntimeError("the runtime is not open")
        return self._store

    def open(self, *, progress: Callable[[str], None] | None = None) -> None:
        """Hold and migrate the database and enter the accounts; raise StoreError if that cannot be."""
        keep_small()
        url = self._plan.config.database
        store = Store(url)
        try:
            is_held = store.hold(self._owner)
            migrate.upgrade(url, progress)
            store.remember()
            self._store = store
            if is_held:
                self._free(store)
            self._enter(self._plan)
        except BaseException:
            self._store = None
            store.close()
            raise

    def _free(self, store: Store) -> None:
        """Nobody else can work on a database that this process holds: what is claimed was claimed by the dead."""
        with store.write() as tx:
            tx.accounts.free()
            lost = tx.outbox.free(self.clock.now())
        if lost:
            log.warning("action=sends_cut_short", extra={"fields": {"messages": lost}})

    def close(self) -> None:
        """End calls and sends in flight and close the database; what is under way ends by itself or is redone."""
        self.stop.set()
        self.mail.set()
        delivery = self._delivering
        if delivery is not None:
            delivery.close_sockets()
        for plan in (self._plan, *self._old_plans):
            plan.close()

    def close_store(self) -> None:
        """Let go of the database, when every worker is done."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def reload(self, config: Config) -> None:
        """Build `config` whole and swap it in; raise ConfigError and change nothing if it cannot be used."""
        if config.database != self._plan.config.database:
            why = "the database cannot change while running; restart the service"
            raise ConfigError([Problem(str(config.path), *config.position("database"), "database", why)])
        plan = self._build(config)
        self._enter(plan)
        # A poll under way goes on with the clients it has.
        self._old_plans.append(self._plan)
        self._plan = plan
        self.mail.set()

    def _build(self, config: Config) -> Plan:
        return self._fit(build_plan(config, clock=self.clock, stop=self.stop, beat=self._beat))

    def _enter(self, plan: Plan) -> None:
        now = self.clock.now()
        kept = [one.id for channel in plan.channels.values() for one in channel.recipients]
        with self.store.write() as tx:
            names = [account.name for account in plan.config.accounts]
            tx.accounts.sync(names, now)
            tx.accounts.make_due(names, now)  # a start and a new config are both looked at now, not at the next poll
            tx.outbox.retire(kept, now)
        self._mended.set()

    def _beat(self, account: str) -> None:
        self.heartbeats.beat(f"poll {account}")

    # -------------------------------------------------------------- work
    def poll(self, account: str, *, forced: bool = False) -> TickOutcome | None:
        """Poll and evaluate one account if it is due and nobody else's (forced: due or not); None if not."""
        plan = self._plan
        if account not in plan.sources:
            return None
        now = self.clock.now()
        with self.store.write() as tx:
            if forced:
                tx.accounts.make_due([account], now)
            claims = tx.accounts.claim(self._owner, now, LEASE, [account], 1)
        if not claims:
            return None
        lease = AccountLease(self.store, claims[0], self.clock)
        try:
            with self.heartbeats.step(f"poll {account}", POLL_STEP), lease.kept():
                return self._work(plan, claims[0], lease, now)
        except StaleClaim as stale:
            # We were paused or cut off past our lease, and another daemon does the work: no failure of the account.
            log.info("action=claim_lost", extra={"fields": {"account": account, "why": str(stale)}})
            return None

    def _work(self, plan: Plan, claim: Claim, lease: AccountLease, started_at: datetime) -> TickOutcome | None:
        account = claim.account
        poll = AccountPoll(
            source=plan.sources[account],
            store=self.store,
            claim=claim,
            lease=lease,
            settings=plan.polls[account],
            clock=self.clock,
            stop=self.stop,
        ).run()
        lease.check()
        if self.stop.is_set() and not poll.ok:
            # Cut short by our own stop: no failure of the account; the next start goes on.
            with self.store.write() as tx:
                tx.accounts.release(claim, self.clock.now(), started_at)
            return None
        self._record(plan, claim, poll, started_at)
        cycle = run_cycle(
            self.store,
            claim,
            settings=plan.cycle,
            composer=plan.composer,
            now=self.clock.now(),
            next_poll_at=self._next_poll_at(plan, poll, started_at),
            memory=self._judged,
        )
        give_back()
        self._retry_given_up()
        if cycle.messages:
            self.mail.set()
        _log_tick(poll, cycle)
        return TickOutcome(poll=poll, cycle=cycle)

    def _retry_given_up(self) -> None:
        """Try once after a start or reload what was given up: somebody may have mended the channel.

        After the first cycle, not before: what waits for a try is not broken any more, and so would the alert end.
        """
        if self._mended.is_set():
            self._mended.clear()
            with self.store.write() as tx:
                if revive(tx, broken=(), now=self.clock.now()):
                    self.mail.set()

    def _record(self, plan: Plan, claim: Claim, poll: PollOutcome, started_at: datetime) -> None:
        """Keep how the poll went, before the cycle judges the account's health by it."""
        calls, now = plan.calls[claim.account].take(), self.clock.now()
        with self.store.write() as tx:
            tx.accounts.check(claim, now)
            tx.accounts.record_poll(claim, record(poll, started_at=started_at, ended_at=now, calls=calls))
            keep_calls(tx, claim.account, calls, now)

    def _next_poll_at(self, plan: Plan, poll: PollOutcome, started_at: datetime) -> datetime:
        every = plan.config.poll.every
        next_at = started_at + every - min(SLACK, every / 10)
        if isinstance(poll.error, LeafRateLimited) and poll.error.retry_after:
            next_at = max(next_at, self.clock.now() + timedelta(seconds=poll.error.retry_after))
        return next_at

    def follow_clock(self, drift: timedelta) -> None:
        """Catch up with a wall clock that was set by `drift`: nobody waits for a time that has moved away."""
        now = self.clock.now()
        with self.store.write() as tx:
            tx.accounts.make_due(list(self._plan.sources), now)
            if drift < timedelta(0):
                tx.outbox.hasten(now, -drift)
        self.mail.set()

    def deliver(self) -> DeliveryOutcome:
        """Send everything that is due; one pass at a time."""
        plan = self._plan
        with self._delivery, self.heartbeats.step("deliver", DELIVERY_STEP):
            self._delivering = Delivery(
                store=self.store,
                channels=plan.channels,
                renderer=plan.renderer,
                clock=self.clock,
                owner=self._owner,
                stop=self.stop,
                listener=self._listener,
                beat=lambda: self.heartbeats.beat("deliver"),
                spoke_at=self._spoke_at,
            )
            try:
                return self._delivering.drain()
            finally:
                self._delivering = None

    def next_delivery_at(self) -> datetime | None:
        """Return when the outbox wants to be looked at again, None when it is empty."""
        with self.store.read() as tx:
            return tx.outbox.next_due()


def _log_tick(poll: PollOutcome, cycle: CycleOutcome) -> None:
    fields = {
        "account": poll.account,
        "ok": poll.ok,
        "contracts": len(poll.contracts),
        "failed": sum(one.error is not None for one in poll.contracts),
        "filled_days": poll.filled_days,
        "snapshots": cycle.snapshots,
        "transitions": len(cycle.transitions),
        "messages": cycle.messages,
        "firing": cycle.firing,
    }
    if poll.error is not None:
        log.error("action=poll_failed", extra={"fields": {"account": poll.account, "error": str(poll.error)}})
    log.info("action=poll_done", extra={"fields": fields})
