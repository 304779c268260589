"""A loopback server that says exactly what a test tells it to, byte by byte where the test wants."""

from __future__ import annotations

import base64
import contextlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

REASON = "Whatever"


@dataclass(frozen=True)
class Request:
    method: str
    target: str  # as it came: path and query, still encoded
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {REASON}\r\n{lines}\r\n".encode("latin-1") + self.body


def said(document: Any, status: int = 200, **headers: str) -> Answer:
    """Answer with a JSON document; an underscore in a header's name stands for a hyphen."""
    return Answer(json.dumps(document).encode(), status, {k.replace("_", "-"): v for k, v in headers.items()})


class Wire:
    """A connection in the hands of a test: `send` as it likes; the connection is closed afterwards."""

    def __init__(self, sock: socket.socket, stopped: threading.Event) -> None:
        self.sock = sock
        self._stopped = stopped

    def send(self, content: bytes) -> None:
        self.sock.sendall(content)

    def trickle(self, content: bytes, every: float) -> None:
        for index in range(len(content)):
            if self._stopped.wait(every):
                return
            self.sock.sendall(content[index : index + 1])

    def hang(self) -> None:
        """Say nothing until the other side goes away."""
        while not self._stopped.is_set():
            readable, _, _ = select.select([self.sock], [], [], 0.05)
            if readable and not self.sock.recv(65536):
                return

    def reset(self) -> None:
        """End with a reset instead of a proper close."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()


Scripted = Answer | Callable[[Wire], None]
Handler = Callable[[Request], Scripted]


class LeafServer:
    """Serve `handler` on loopback; every request is recorded in order of arrival."""

    def __init__(self, handler: Handler | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.handler: Handler = handler or (lambda _: Answer(b"[]"))
        self.requests: list[Request] = []
        self.connections = 0
        self.tls = tls
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def script(self, *answers: Scripted) -> None:
        """Give these answers one after the other, the last one for ever."""
        left = list(answers)
        lock = threading.Lock()

        def handler(request: Request) -> Scripted:
            with lock:
                return left.pop(0) if len(left) > 1 else left[0]

        self.handler = handler

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for sock in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                sock.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            with sock, sock.makefile("rb") as stream:
                for request in _requests(stream):
                    self.requests.append(request)
                    answer = self.handler(request)
                    if isinstance(answer, Answer):
                        sock.sendall(answer.to_bytes())
                        continue
                    answer(Wire(sock, self._stopped))
                    return


def _requests(stream: Any) -> Iterator[Request]:
    while line := stream.readline(65536):
        method, target, _ = line.decode("latin-1").split()
        headers: dict[str, str] = {}
        while (line := stream.readline(65536)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        yield Request(method, target, headers, body)


def jwt(**claims: float | str) -> str:
    """Make a token that looks like one; nobody checks its signature."""

    def part(document: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS512'})}.{part(claims)}.c2lnbmF0dXJl"
