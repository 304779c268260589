"""A clock for simulated time: frozen, set, moved on by hand, or running at a multiple of real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Tell simulated time: `start` plus `speed` simulated seconds per real second; any thread may ask or set it.

    Calling it returns an aware UTC datetime.  Speed 0 (the default) stands still until set or advanced.
    """

    def __init__(self, start: datetime, *, speed: float = 0.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._base = _utc(start)
        self._speed = _checked(speed)
        self._since = monotonic()

    def __call__(self) -> datetime:
        """Return the simulated instant."""
        with self._lock:
            return self._now()

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        with self._lock:
            return self._speed

    def set(self, at: datetime) -> datetime:
        """Jump to `at`, back or forth, and return it; raise ValueError for a naive datetime."""
        with self._lock:
            self._base, self._since = _utc(at), self._monotonic()
            return self._base

    def advance(self, by: timedelta) -> datetime:
        """Move on by `by` (negative: back) and return the new instant."""
        with self._lock:
            self._base, self._since = self._now() + by, self._monotonic()
            return self._base

    def run_at(self, speed: float) -> None:
        """Run on from here at `speed` (0 stands still); raise ValueError for a negative or infinite one."""
        checked = _checked(speed)
        with self._lock:
            self._base, self._since, self._speed = self._now(), self._monotonic(), checked

    def _now(self) -> datetime:
        if not self._speed:
            return self._base
        return self._base + timedelta(seconds=(self._monotonic() - self._since) * self._speed)


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a clock needs an instant with its zone, for example 2026-03-02T00:00:00Z")
    return at.astimezone(UTC)


def _checked(speed: float) -> float:
    if not 0 <= speed <= 10_000_000:  # beyond that a year passes in three seconds: surely a slip
        raise ValueError(f"speed {speed} is not between 0 and 10,000,000")
    return float(speed)
