"""Send what is in the outbox: claim, render, send, mark; no transaction is open while a message is on its way.

A crash between a receiver's acceptance and our mark costs one copy more, never a message.  Rows of one recipient go out
in order; recipients do not wait for one another.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from alerter.app.clock import Clock
from alerter.errors import AlerterError, DeliveryError
from alerter.notify import Channel, Rendered, Renderer
from alerter.store import OutboxMessage, Store

log = logging.getLogger("alerter.deliver")

LEASE = timedelta(minutes=15)  # longer than any channel's deadline and the pace before it
GIVE_UP_AFTER = timedelta(hours=72)
BACKOFF = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)  # seconds; the last one again and again
JITTER = 0.2
BATCH = 64
THREADS = 4
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

    def drain(self) -> DeliveryOutcome:
        """Deliver until nothing is due; one recipient's failure leaves the others going."""
        outcome = DeliveryOutcome()
        with ThreadPoolExecutor(THREADS, "deliver") as pool:
            while not self._stop.is_set():
                now = self._clock.now()
                with self._store.write() as tx:
                    claimed = tx.outbox.claim(self._owner, now, LEASE, BATCH, list(self._channel_of))
                if not claimed:
                    break
                self._beat()
                outcome = sum(pool.map(self._deliver, claimed), outcome)
        return outcome

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
        channel = self._channel_of[message.recipient]
        if self._waits_in_vain(message.recipient):
            self._give_back(message)
            return DeliveryOutcome()
        rendered = self._renderer.render(message.payload, self._service_of[message.recipient], message.channel)
        if rendered.error:
            log.error("action=template_failed", extra={"fields": {"key": message.key, "error": rendered.error}})
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
        with self._store.write() as tx:  # the very next statement: what lies between is the window for a copy
            tx.outbox.mark_sent(message.id, self._clock.now(), receipt.thread_ref)
        log.info("action=message_sent", extra={"fields": self._fields(message)})
        if self._listener is not None:
            self._listener(message, rendered)
        return DeliveryOutcome(sent=1)

    def _waits_in_vain(self, recipient: str) -> bool:
        """Keep the recipient's pace; True when told to stop meanwhile."""
        spoke_at, pace = self._spoke_at.get(recipient), self._pace_of[recipient]
        now = self._clock.monotonic()
        if spoke_at is not None and now < spoke_at + pace and self._clock.wait(spoke_at + pace - now, self._stop):
            return True
        self._spoke_at[recipient] = self._clock.monotonic()
        return False

    def _give_back(self, message: OutboxMessage) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            tx.outbox.mark_failed(message.id, "stopped before it was sent", now, now, ambiguous=False)

    def _failed(self, message: OutboxMessage, error: DeliveryError) -> DeliveryOutcome:
        now = self._clock.now()
        gone = error.permanent or now - message.queued_at >= GIVE_UP_AFTER
        with self._store.write() as tx:
            if gone:
                tx.outbox.mark_dead(message.id, error.reason, now)
            else:
                again_at = now + timedelta(seconds=backoff(message.attempts, error.retry_after, _JITTER.random()))
                attempt = message.attempts
                tx.outbox.mark_failed(message.id, error.reason, now, again_at, error.ambiguous, attempt=attempt)
        fields = self._fields(message, error=error.reason, permanent=error.permanent, ambiguous=error.ambiguous)
        if gone:
            log.error("action=message_dead", extra={"fields": fields})
            return DeliveryOutcome(dead=1)
        log.warning("action=message_failed", extra={"fields": fields})
        return DeliveryOutcome(failed=1)

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
