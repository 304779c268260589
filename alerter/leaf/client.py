"""The Leaf API as typed answers: what `LeafClient` returns is complete and checked, or it raises a LeafError.

Source of the addresses and fields: Leaf's reference of the Usage Monitoring, authentication and Leaf user endpoints.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import NoReturn, TypeVar
from urllib.parse import quote

from alerter.core.answers import (
    ContractAnswer,
    ContractsAnswer,
    RangeAnswer,
    SummaryAnswer,
    Unchanged,
    UserAnswer,
)
from alerter.errors import (
    LeafError,
    LeafMalformed,
    LeafRateLimited,
    LeafUnauthorized,
    LeafUnavailable,
)
from alerter.leaf import wire
from alerter.leaf.auth import Auth, Credentials, Password
from alerter.leaf.masking import mask, one_line, sample_of
from alerter.leaf.paging import PAGE_SIZE, Page, PageWalk, Query
from alerter.leaf.replies import REDIRECTS, error_for, retry_after_of, skew_of, why_not_json
from alerter.leaf.transport import Reply, Transport

log = logging.getLogger("alerter.leaf")

BILLING = "/services/billingapplication/api/billing/contracts"
USERS = "/services/usermanagement/api/users"
AUTHENTICATE = "/api/authenticate"

RETRIES = 2
FIRST_PAUSE_SECONDS = 0.5
SHORT_WAIT_SECONDS = 5.0  # a Retry-After up to this is waited for within the call
CONTRACT_PAGE_CAP = 50
USER_PAGE_CAP = 2000  # 200,000 users

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One HTTP exchange: `endpoint` is a short name, `status` None when no complete answer came."""

    endpoint: str  # contracts, contract, summary, owner_range, user_range, users, authenticate
    status: int | None
    seconds: float
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One question: everything about a request but the token."""

    endpoint: str
    path: str
    query: Mapping[str, str]
    method: str = "GET"

    @property
    def where(self) -> str:
        return f"{self.method} {self.path}"


def _segment(name: str) -> str:
    """Return an opaque id as one path segment; raise ValueError for an empty one."""
    if not name:
        raise ValueError("an id must not be empty")
    encoded = quote(name, safe="")
    return encoded.replace(".", "%2E") if encoded in (".", "..") else encoded


def _timestamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"


class LeafClient:
    """One account's view of the API; usable from several threads at once.

    `monotonic` in seconds and `now` (aware, UTC) time logins and quiet spells; `wait` takes seconds and says True
    when the daemon is stopping.  `deadline` in seconds bounds each HTTP exchange as a whole, `body_cap` in bytes its
    decompressed body; a call makes at most 3 exchanges, or 6 where a login falls in between.  `on_call` hears of
    every exchange, on the calling thread.  Raises ValueError for an address that cannot be used safely.
    """

    def __init__(
        self,
        *,
        base_url: str,
        credentials: Credentials,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        wait: Callable[[float], bool],
        deadline: float = 30.0,
        body_cap: int = 32 * 2**20,
        proxy: str | None = None,
        verify: bool | str = True,
        on_call: Callable[[CallRecord], None] | None = None,
    ) -> None:
        self._transport = Transport(base_url=base_url, deadline=deadline, body_cap=body_cap, proxy=proxy, verify=verify)
        self._monotonic = monotonic
        self._now = now
        self._wait = wait
        self._on_call = on_call
        self._skew: timedelta | None = None
        self._auth = Auth(credentials, login=self._log_in, monotonic=monotonic, now=now, wait=wait)
        self._quiet_lock = threading.Lock()
        self._quiet_until = float("-inf")  # by `monotonic`: a 429 speaks to all threads of the account
        if verify is False:
            log.warning("action=tls_unverified", extra={"fields": {"host": self._transport.host}})

    def __repr__(self) -> str:
        return f"LeafClient({self._transport.host})"

    @property
    def clock_skew(self) -> timedelta | None:
        """How far our clock was ahead of the server's at its newest answer, to a second; None where it told no time."""
        return self._skew

    # -------------------------------------------------------------- questions
    def fetch_contracts(self) -> ContractsAnswer:
        """Return every contract listed; `complete` is False where pages were missing or contradicted one another."""
        walk = self._walk("contracts", BILLING, wire.parse_contracts, lambda item: item.id, CONTRACT_PAGE_CAP)
        complete = walk.run({})  # as documented: the list is asked for without parameters
        try:
            contracts = wire.refuse_ambiguous(walk.items)
        except wire.Unreadable as problem:
            raise LeafMalformed(f"GET {BILLING}: the answer cannot be used: {problem}", status=200) from None
        return ContractsAnswer(contracts=contracts, complete=complete)

    def fetch_contract(self, contract_id: str) -> ContractAnswer:
        """Return one contract's details; raise LeafNotFound when it is gone."""
        call = _Call(endpoint="contract", path=f"{BILLING}/{_segment(contract_id)}", query={})
        reply = self._ask(call)
        answer = self._parsed(call, reply, wire.parse_contract)
        if answer.id != contract_id:
            self._refuse(call, reply, f"it describes contract {one_line(answer.id, 60)} instead")
        return answer

    def fetch_summary(
        self, contract_id: str, day: date | None = None, *, known_hash: bytes | None = None
    ) -> SummaryAnswer | Unchanged:
        """Return the summary of a UTC day, of today without one; Unchanged if its body has the hash known already."""
        call = _Call(
            endpoint="summary",
            path=f"{BILLING}/{_segment(contract_id)}/consumption",
            query={} if day is None else {"timestamp": _timestamp(day)},
        )
        reply = self._ask(call)
        self._check_body(call, reply)
        if known_hash is not None and wire.body_hash(reply.body) == known_hash:
            return Unchanged(body_hash=known_hash)
        answer = self._parsed(call, reply, wire.parse_summary)
        if day is not None and answer.day != day:
            self._refuse(call, reply, f"asked for {day}, it answered for {answer.day}")
        return answer

    def fetch_owner_range(
        self, contract_id: str, start_on: date, end_on: date, *, may_fall: bool = False
    ) -> RangeAnswer:
        """Return the organisation's usage (overlap removed) from one UTC day to another, as the server cuts it."""
        path = f"{BILLING}/{_segment(contract_id)}/consumption/api-owner"
        return self._range("owner_range", path, (start_on, end_on), may_fall=may_fall)

    def fetch_user_range(
        self, contract_id: str, user_id: str, start_on: date, end_on: date, *, may_fall: bool = False
    ) -> RangeAnswer:
        """Return one Leaf user's usage from one UTC day to another, as the server cuts it."""
        path = f"{BILLING}/{_segment(contract_id)}/consumption/leaf-user/{_segment(user_id)}"
        return self._range("user_range", path, (start_on, end_on), may_fall=may_fall)

    def fetch_users(self) -> tuple[UserAnswer, ...]:
        """Return the Leaf users that the server lists, each once; what is missing is logged, for names are optional."""
        walk = self._walk("users", USERS, wire.parse_users, lambda item: item.id, USER_PAGE_CAP)
        walk.run({"page": "0", "size": str(PAGE_SIZE)})
        return tuple({item.id: item for item in walk.items}.values())

    def close(self) -> None:
        """End the calls under way, within a quarter of a second, and let go of all connections."""
        self._transport.close()

    # -------------------------------------------------------------- shapes of questions
    def _range(self, endpoint: str, path: str, span: tuple[date, date], *, may_fall: bool) -> RangeAnswer:
        query = {"startTime": _timestamp(span[0]), "endTime": _timestamp(span[1])}
        call = _Call(endpoint=endpoint, path=path, query=query)
        return self._parsed(call, self._ask(call), partial(wire.parse_range, may_fall=may_fall))

    def _walk(
        self, endpoint: str, path: str, parse: Callable[[bytes], list[T]], key: Callable[[T], str], page_cap: int
    ) -> PageWalk[T]:
        def fetch(query: Query) -> Page[T]:
            call = _Call(endpoint=endpoint, path=path, query=query)
            reply = self._ask(call)
            return Page(items=self._parsed(call, reply, parse), headers=reply.headers)

        return PageWalk(fetch, url=self._transport.base_url + path, key=key, page_cap=page_cap)

    def _parsed(self, call: _Call, reply: Reply, parse: Callable[[bytes], T]) -> T:
        self._check_body(call, reply)
        try:
            return parse(reply.body)
        except wire.Unreadable as problem:
            self._refuse(call, reply, str(problem))

    def _check_body(self, call: _Call, reply: Reply) -> None:
        """Refuse what is not even an attempt at the JSON that was asked for, in words a person understands."""
        problem = why_not_json(reply)
        if problem:
            self._refuse(call, reply, problem)

    def _refuse(self, call: _Call, reply: Reply, problem: str) -> NoReturn:
        secrets = self._auth.secrets
        raise LeafMalformed(
            # The address is ours: only what the server said could be a secret, and paths look like opaque tokens.
            f"{call.where}: the answer cannot be used: {mask(problem, secrets)}; nothing of it was kept",
            status=reply.status,
            sample=sample_of(reply.body, secrets),
        )

    # -------------------------------------------------------------- calls
    def _ask(self, call: _Call) -> Reply:
        """Return a 200 answer, with a new login and one more try where the token was refused; raise LeafError."""
        bearer = self._auth.bearer()
        reply = self._persist(call, bearer.token)
        if reply.status == 401:
            bearer = self._auth.renewed(bearer, call.where)
            reply = self._persist(call, bearer.token)
            if reply.status == 401:
                raise self._auth.rejected(bearer, call.where)
        self._auth.accepted(bearer)
        if reply.status != 200:
            raise self._error(call.where, reply)
        return reply

    def _persist(self, call: _Call, token: str) -> Reply:
        """Return an answer, after up to 2 retries of what may pass by itself; raise LeafError."""
        budget = self._transport.deadline()  # a server that used it all up is not asked again at once
        for attempt in range(RETRIES):
            try:
                if attempt == 0:
                    self._respect_quiet(call)
                return self._exchange(call, token)
            except (LeafUnavailable, LeafRateLimited) as failure:
                pause = _pause(failure, attempt)
                if pause is None or budget.over():
                    raise
                log.info(
                    "action=call_retry",
                    extra={"fields": {"endpoint": call.endpoint, "reason": failure.reason, "pause": round(pause, 2)}},
                )
            if self._wait(pause):
                raise LeafUnavailable("stopping")
        return self._exchange(call, token)

    def _exchange(self, call: _Call, token: str) -> Reply:
        """Make one exchange; raise LeafUnavailable or LeafRateLimited for the answers that say so."""
        headers = {"Authorization": f"Bearer {token}"}
        reply = self._recorded(call.endpoint, "GET", call.path, headers, query=call.query)
        if reply.status == 429:
            self._keep_quiet(retry_after_of(reply.headers.get("Retry-After"), self._now()))
        if reply.status == 429 or reply.status >= 500 or reply.status in REDIRECTS:
            raise self._error(call.where, reply)
        return reply

    def _recorded(
        self,
        endpoint: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        started = self._monotonic()
        status: int | None = None
        try:
            reply = self._transport.exchange(
                method, path, query=query, headers=headers, body=body, secrets=self._auth.secrets
            )
            status = reply.status
            self._skew = skew_of(reply.headers.get("Date"), self._now())
        except LeafError as failure:
            status = failure.status
            raise
        else:
            return reply
        finally:
            if self._on_call is not None:
                seconds = self._monotonic() - started
                self._on_call(CallRecord(endpoint=endpoint, status=status, seconds=seconds, ok=status == 200))

    def _respect_quiet(self, call: _Call) -> None:
        """Raise LeafRateLimited while an earlier 429 of this account still asks for quiet."""
        with self._quiet_lock:
            left = self._quiet_until - self._monotonic()
        if left > 0:
            raise LeafRateLimited(
                f"{call.where}: not asked, because Leaf limits this account's calls for another {left:.0f} s",
                status=429,
                retry_after=max(1.0, left),
            )

    def _keep_quiet(self, seconds: float) -> None:
        with self._quiet_lock:
            self._quiet_until = max(self._quiet_until, self._monotonic() + seconds)

    def _log_in(self, credentials: Password) -> str:
        """Exchange the credentials for a token, in one exchange; raise LeafError, LeafUnauthorized when refused."""
        question = {"username": credentials.username, "password": credentials.password, "rememberMe": "true"}
        call = _Call(endpoint="authenticate", path=AUTHENTICATE, query={}, method="POST")
        reply = self._recorded(
            "authenticate",
            "POST",
            AUTHENTICATE,
            {"Content-Type": "application/json"},
            body=json.dumps(question).encode(),
        )
        if reply.status in (400, 401, 403):
            raise LeafUnauthorized(
                f"{call.where}: Leaf refused the login ({reply.status}); check the account's username and password",
                status=reply.status,
            )
        if reply.status != 200:
            raise self._error(call.where, reply)
        return self._parsed(call, reply, wire.parse_login)

    def _error(self, where: str, reply: Reply) -> LeafError:
        return error_for(where, reply, host=self._transport.host, now=self._now(), secrets=self._auth.secrets)


def _pause(failure: LeafError, attempt: int) -> float | None:
    """Return the seconds to wait before the next attempt, with jitter; None when retrying now is no use."""
    if failure.status in REDIRECTS:
        return None
    jitter: float = random.uniform(0.5, 1.5)  # noqa: S311  (spreads load, guards nothing)
    if failure.retry_after is not None:
        return None if failure.retry_after > SHORT_WAIT_SECONDS else failure.retry_after + jitter / 2
    pause: float = FIRST_PAUSE_SECONDS * 2**attempt * jitter
    return pause
