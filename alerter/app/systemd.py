"""Speak systemd's notify protocol: ready, status, reloading, stopping, watchdog (see sd_notify(3))."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Mapping

log = logging.getLogger("alerter.systemd")

_STATUS_LENGTH = 200
_SEND_TIMEOUT = 1.0  # seconds: a service manager that does not read must not hold the daemon


class Notifier:
    """Tell the service manager how the daemon is; without one every call does nothing and returns False."""

    def __init__(self, address: str | None) -> None:
        # "@name" is an address in the abstract namespace; anything else must be a path (no AF_VSOCK here).
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        if address and address[0] not in "/@":
            log.warning("action=notify_unsupported", extra={"fields": {"address": address}})
            self._address = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Notifier:
        """Build one from `$NOTIFY_SOCKET`."""
        return cls(env.get("NOTIFY_SOCKET") or None)

    @property
    def present(self) -> bool:
        """Whether somebody listens at all."""
        return self._address is not None

    def ready(self, status: str) -> bool:
        """Say that the start, or a reload, is done."""
        return self._send("READY=1", f"STATUS={_one_line(status)}")

    def status(self, status: str) -> bool:
        """Set the line that `systemctl status` shows."""
        return self._send(f"STATUS={_one_line(status)}")

    def reloading(self, monotonic: float) -> bool:
        """Say that a reload began at `monotonic` seconds (CLOCK_MONOTONIC); `ready` must follow, come what may."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * 1_000_000)}")

    def stopping(self, status: str) -> bool:
        """Say that the daemon is on its way out."""
        return self._send("STOPPING=1", f"STATUS={_one_line(status)}")

    def watchdog(self) -> bool:
        """Say that the daemon is alive; must come at least every `watchdog_interval`."""
        return self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> bool:
        """Ask for so many seconds more for the start or stop under way: a migration may take its time."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _send(self, *lines: str) -> bool:
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(_SEND_TIMEOUT)
                channel.connect(self._address)
                channel.sendall("\n".join(lines).encode("utf-8", "replace"))
        except (OSError, ValueError) as error:  # losing the service manager is no reason to stop working
            log.warning("action=notify_failed", extra={"fields": {"state": lines[0], "error": str(error)}})
            return False
        return True


def watchdog_interval(env: Mapping[str, str], pid: int) -> float | None:
    """Return the seconds within which `Notifier.watchdog` must be called, None if no watchdog is set for `pid`."""
    if env.get("WATCHDOG_PID") not in (None, "", str(pid)):
        return None
    text = env.get("WATCHDOG_USEC", "")
    return int(text) / 1_000_000 if re.fullmatch("[0-9]{1,18}", text) and int(text) > 0 else None


def _one_line(text: str) -> str:
    # The protocol's separator is the line feed: a name with one in it could otherwise send any state it likes.
    return "".join(char if char.isprintable() else " " for char in text)[:_STATUS_LENGTH]
