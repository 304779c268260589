"""The only place that asks what time it is, and the only way to wait: real, or virtual for tests and demo."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

# How late a virtual wait may notice its event, in real seconds: nothing wakes it when somebody sets a plain Event.
_EVENT_CHECK = 0.02


class Clock(Protocol):
    """Wall time, elapsed time and interruptible waiting; every method may be called from any thread."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin that never fall, whoever sets the wall clock."""
        ...

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait until `stop` is set (True) or `seconds` of monotonic time have passed (False)."""
        ...

    def drift(self) -> timedelta:
        """Return how far the wall clock moved against monotonic time since this was last asked, or since the start."""
        ...


class SystemClock:
    """The machine's clocks.

    Linux stops the monotonic clock while the machine sleeps, so a suspension shows as positive drift, and a clock
    set back as negative drift: both mean that whoever sleeps until a wall time has to look again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = (self.now(), self.monotonic())

    def now(self) -> datetime:
        """Return the machine's time, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one clock that everybody else asks

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait until `stop` is set (True) or `seconds` have passed (False); nothing or less only looks."""
        return stop.wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX))

    def drift(self) -> timedelta:
        """Return the wall clock's movement less the monotonic one since the last call."""
        with self._lock:
            wall, steady = self.now(), self.monotonic()
            before_wall, before_steady = self._last
            self._last = (wall, steady)
        return (wall - before_wall) - timedelta(seconds=steady - before_steady)


class VirtualClock:
    """A clock that stands still until it is moved, or flows by itself at `rate` virtual seconds per real one.

    A wait ends when time has been moved to its end, at once if its end is already reached; it never moves time
    itself, so several threads may wait for different instants and a driver decides what happens when.  Ends of
    waits are exact to the microsecond.  Times are aware UTC.
    """

    def __init__(self, start: datetime, *, rate: float = 0.0) -> None:
        self._start = start.astimezone(UTC)
        self._changed = threading.Condition()
        self._moved = timedelta(0)  # monotonic time up to the anchor
        self._jumped = timedelta(0)  # what the wall clock was set off by, beyond monotonic time
        self._asked = timedelta(0)  # the part of it that drift() has reported
        self._anchor = time.monotonic()
        self._rate = rate
        self._ends: list[timedelta] = []

    def now(self) -> datetime:
        """Return the virtual wall time."""
        with self._changed:
            return self._start + self._elapsed() + self._jumped

    def monotonic(self) -> float:
        """Return the virtual seconds since the start; jumps of the wall clock are not in it."""
        with self._changed:
            return self._elapsed().total_seconds()

    def drift(self) -> timedelta:
        """Return what `jump` did to the wall clock since this was last asked."""
        with self._changed:
            drift, self._asked = self._jumped - self._asked, self._jumped
            return drift

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Block until `stop` is set (True) or time was moved by `seconds` (False); nothing or less only looks."""
        with self._changed:
            end = self._elapsed() + timedelta(seconds=min(max(seconds, 0.0), threading.TIMEOUT_MAX))
            self._ends.append(end)
            self._changed.notify_all()  # wakes who is in until_waiting
            try:
                while not stop.is_set():
                    left = (end - self._elapsed()).total_seconds()
                    if left <= 0:
                        return False
                    self._changed.wait(min(_EVENT_CHECK, left / self._rate) if self._rate else _EVENT_CHECK)
                return True
            finally:
                self._ends.remove(end)

    def advance(self, by: timedelta) -> datetime:
        """Move wall and monotonic time forward, wake the waits that end by then, return the new time.

        Raises ValueError for a negative `by`.
        """
        if by < timedelta(0):
            raise ValueError("time only advances; use jump() to set the wall clock back")
        with self._changed:
            self._fold()
            self._moved += by
            self._changed.notify_all()
            return self._start + self._moved + self._jumped

    def set(self, at: datetime) -> None:
        """Advance to the instant `at`; raise ValueError if it has passed."""
        with self._changed:  # the lock is re-entrant: nobody moves time in between
            self.advance(at - self.now())

    def jump(self, by: timedelta) -> None:
        """Set the wall clock off by `by`, forward or back, as NTP would; no wait ends sooner or later for it."""
        with self._changed:
            self._jumped += by

    def flow(self, rate: float) -> None:
        """Let time pass by itself from now on, `rate` virtual seconds per real one; 0 stops it."""
        with self._changed:
            self._fold()
            self._rate = rate
            self._changed.notify_all()

    def next_wake(self) -> datetime | None:
        """Return the wall time at which the earliest of the running waits ends, None if nobody waits."""
        with self._changed:
            return self._start + min(self._ends) + self._jumped if self._ends else None

    def until_waiting(self, threads: int = 1, *, timeout: float = 5.0) -> bool:
        """Block until so many threads are in `wait`; False after `timeout` real seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._ends) >= threads, timeout)

    def _elapsed(self) -> timedelta:
        return self._moved + timedelta(seconds=self._rate * (time.monotonic() - self._anchor))

    def _fold(self) -> None:
        self._moved, self._anchor = self._elapsed(), time.monotonic()
