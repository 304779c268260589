"""Know whether every worker moves: the watchdog is fed only while none of them has overstayed its step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Heartbeats:
    """Keeps, per worker at work, the monotonic second by which it must show itself again."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._steps: dict[str, tuple[float, float]] = {}  # name -> (limit in seconds, deadline)

    @contextmanager
    def step(self, name: str, seconds: float) -> Iterator[None]:
        """Say that `name` works on something that takes at most `seconds` between two beats."""
        with self._lock:
            self._steps[name] = (seconds, self._monotonic() + seconds)
        try:
            yield
        finally:
            with self._lock:
                self._steps.pop(name, None)

    def beat(self, name: str) -> None:
        """Say that `name` has moved; nothing happens outside its step."""
        with self._lock:
            if name in self._steps:
                limit, _ = self._steps[name]
                self._steps[name] = (limit, self._monotonic() + limit)

    def busy(self) -> bool:
        """Whether any worker is at work."""
        with self._lock:
            return bool(self._steps)

    def overdue(self) -> list[str]:
        """Return the names of the workers that have overstayed."""
        now = self._monotonic()
        with self._lock:
            return sorted(name for name, (_, deadline) in self._steps.items() if now > deadline)
