"""Keep what was claimed while the work on it lasts, in real time: a paused process stops renewing, and is told so.

An account's claim is fenced by its epoch, a message's by its attempt.  Both are checked by the database in every write;
what is kept here only spares a daemon that has lost its claim further calls and sends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from alerter.app.clock import Clock
from alerter.errors import AlerterError
from alerter.store import Claim, OutboxMessage, StaleClaim, Store, Tx

log = logging.getLogger("alerter.lease")

LEASE = timedelta(seconds=10)


@contextmanager
def renewing(renew: Callable[[], object], name: str) -> Iterator[None]:
    """Call `renew` three times a lease in a thread of its own until the block ends."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(LEASE.total_seconds() / 3):
            try:
                renew()
            except AlerterError as error:  # the database is away: whether the lease held is seen at the next write
                log.debug("action=lease_not_renewed", extra={"fields": {"error": str(error)}})

    keeper = threading.Thread(target=keep, name=f"lease {name}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


class AccountLease:
    """One claimed account's lease, renewed inside `kept()`."""

    def __init__(self, store: Store, claim: Claim, clock: Clock) -> None:
        self._store = store
        self._claim = claim
        self._clock = clock
        self._lost = threading.Event()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew until the block ends."""
        with renewing(self._renew, self._claim.account):
            yield

    def check(self) -> None:
        """Raise StaleClaim when a renewal has found the account in other hands."""
        if self._lost.is_set():
            raise StaleClaim(f"the account {self._claim.account!r} was claimed by another daemon meanwhile")

    def _renew(self) -> None:
        with self._store.write() as tx:
            if not tx.accounts.renew(self._claim, self._clock.now(), LEASE):
                self._lost.set()


class SendLeases:
    """The messages that this daemon has on their way."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._attempts: dict[int, int] = {}
        self._renewed = (clock.monotonic(), clock.now())

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew until the block ends."""
        with renewing(self._renew, "outbox"):
            yield

    def claim(self, owner: str, limit: int, recipients: Iterable[str]) -> list[OutboxMessage]:
        """Claim what is due; what is on its way is renewed before, or it would look abandoned after a pause."""
        now = self._clock.now()
        with self._store.write() as tx:
            self._renew_in(tx, now)
            claimed = tx.outbox.claim(owner, now, LEASE, limit, list(recipients))
        with self._lock:
            self._attempts.update({one.id: one.attempts for one in claimed})
        return claimed

    def still_holds(self, message: OutboxMessage) -> bool:
        """Whether the attempt is still ours; asks the database when the last renewal is half a lease old."""
        with self._lock:
            if message.id not in self._attempts:
                return False
            steady, wall = self._renewed
        # The steady clock stands still while the machine sleeps, the wall clock may be set: each sees what the other
        # misses.
        half = LEASE / 2
        if self._clock.monotonic() - steady > half.total_seconds() or abs(self._clock.now() - wall) > half:
            self._renew()
        with self._lock:
            return message.id in self._attempts

    def done(self, message: OutboxMessage) -> None:
        """Say that this message is on its way no more."""
        with self._lock:
            if self._attempts.get(message.id) == message.attempts:
                del self._attempts[message.id]

    def _renew(self) -> None:
        with self._store.write() as tx:
            self._renew_in(tx, self._clock.now())

    def _renew_in(self, tx: Tx, now: datetime) -> None:
        with self._lock:
            held, steady = dict(self._attempts), self._clock.monotonic()
        ours = tx.outbox.renew(held, now, LEASE)
        with self._lock:
            for lost in set(held) - ours:
                if self._attempts.get(lost) == held[lost]:
                    del self._attempts[lost]
            self._renewed = (steady, now)
