"""Who we are to the Leaf API: one login for all threads, renewed in time, never hammering a server that says no."""

from __future__ import annotations

import base64
import binascii
import logging
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from alerter.errors import LeafError, LeafMalformed, LeafRateLimited, LeafUnauthorized, LeafUnavailable

log = logging.getLogger("alerter.leaf")

LOGIN_SPACING_SECONDS = 60.0
LOGIN_BURST = 2.0  # the first login, and one more should the token die young
LONGEST_HOLD_SECONDS = 3600.0
RETRY_PAUSE_SECONDS = 2.0
_LONGEST_MARGIN_SECONDS = 300.0
_SENDABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Password:
    """A username (e-mail address) and its password, exchanged for tokens as needed."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.username or not self.password:
            raise ValueError("the account's username and password must not be empty")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return (self.username, self.password)


@dataclass(frozen=True, slots=True)
class Token:
    """A fixed token that somebody else renews."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        if _SENDABLE.fullmatch(self.token) is None:
            raise ValueError("the account's token is empty or holds characters that cannot be sent; copy it again")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return (self.token,)


Credentials = Password | Token


@dataclass(eq=False, slots=True)
class Bearer:
    """A token in use; `worked` is set by the first answer that was not a 401."""

    token: str = field(repr=False)
    renew_at: datetime | None = None  # by the wall clock
    renew_tick: float = math.inf  # by the monotonic clock, which no one sets back
    worked: bool = False
    trusted: bool = False  # its predecessor worked, so a 401 may be about one address only
    refused_on: set[str] = field(default_factory=set)


class _Claims(msgspec.Struct):
    exp: float
    iat: float | None = None


def _claims(token: str) -> _Claims | None:
    """Read a JSON web token's own times without trusting them; None when it is no such token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=_Claims)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _margin(lifetime: float) -> float:
    """Return how long before its end a token is renewed, in seconds."""
    return min(_LONGEST_MARGIN_SECONDS, lifetime / 10)


class Auth:
    """The tokens of one account, shared by its threads.

    `login` makes one request and returns a token or raises a LeafError; `wait` takes seconds and says True when
    stopping.  Logins are single-flight, at most one a minute after the first two, and wait up to an hour after
    refusals; meanwhile every call fails at once with the reason and the time of the next try.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        login: Callable[[Password], str],
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        wait: Callable[[float], bool],
    ) -> None:
        self._credentials = credentials
        self._login = login
        self._monotonic = monotonic
        self._now = now
        self._wait = wait
        self._lock = threading.Lock()
        self._bearer = Bearer(credentials.token) if isinstance(credentials, Token) else None
        self._allowance = LOGIN_BURST
        self._allowance_tick = monotonic()
        self._refusals = 0
        self._hold_tick = -math.inf
        self._last_failure: LeafError | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, the running token included."""
        bearer = self._bearer
        return (*self._credentials.secrets, bearer.token) if bearer is not None else self._credentials.secrets

    def bearer(self) -> Bearer:
        """Return a token to call with, after a login where none is at hand or it ends soon; raise LeafError."""
        with self._lock:
            current = self._bearer
            if current is not None and not self._ends_soon(current):
                return current
            try:
                return self._log_in()
            except LeafError:
                if current is not None and current.worked:
                    return current  # it may have minutes left: the server decides
                raise

    def renewed(self, refused: Bearer, where: str) -> Bearer:
        """Return a newer token than the one that met a 401 on `where`; raise LeafError when there is none to be had."""
        if isinstance(self._credentials, Token):
            raise LeafUnauthorized(
                f"{where}: Leaf refused the account's fixed token (401): it has expired or is wrong; put a new one "
                "into the config, or a username and password instead",
                status=401,
            )
        with self._lock:
            if self._bearer is not None and self._bearer is not refused:
                return self._bearer  # another thread was quicker
            if self._refusals and not refused.worked:
                raise self._reject(refused, where)  # the login of a backoff is one login, not two
            return self._log_in()

    def rejected(self, fresh: Bearer, where: str) -> LeafUnauthorized:
        """Note a 401 that a fresh token met on `where`, and return the error to raise."""
        with self._lock:
            return self._reject(fresh, where)

    def accepted(self, bearer: Bearer) -> None:
        """Note an answer other than 401."""
        if not bearer.worked:
            with self._lock:
                bearer.worked = True
                self._refusals = 0

    # The methods below are called with the lock held.
    def _reject(self, fresh: Bearer, where: str) -> LeafUnauthorized:
        """Return the error for a fresh token, and back off unless it or its predecessor worked, maybe elsewhere."""
        fresh.refused_on.add(where)
        hopeless = not fresh.worked and (not fresh.trusted or len(fresh.refused_on) > 1)
        if self._bearer is fresh and hopeless:
            self._bearer = None
            self._refuse()
        return LeafUnauthorized(
            f"{where}: Leaf answers 401 right after a login that it accepted; check that this account may use the "
            f"Usage Monitoring API{self._next_try()}",
            status=401,
            retry_after=max(1.0, self._seconds_to_next()),
        )

    def _ends_soon(self, bearer: Bearer) -> bool:
        if self._monotonic() >= bearer.renew_tick:
            return True
        return bearer.renew_at is not None and self._now() >= bearer.renew_at

    def _log_in(self) -> Bearer:
        assert isinstance(self._credentials, Password)  # noqa: S101  (a fixed token has no end and never gets here)
        self._may_log_in()
        try:
            try:
                token = self._attempt(self._credentials)
            except LeafUnavailable:
                if self._allowance < 1 or self._wait(RETRY_PAUSE_SECONDS):
                    raise
                token = self._attempt(self._credentials)
        except LeafError as failure:
            raise self._failed(failure) from None
        bearer = self._receive(token)
        bearer.trusted = self._bearer is not None and self._bearer.worked
        self._bearer = bearer
        self._last_failure = None
        log.info("action=login_done", extra={"fields": {"renew_at": bearer.renew_at}})
        return bearer

    def _attempt(self, credentials: Password) -> str:
        self._allowance -= 1
        return self._login(credentials)

    def _may_log_in(self) -> None:
        """Raise at once when the next login has to wait."""
        tick = self._monotonic()
        gained = (tick - self._allowance_tick) / LOGIN_SPACING_SECONDS
        self._allowance = min(LOGIN_BURST, self._allowance + gained)
        self._allowance_tick = tick
        if self._seconds_to_next() <= 0:
            return
        failure = self._last_failure or LeafUnauthorized(
            "Leaf refused (401) a token that it gave out a moment ago", status=401
        )
        message = f"{failure}{self._next_try()}"
        if isinstance(failure, LeafMalformed):
            raise LeafMalformed(message, status=failure.status, sample=failure.sample)
        raise type(failure)(message, status=failure.status, retry_after=max(1.0, self._seconds_to_next()))

    def _seconds_to_next(self) -> float:
        """Return the seconds until a login is allowed, 0 or less when it is now."""
        return max((1 - self._allowance) * LOGIN_SPACING_SECONDS, self._hold_tick - self._monotonic())

    def _next_try(self) -> str:
        at = self._now() + timedelta(seconds=max(0.0, self._seconds_to_next()))
        return f"; the next login is tried at {at:%Y-%m-%d %H:%M:%S} UTC"

    def _failed(self, failure: LeafError) -> LeafError:
        """Note a login that failed, and return the error to raise."""
        if isinstance(failure, LeafRateLimited) and failure.retry_after is not None:
            self._hold_tick = self._monotonic() + failure.retry_after
        if isinstance(failure, LeafUnauthorized):
            self._refuse()
            self._last_failure = failure
            log.warning(
                "action=login_refused", extra={"fields": {"refusals": self._refusals, "status": failure.status}}
            )
            return LeafUnauthorized(
                f"{failure}{self._next_try()}", status=failure.status, retry_after=max(1.0, self._seconds_to_next())
            )
        self._last_failure = failure
        return failure

    def _refuse(self) -> None:
        self._refusals += 1
        hold = min(LONGEST_HOLD_SECONDS, LOGIN_SPACING_SECONDS * 2 ** min(self._refusals - 1, 10))
        self._hold_tick = self._monotonic() + hold

    def _receive(self, token: str) -> Bearer:
        """Take a new token in, and plan its renewal by whatever it says of its end."""
        claims = _claims(token)
        if claims is None:
            return Bearer(token)  # nothing known: a 401 will tell
        now, tick = self._now(), self._monotonic()
        left = claims.exp - now.timestamp()
        lifetime = claims.exp - claims.iat if claims.iat is not None else left
        bearer = Bearer(token)
        if 0 < lifetime < math.inf:
            bearer.renew_tick = tick + lifetime - _margin(lifetime)
        if left <= 0:
            log.warning("action=token_expired_on_arrival", extra={"fields": {"seconds": -left}})  # a clock is wrong
        elif left < timedelta(days=3650).total_seconds():
            bearer.renew_at = now + timedelta(seconds=left - _margin(left))
        return bearer
