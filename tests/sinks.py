"""Real receivers on loopback that record what arrived and answer as told: HTTP and SMTP."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


@dataclass
class Got:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What the server answers; `hang` waits for the release first, `cut` closes without an answer."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


class HttpSink:
    """A loopback HTTP server; `replies` are given in turn, the last (or `ok`) for ever."""

    def __init__(self) -> None:
        self.requests: list[Got] = []
        self.replies: list[Reply] = []
        self.released = threading.Event()
        self.arrived = threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                sink.requests.append(Got(self.command, self.path, dict(self.headers.items()), body))
                reply = sink.replies.pop(0) if len(sink.replies) > 1 else (sink.replies or [Reply()])[0]
                sink.arrived.set()
                if reply.hang:
                    sink.released.wait(20)
                self.close_connection = True
                if reply.cut or reply.hang:
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815  the base class asks for these names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass
class Mail:
    """One accepted message: the envelope and the bytes."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        text = body.get_content()
        assert isinstance(text, str)
        return text.replace("\r\n", "\n")


class _AnyPort(Controller):
    """Listen on whatever port is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class SmtpSink:
    """A loopback SMTP server; `refuse` maps a step (mail, rcpt, data) to the answer it gives instead of 250."""

    def __init__(self, **options: Any) -> None:
        self.mails: list[Mail] = []
        self.refuse: dict[str, str] = {}
        self._closed = False
        self.hold: threading.Event | None = None
        self.arrived = threading.Event()
        self.logins: list[tuple[str, str]] = []
        sink = self

        class Handler:
            async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
                if "mail" in sink.refuse:
                    return sink.refuse["mail"]
                envelope.mail_from = address
                return "250 OK"

            async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
                if "rcpt" in sink.refuse:
                    return sink.refuse["rcpt"]
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
                if "data" in sink.refuse:
                    return sink.refuse["data"]
                sink.mails.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
                sink.arrived.set()
                if sink.hold is not None:
                    await asyncio.to_thread(sink.hold.wait, 10)
                if "drop" in sink.refuse:
                    server.transport.abort()
                return "250 Accepted"

        def check(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            login = (data.login.decode(), data.password.decode())
            sink.logins.append(login)
            return AuthResult(success=login[1] == "right", handled=False)

        self._controller = _AnyPort(Handler(), hostname="127.0.0.1", port=0, authenticator=check, **options)
        self._controller.start()
        self.port = int(self._controller.port)

    def close(self) -> None:
        if self.hold is not None:
            self.hold.set()
        if not self._closed:
            self._closed = True
            self._controller.stop()


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    """Run an HTTP server for a while."""
    sink = HttpSink()
    try:
        yield sink
    finally:
        sink.close()


@contextmanager
def smtp_sink(**options: Any) -> Iterator[SmtpSink]:
    """Run an SMTP server for a while; options are those of aiosmtpd's SMTP."""
    sink = SmtpSink(**options)
    try:
        yield sink
    finally:
        sink.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    """Make a certificate for localhost that nobody has signed."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
