"""Send what is in the outbox: claim, render, send, mark; no transaction is open while a message is on its way.

A crash between a receiver's acceptance and our mark costs one copy more, never a message.  Rows of one recipient go out
in order; recipients do not wait for one another.  Several daemons may do so on one database: what is on its way is
under a lease, looked at right before the send and fenced by its attempt when it is marked.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from alerter.app.clock import Clock
from alerter.app.lease import SendLeases
from alerter.errors import AlerterError, DeliveryError, StoreDown
from alerter.notify import Channel, Rendered, Renderer
from alerter.store import OutboxMessage, Store, Tx

log = logging.getLogger("alerter.deliver")

GIVE_UP_AFTER = timedelta(hours=72)
BACKOFF = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)  # seconds; the last one again and again
JITTER = 0.2
BATCH = 64
THREADS = 8
LOOK_AGAIN = 1.0  # seconds between two looks for new messages while others are on their way
MARK_PAUSES = (0.1, 0.2, 0.5, 1.0, *[2.0] * 14)  # seconds; a database that restarts must not cost a copy
_JITTER = random.SystemRandom()


class Listener(Protocol):
    """Is told of every message that was accepted, for the demo and for metrics."""

    def __call__(self, message: OutboxMessage, rendered: Rendered) -> None:
        """Take note of one accepted message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """What one pass over the outbox did."""

    sent: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: DeliveryOutcome) -> DeliveryOutcome:
        return DeliveryOutcome(
            sent=self.sent + other.sent, failed=self.failed + other.failed, dead=self.dead + other.dead
        )


class Delivery:
    """Delivers the rows of the channels it was given."""

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[str, Channel],
        renderer: Renderer,
        clock: Clock,
        owner: str,
        stop: threading.Event,
        listener: Listener | None = None,
        beat: Callable[[], None] = lambda: None,
        spoke_at: dict[str, float] | None = None,
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._clock = clock
        self._owner = owner
        self._stop = stop
        self._listener = listener
        self._beat = beat
        self._channel_of = {one.id: channel for channel in channels.values() for one in channel.recipients}
        self._pace_of = {one.id: one.pace for channel in channels.values() for one in channel.recipients}
        self._spoke_at = {} if spoke_at is None else spoke_at  # by recipient, monotonic seconds; outlives one pass
        self._service_of = {one.id: one.service for channel in channels.values() for one in channel.recipients}
        self._leases = SendLeases(store, clock)

    def drain(self) -> DeliveryOutcome:
        """Deliver until nothing is due; one recipient's failure, or silence, leaves the others going."""
        outcome = DeliveryOutcome()
        flying: set[Future[DeliveryOutcome]] = set()
        with self._leases.kept(), ThreadPoolExecutor(THREADS, "deliver") as pool:
            while not self._stop.is_set():
                claimed = self._leases.claim(self._owner, BATCH, self._channel_of) if len(flying) < THREADS else []
                flying |= {pool.submit(self._deliver, message) for message in claimed}
                if not flying:
                    break
                done, flying = wait(flying, LOOK_AGAIN, FIRST_COMPLETED)
                if done:
                    self._beat()
                outcome = sum((one.result() for one in done), outcome)
            return sum((one.result() for one in flying), outcome)

    def next_due(self) -> datetime | None:
        """Return when the next row is due, None with an empty outbox."""
        with self._store.read() as tx:
            return tx.outbox.next_due()

    def close_sockets(self) -> None:
        """End sends in flight; their rows are marked ambiguous and sent again at the next start."""
        for channel in set(self._channel_of.values()):
            channel.close_sockets()

    # -------------------------------------------------------------- one message
    def _deliver(self, message: OutboxMessage) -> DeliveryOutcome:
        try:
            if self._waits_in_vain(message.recipient):
                self._give_back(message)
                return DeliveryOutcome()
            return self._attempt(message)
        finally:
            self._leases.done(message)

    def _attempt(self, message: OutboxMessage) -> DeliveryOutcome:
        channel = self._channel_of[message.recipient]
        rendered = self._renderer.render(message.payload, self._service_of[message.recipient], message.channel)
        if rendered.error:
            log.error("action=template_failed", extra={"fields": {"key": message.key, "error": rendered.error}})
        if not self._leases.still_holds(message):
            log.info("action=send_left_to_another", extra={"fields": self._fields(message)})
            return DeliveryOutcome()
        try:
            receipt = channel.send(
                message.recipient,
                rendered,
                key=message.key,
                thread=message.thread,
                thread_ref=message.thread_ref,
                created_at=message.created_at,
                possible_repeat=message.ambiguous > 0,
            )
        except DeliveryError as error:
            return self._failed(message, error)
        self._mark(message, self._sent(message, receipt.thread_ref))  # at once: until then a crash costs a copy
        log.info("action=message_sent", extra={"fields": self._fields(message)})
        if self._listener is not None:
            self._listener(message, rendered)
        return DeliveryOutcome(sent=1)

    def _waits_in_vain(self, recipient: str) -> bool:
        """Keep the recipient's pace; True when told to stop."""
        if self._stop.is_set():
            return True
        spoke_at, pace = self._spoke_at.get(recipient), self._pace_of[recipient]
        now = self._clock.monotonic()
        if spoke_at is not None and now < spoke_at + pace and self._clock.wait(spoke_at + pace - now, self._stop):
            return True
        self._spoke_at[recipient] = self._clock.monotonic()
        return False

    def _give_back(self, message: OutboxMessage) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            why = "stopped before it was sent"
            tx.outbox.mark_failed(message.id, why, now, now, ambiguous=False, attempt=message.attempts)

    def _sent(self, message: OutboxMessage, thread_ref: str | None) -> Callable[[Tx], bool]:
        now = self._clock.now()
        return lambda tx: tx.outbox.mark_sent(message.id, now, thread_ref, attempt=message.attempts)

    def _mark(self, message: OutboxMessage, mark: Callable[[Tx], bool]) -> None:
        """Keep how an attempt ended, even if the database has to come back first; doing so twice changes nothing."""
        for pause in (*MARK_PAUSES, None):
            try:
                with self._store.write() as tx:
                    is_marked = mark(tx)
            except StoreDown:
                if pause is None or self._clock.wait(pause, self._stop):
                    raise
            else:
                if not is_marked:
                    log.debug("action=mark_not_needed", extra={"fields": self._fields(message)})
                return

    def _failed(self, message: OutboxMessage, error: DeliveryError) -> DeliveryOutcome:
        now = self._clock.now()
        # A machine that slept for days, or a clock set forward, is no reason to give up after a try or two.
        was_tried = now - message.queued_at >= GIVE_UP_AFTER and message.attempts >= len(BACKOFF)
        gone = error.permanent or was_tried
        self._mark(message, self._dead(message, error) if gone else self._to_retry(message, error))
        fields = self._fields(message, error=error.reason, permanent=error.permanent, ambiguous=error.ambiguous)
        if gone:
            log.error("action=message_dead", extra={"fields": fields})
            return DeliveryOutcome(dead=1)
        log.warning("action=message_failed", extra={"fields": fields})
        return DeliveryOutcome(failed=1)

    def _dead(self, message: OutboxMessage, error: DeliveryError) -> Callable[[Tx], bool]:
        now, attempt = self._clock.now(), message.attempts
        return lambda tx: tx.outbox.mark_dead(message.id, error.reason, now, attempt=attempt)

    def _to_retry(self, message: OutboxMessage, error: DeliveryError) -> Callable[[Tx], bool]:
        now, attempt = self._clock.now(), message.attempts
        again_at = now + timedelta(seconds=backoff(attempt, error.retry_after, _JITTER.random()))
        return lambda tx: tx.outbox.mark_failed(
            message.id, error.reason, now, again_at, error.ambiguous, attempt=attempt
        )

    @staticmethod
    def _fields(message: OutboxMessage, **more: object) -> dict[str, object]:
        return {"key": message.key, "recipient": message.recipient, "attempts": message.attempts, **more}


def backoff(attempts: int, retry_after: float | None, chance: float) -> float:
    """Return the seconds to wait after `attempts` tries; `chance` in 0..1 makes the jitter of ±20 %.

    A receiver's own wish is honoured, never shortened.
    """
    step = BACKOFF[min(max(attempts, 1), len(BACKOFF)) - 1]
    jittered = step * (1 + JITTER * (2 * chance - 1))
    return max(jittered, retry_after or 0.0)


def send_now(channel: Channel, recipient: str, rendered: Rendered, *, key: str, now: datetime) -> AlerterError | None:
    """Send one message past the outbox (a test); return what went wrong, or None."""
    try:
        channel.send(recipient, rendered, key=key, thread=key, thread_ref=None, created_at=now, possible_repeat=False)
    except DeliveryError as error:
        return error
    return None
