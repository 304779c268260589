"""Say that the database cannot be used: once in the log, and to people by a way that needs no database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from alerter.app.clock import Clock
from alerter.app.compose import PAYLOAD_SCHEMA
from alerter.app.deliver import send_now
from alerter.app.plan import Plan
from alerter.core.routing import routed
from alerter.errors import StoreBusy, StoreError

log = logging.getLogger("alerter.storage")

SAY_AGAIN = 3600.0  # seconds between two words on the same trouble
PATIENCE = 300.0  # seconds that a busy or absent database may take before people are told
RETRY_FIRST, RETRY_LAST = 5.0, 60.0  # seconds between two tries of one worker


class StorageWatch:
    """Keeps which workers cannot use the database; safe for threads.

    `tell(text, over, since)` is called in a thread of its own, at most once an hour while it lasts and once when it is
    over: at once when nothing can be stored, after five minutes when the database is only busy or away.
    """

    def __init__(self, clock: Clock, tell: Callable[[str, bool, datetime], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}  # by worker, in a row
        self._since = 0.0
        self._since_at = clock.now()
        self._said: dict[str, float] = {}
        self._told_at: float | None = None
        self._last = ""
        self._notice: threading.Thread | None = None

    def failed(self, worker: str, error: StoreError) -> float:
        """Take note of one failure and return the seconds after which to try again."""
        now = self._clock.monotonic()
        with self._lock:
            if not self._failures:
                self._since, self._since_at = now, self._clock.now()
            count = self._failures[worker] = self._failures.get(worker, 0) + 1
            kind, self._last = type(error).__name__, str(error)
            is_news = now - self._said.get(kind, -SAY_AGAIN) >= SAY_AGAIN
            if is_news:
                self._said[kind] = now
            is_due = not isinstance(error, StoreBusy) or now - self._since >= PATIENCE
            is_to_tell = is_due and (self._told_at is None or now - self._told_at >= SAY_AGAIN)
            if is_to_tell:
                self._told_at = now
        pause = min(RETRY_LAST, RETRY_FIRST * 2.0 ** min(count - 1, 10))
        if is_news:
            fields = {"worker": worker, "error": str(error), "next_try_s": pause}
            log.log(_level(error), "action=storage_failed", extra={"fields": fields})
        if is_to_tell:
            self._in_background(str(error), over=False)
        return pause

    def worked(self, worker: str) -> None:
        """Take note that a worker could use the database; the last one to say so after a failure ends the trouble."""
        with self._lock:
            if self._failures.pop(worker, None) is None or self._failures:
                return
            seconds, was_told = self._clock.monotonic() - self._since, self._told_at is not None
            self._said.clear()
            self._told_at = None
        log.info("action=storage_recovered", extra={"fields": {"seconds": round(seconds, 1)}})
        if was_told:
            self._in_background("the database can be used again", over=True)

    def forget(self, kept: Callable[[str], bool]) -> None:
        """Forget the workers that are no more."""
        with self._lock:
            self._failures = {worker: count for worker, count in self._failures.items() if kept(worker)}

    @property
    def trouble(self) -> str:
        """What is wrong now, "" when nothing is."""
        with self._lock:
            return self._last if self._failures else ""

    def _in_background(self, text: str, *, over: bool) -> None:
        args = (text, over, self._since_at)
        self._notice = threading.Thread(target=self._tell, args=args, name="storage notice", daemon=True)
        self._notice.start()

    def finish(self, seconds: float) -> None:
        """Give the last notice so long to get away."""
        if self._notice is not None:
            self._notice.join(seconds)


def _level(error: StoreError) -> int:
    return logging.WARNING if isinstance(error, StoreBusy) else logging.ERROR


def announce(plan: Plan, text: str, *, over: bool, owner: str, since: datetime, now: datetime) -> None:
    """Send the notice to everybody who hears of `kind=health`, past the outbox; what cannot be sent is logged."""
    labels = {"kind": "health", "rule": "storage", "severity": "critical", "account": ""}
    for name in routed(plan.cycle.routes, labels):
        channel = plan.channels[name]
        for recipient in channel.recipients:
            payload = _payload(text, recipient.id, over=over, owner=owner, since=since, now=now)
            rendered = plan.renderer.render(payload, recipient.service, name)
            error = send_now(channel, recipient.id, rendered, key=payload["key"], now=now)
            fields = {"recipient": recipient.id, "over": over, "error": str(error or "")}
            log.log(logging.WARNING if error else logging.INFO, "action=storage_notice", extra={"fields": fields})


def _payload(text: str, recipient: str, *, over: bool, owner: str, since: datetime, now: datetime) -> dict[str, Any]:
    severity = "info" if over else "critical"
    figures: Mapping[str, Any] = {
        "message": text,
        "daemon": owner,
        "meanwhile": "polls go on as soon as figures can be kept again" if over else "nothing new is kept or judged",
    }
    item: dict[str, Any] = {
        "reason": "resolved" if over else "firing",
        "detail": "",
        "rule": "storage",
        "kind": "storage",
        "severity": severity,
        "level": 1.0,
        "tier": "",
        "passed": [],
        "user": None,
        "since": since.isoformat(),
        "repeat": 0,
        "remind_for_s": None,
        "fingerprint": "storage",
        "episode": 1,
        "where": "",
        "threshold": "",
        "held": False,
        "figures": dict(figures),
    }
    return {
        "schema": PAYLOAD_SCHEMA,
        "kind": "health",
        "key": f"storage:{owner}:{since:%Y%m%dT%H%M%S}:{now:%Y%m%dT%H}:{'over' if over else 'on'}:{recipient}",
        "recipient": recipient,
        "account": "",
        "contract": None,
        "severity": severity,
        "made_at": now.isoformat(),
        "data_at": None,
        "newest_day": None,
        "items": [item],
        "more": 0,
    }
