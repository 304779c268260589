"""Sockets that know the deadline of the call they work for: name lookup, connect, TLS, headers and body included.

A read timeout starts anew with every byte, so a server that trickles holds a plain client for ever.  Here every
single socket operation asks the running call's `Deadline` how much time is left.
"""

from __future__ import annotations

import contextvars
import ipaddress
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

SLICE_SECONDS = 0.25  # how often a waiting call looks whether it is to stop
POOL_SIZE = 32

_AddressInfo = tuple[Any, ...]  # as socket.getaddrinfo gives it


class DeadlineExceeded(TimeoutError):
    """The call's time is over."""


class Stopped(TimeoutError):
    """The client was closed while the call was under way."""


class Deadline:
    """One call's time limit in seconds from now; `step` says what the call is doing, for the error message.

    It runs on the machine's own clock, because the waiting is the machine's: under a clock that a test holds still
    or moves by days, a silent server would hold the call for ever and a good one would be cut off.
    """

    def __init__(self, seconds: float, stopped: threading.Event) -> None:
        self.seconds = seconds
        self.step = "waiting for the answer"
        self._ends = time.monotonic() + seconds
        self._stopped = stopped

    def left(self) -> float:
        """Return the seconds left, more than 0; raise DeadlineExceeded or Stopped otherwise."""
        if self._stopped.is_set():
            raise Stopped
        left = self._ends - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded
        return left

    def over(self) -> bool:
        """Say whether the time is over, or the client closed."""
        return self._stopped.is_set() or time.monotonic() >= self._ends

    def slice(self) -> float:
        """Return how long to wait before looking again, in seconds; raise as `left` does."""
        return min(self.left(), SLICE_SECONDS)


RUNNING: contextvars.ContextVar[Deadline] = contextvars.ContextVar("alerter_leaf_deadline")


class _Patient(socket.socket):
    """A socket whose operations end with the running call's deadline; base of the plain and the TLS kind."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        while True:
            self.settimeout(RUNNING.get().slice())
            try:
                return super().recv_into(*args, **kwargs)
            except TimeoutError:
                continue  # `slice` raises as soon as the time is really over

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        while True:
            self.settimeout(RUNNING.get().slice())
            try:
                return super().recv(*args, **kwargs)
            except TimeoutError:
                continue

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(RUNNING.get().left())
        super().sendall(*args, **kwargs)


class PlainSocket(_Patient):
    """The socket under a plain connection, and under a TLS one until the handshake."""


class TLSSocket(_Patient, ssl.SSLSocket):
    """The socket of a TLS connection; OpenSSL resumes a read that timed out where it was."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands within the time left."""
        deadline = RUNNING.get()
        deadline.step = "negotiating TLS"
        self.settimeout(deadline.left())
        super().do_handshake(block)
        deadline.step = "waiting for the answer"


class _Lookups:
    """Name lookups that can be given up; a stuck one is joined by the next call instead of starting another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], Future[list[_AddressInfo]]] = {}

    def addresses(self, host: str, port: int, deadline: Deadline) -> list[_AddressInfo]:
        """Return the addresses of `host`; raise socket.gaierror, or what the deadline raises."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            future = self._start(host, port)
        else:
            return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        while True:
            patience = deadline.slice()
            try:
                return future.result(patience)
            except TimeoutError:
                if future.done():
                    raise

    def _start(self, host: str, port: int) -> Future[list[_AddressInfo]]:
        with self._lock:
            future = self._pending.get((host, port))
            if future is None:
                future = self._pending[host, port] = Future()
                # a daemon thread: a resolver that hangs for minutes must not keep the process from ending
                threading.Thread(target=self._look_up, args=(host, port, future), name="leaf-dns", daemon=True).start()
            return future

    def _look_up(self, host: str, port: int, future: Future[list[_AddressInfo]]) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as failure:
            error = failure if isinstance(failure, OSError) else socket.gaierror(socket.EAI_NONAME, str(failure))
            self._forget(host, port)
            future.set_exception(error)
        else:
            self._forget(host, port)
            future.set_result([*found])

    def _forget(self, host: str, port: int) -> None:
        with self._lock:
            self._pending.pop((host, port), None)


_LOOKUPS = _Lookups()


def _dial(connection: HTTPConnection) -> socket.socket:
    """Connect to the first address that answers, sharing the time left among those not tried yet."""
    deadline = RUNNING.get()
    host = connection._dns_host.strip("[]")  # noqa: SLF001  (the subclassing hook of urllib3 that its own SOCKS support uses)
    deadline.step = "looking up the host's name"
    try:
        addresses = _LOOKUPS.addresses(host, connection.port, deadline)
    except socket.gaierror as failure:
        raise NameResolutionError(host, connection, failure) from failure
    deadline.step = "connecting"
    error: OSError = OSError("the name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = PlainSocket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(deadline.left() / (len(addresses) - tried))
            sock.connect(address)
            sock.settimeout(deadline.left())
        except OSError as failure:
            sock.close()
            error = failure
            deadline.left()  # no further address when the time is over
            continue
        deadline.step = "waiting for the answer"
        return sock
    raise NewConnectionError(connection, str(error)) from error


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _dial(self)


class _TLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _dial(self)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS = {"http": _PlainPool, "https": _TLSPool}


class DeadlineAdapter(HTTPAdapter):
    """A requests adapter whose connections obey the running call's deadline; it never retries by itself."""

    def __init__(self, *, verify: bool) -> None:
        self._context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
        self._context.sslsocket_class = TLSSocket
        super().__init__(pool_maxsize=POOL_SIZE, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Return the pools of connections through `proxy`."""
        proxies = super().proxy_manager_for(proxy, ssl_context=self._context, **proxy_kwargs)
        proxies.pool_classes_by_scheme = _POOLS
        return proxies
