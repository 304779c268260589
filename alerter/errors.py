"""Every error that this project raises on purpose, on one screen.

An error tells a person what happened, where, and what to do.  Library exceptions are wrapped where the
library lives; `cli` alone turns an error into words and an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class AlerterError(Exception):
    """Anything this project raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


# ------------------------------------------------------------------ config
@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file: `line` and `column` count from 1 (0: unknown); `path` is like `rules[0].cap`."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where} {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(AlerterError):
    """A config that cannot be used, with every problem found in it, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(AlerterError):
    """A command called with something that does not exist or does not fit."""

    exit_code = 2


# ------------------------------------------------------------------ the Leaf API
class LeafError(AlerterError):
    """A call to the Leaf API that brought no usable answer; `reason` is a short stable word for logs and metrics."""

    reason = "leaf"

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after  # seconds, already clamped


class LeafUnauthorized(LeafError):
    """401 after a fresh login, or a login that was refused: the credentials are wrong."""

    reason = "unauthorized"


class LeafForbidden(LeafError):
    """403: the account may not see this."""

    reason = "forbidden"


class LeafNotFound(LeafError):
    """404: no such contract or user."""

    reason = "not_found"


class LeafRejected(LeafError):
    """Any other 4xx: the server did not like the request."""

    reason = "rejected"


class LeafRateLimited(LeafError):
    """429: come back after `retry_after` seconds."""

    reason = "rate_limited"


class LeafUnavailable(LeafError):
    """5xx, a redirect, or no answer at all: DNS, refused, reset, timeout, TLS."""

    reason = "unavailable"


class LeafMalformed(LeafError):
    """An answer that is not what the API promises; `sample` holds at most 4 KiB of it, masked."""

    reason = "malformed"

    def __init__(self, message: str, *, status: int | None = None, sample: str = "") -> None:
        super().__init__(message, status=status)
        self.sample = sample


# ------------------------------------------------------------------ the store
class StoreError(AlerterError):
    """The database did not do what was asked; nothing of the transaction was kept."""


class StoreDown(StoreError):
    """The database as a whole cannot be used now, whatever was asked of it."""


class StoreBusy(StoreDown):
    """The database is locked by somebody else right now, or went away: try again at the next tick."""


class StoreUnwritable(StoreDown):
    """Nothing can be stored until somebody helps: the disk is full, read-only or ill.  The data are unharmed."""


class StoreLost(StoreDown):
    """The database is damaged, deleted or replaced under us: going on would make it worse."""


class StoreHeld(StoreError):
    """Another daemon holds this SQLite database; the message names it."""

    exit_code = 75  # EX_TEMPFAIL


class SchemaError(StoreError):
    """The database's schema is older or newer than this program, or no alerter database at all."""

    exit_code = 3


# ------------------------------------------------------------------ delivery
class DeliveryError(AlerterError):
    """One attempt to hand over one message failed.

    `permanent`: trying again cannot help.  `ambiguous`: it may have arrived all the same.
    `retry_after`: seconds the receiver asked us to wait, or None.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        ambiguous: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.ambiguous = ambiguous
        self.retry_after = retry_after


class TemplateError(AlerterError):
    """A message template that cannot be compiled or rendered; the message names file and line."""

    exit_code = 2
