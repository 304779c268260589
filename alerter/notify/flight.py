"""One attempt to send: its own thread, a deadline over everything (name lookup included), and a way to cut it short.

Sockets have timeouts for each read, but nothing bounds a name lookup or a server that trickles.  So the attempt runs
in a daemon thread that the interpreter does not wait for; the caller waits for the end, the deadline or the cut.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from alerter.errors import DeliveryError

T = TypeVar("T")


class Flight(Generic[T]):
    """One attempt.  `sent` turns true before the first byte that the receiver could act upon."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._over = threading.Event()  # ended, cut or too late: whichever comes first
        self._cut = False
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.sent = False

    def hold(self, sock: socket.socket) -> None:
        """Register a socket that a cut closes; raise DeliveryError when the cut has come already."""
        with self._lock:
            self._sockets.add(sock)
        self.check()

    def check(self) -> None:
        """Raise DeliveryError if this attempt was given up: nothing may be sent after that."""
        if self._cut:
            raise DeliveryError("the attempt was given up", ambiguous=self.sent)

    def mark_sent(self) -> None:
        """Note that from now on the receiver may act, unless the attempt was given up: then raise DeliveryError."""
        with self._lock:
            self.check()
            self.sent = True

    def cut(self) -> None:
        """End the attempt from another thread: close its sockets and let the caller go."""
        with self._lock:
            self._cut = True
            for sock in self._sockets:
                with contextlib.suppress(OSError):  # not connected any more
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's own, which waits for the lock in use
        self._over.set()

    def run(self, attempt: Callable[[], T], name: str) -> T:
        """Return what `attempt` returns; raise what it raises, or DeliveryError when cut or late."""
        thread = threading.Thread(target=self._attempt, args=(attempt,), name=f"send-{name}", daemon=True)
        thread.start()
        in_time = self._over.wait(self._deadline)
        with self._lock:
            if self._result:
                return self._result[0]
            was_cut, error = self._cut, self._error
        if was_cut:
            raise DeliveryError("stopped while sending", ambiguous=True)
        if not in_time:
            self.cut()
            raise DeliveryError(f"no end after {self._deadline:.0f} s", ambiguous=True)
        raise error or DeliveryError("the attempt ended without a result", ambiguous=True)

    def _attempt(self, attempt: Callable[[], T]) -> None:
        try:
            result = attempt()
            with self._lock:
                self._result.append(result)
        except BaseException as error:  # noqa: BLE001  carried over to the caller's thread and raised there
            self._error = error
        finally:
            self._over.set()
