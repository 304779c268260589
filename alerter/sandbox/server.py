"""The sandbox on a socket: one thread per connection, every byte under control so that faults can be real."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from alerter.sandbox.api import Api
from alerter.sandbox.control import PREFIX, Control
from alerter.sandbox.effects import spoil
from alerter.sandbox.faults import Effect, Faults
from alerter.sandbox.replies import Reply, Request, RequestRecord, problem_reply
from alerter.sandbox.scenario import Scenario
from alerter.sandbox.tokens import Tokens
from alerter.sandbox.world import World

_BODY_CAP = 1 << 20
_RECORDS = 100_000
_BLANKS = b" " * 65_536
_STOP_FOR = 5.0
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class _Records:
    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=_RECORDS)

    def add(self, record: RequestRecord) -> None:
        self._records.append(record)

    def list(self) -> list[RequestRecord]:
        return list(self._records.copy())

    def clear(self) -> None:
        self._records.clear()


class SandboxServer:
    """Serve a scenario over HTTP by the given clock; `port` 0 takes any free one."""

    def __init__(
        self, scenario: Scenario, *, clock: Callable[[], datetime], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.scenario = scenario
        self.world = World(scenario)
        self.faults = Faults(scenario.faults, seed=scenario.seed)
        self._clock = clock
        account = scenario.account
        self._tokens = Tokens(
            seed=scenario.seed, lasts_for=account.token_lasts, remembered_for=account.remembered_token_lasts
        )
        self._api = Api(self.world, self._tokens)
        self._records = _Records()
        self._control = Control(clock=clock, faults=self.faults, world=self.world, recording=self._records)
        self._address = (host, port)
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    # -------------------------------------------------------------- life
    def start(self) -> SandboxServer:
        """Listen, and return itself; raise OSError where the address is taken."""
        self._listener = _Listener(self._address, self)
        self._address = (self._address[0], self._listener.server_address[1])  # the same port after a restart
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection and wait for the threads; it can be started again."""
        listener, thread = self._listener, self._thread
        self._listener = self._thread = None
        if listener is None or thread is None:
            return
        listener.shutdown()
        thread.join(_STOP_FOR)
        listener.server_close()

    def __enter__(self) -> Self:
        if self._listener is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # -------------------------------------------------------------- for tests
    @property
    def requests(self) -> list[RequestRecord]:
        """The requests to the API so far, oldest first; at most the last 100,000."""
        return self._records.list()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._records.clear()

    def token(self, *, remember: bool = True) -> str:
        """Return a fresh token, as a login would."""
        return self._tokens.issue(self.scenario.account.username, now=self._now(), remember=remember)

    def expire_tokens(self) -> None:
        """Make every token issued so far an expired one."""
        self._tokens.revoke_all()

    # -------------------------------------------------------------- answering
    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = urlsplit(target)
        request = Request(
            method=method, path=parts.path, query_text=parts.query, headers=headers, body=body,
            now=self._now(), base=self.url,
        )  # fmt: skip
        if request.segments[0] == PREFIX:
            return self._control.answer(request)
        firing = self.faults.firing(request, self._api.contract_named(request))
        if any(rule.effect is Effect.EXPIRE_TOKENS for rule in firing):
            self._tokens.revoke_all()
        reply = self._api.answer(request)
        for rule in firing:
            reply = spoil(rule, request, reply)
        status = 0 if reply.cut is not None else reply.status
        self._records.add(
            RequestRecord(method=method, path=parts.path, query=parts.query, status=status, at=request.now)
        )
        return reply


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: SandboxServer) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sandbox = sandbox
        self.stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._resets: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the DNS for the host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, and know both from the first moment."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="sandbox call", daemon=True
        )
        with self._guard:
            self._open[request] = thread
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection and forget it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._open.pop(request, None)

    def reset(self, connection: socket.socket) -> None:
        """Have the connection closed by a reset instead of a farewell: what is not read yet is lost."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._guard:
            self._resets.add(connection)

    def shutdown_request(self, request: Any) -> None:
        """Say farewell and close, or only close."""
        with self._guard:
            resets = request in self._resets
            self._resets.discard(request)
        if resets:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that hang up; anything else is a bug and shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Close the port, then every connection, and wait for their threads."""
        self.stopping.set()
        super().server_close()
        with self._guard:
            still_open = dict(self._open)
            for connection in still_open:
                _hang_up(connection)
        for thread in still_open.values():
            thread.join(_STOP_FOR)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def _handle(self) -> None:
        body = self._read_body()
        headers = {name.lower(): text for name, text in self.headers.items()}
        if body is None:
            reply = problem_reply(413, "the body is too large or of unknown length", self.path)
            self.close_connection = True
        else:
            reply = self.server.sandbox._answer(self.command, self.path, headers, body)  # noqa: SLF001 -- one unit
        self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _handle  # noqa: N815 -- the library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        """Say nothing: requests are recorded."""

    def _read_body(self) -> bytes | None:
        if "transfer-encoding" in self.headers:
            return None
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _BODY_CAP:
            return None
        return self.rfile.read(int(length))

    # -------------------------------------------------------------- sending
    def _send(self, reply: Reply) -> None:
        if reply.delay and self.server.stopping.wait(reply.delay):
            self.close_connection = True
            return
        head = self._head(reply)
        body = b"" if self.command == "HEAD" or reply.status == 204 else reply.body
        if reply.cut is not None:
            whole = head + body
            self._write(whole[: int(len(whole) * reply.cut)])
            self.server.reset(self.connection)
            self.close_connection = True
        elif reply.trickle:
            self._trickle(head, body, reply)
        else:
            self._write(head + body)
            self._pad(reply.padding)

    def _head(self, reply: Reply) -> bytes:
        headers = {"Date": self.date_time_string(), **reply.headers}
        if reply.status != 204:
            headers.setdefault("Content-Length", str(len(reply.body) + reply.padding))
        phrase = _PHRASES.get(reply.status, "Unheard Of")
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {text}" for name, text in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _write(self, content: bytes) -> None:
        try:
            self.connection.sendall(content)
        except OSError:
            self.close_connection = True  # the client hung up

    def _trickle(self, head: bytes, body: bytes, reply: Reply) -> None:
        slow = body
        if reply.trickle_headers:
            slow = head + body
        else:
            self._write(head)
        for at in range(len(slow)):
            if self.close_connection or self.server.stopping.wait(reply.trickle):
                self.close_connection = True
                return
            self._write(slow[at : at + 1])

    def _pad(self, size: int) -> None:
        while size > 0 and not self.close_connection and not self.server.stopping.is_set():
            self._write(_BLANKS[:size])
            size -= len(_BLANKS)
