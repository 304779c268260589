"""Hostile networks and servers: every call ends in time and in memory, and no secret goes astray."""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alerter.errors import LeafError, LeafMalformed, LeafUnavailable
from alerter.leaf import LeafClient, Token
from tests.leaf_server import Answer, LeafServer, Wire, said

DEADLINE = 0.6
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


def connect(base_url: str, **changes: Any) -> LeafClient:
    settings: dict[str, Any] = {
        "base_url": base_url, "credentials": Token("tok-123"), "monotonic": time.monotonic,
        "now": lambda: datetime(2026, 3, 1, tzinfo=UTC), "wait": lambda _: False, "deadline": DEADLINE,
    }  # fmt: skip
    return LeafClient(**(settings | changes))


def failing(client: LeafClient, kind: type[LeafError] = LeafUnavailable) -> str:
    with pytest.raises(kind) as caught:
        client.fetch_contracts()
    client.close()
    message = str(caught.value)
    assert "\n" not in message
    assert "tok-123" not in message
    assert "/billing/contracts" in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


@pytest.fixture
def server() -> Iterator[LeafServer]:
    with LeafServer() as running:
        yield running


# ------------------------------------------------------------------ time
def _trickled_chunks(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.trickle(b"1\r\n[\r\n" * 500, 0.02)


def _trickled_gzip(wire: Wire) -> None:
    body = gzip.compress(os.urandom(4000))
    wire.send(HEAD.replace(b"1000", str(len(body)).encode()) + b"Content-Encoding: gzip\r\n\r\n")
    wire.trickle(body, 0.02)


def _endless_continue(wire: Wire) -> None:
    while True:
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (lambda wire: wire.hang(), "waiting"),
        (lambda wire: wire.trickle(HEAD * 9, 0.05), "waiting"),
        (lambda wire: wire.trickle(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90, 0.02), "waiting"),
        (lambda wire: (wire.send(HEAD + b"\r\n["), wire.hang()), "reading"),
        (lambda wire: (wire.send(HEAD + b"\r\n"), wire.trickle(b" " * 999, 0.05)), "reading"),
        (lambda wire: (wire.send(b"HTTP/1.1 200 OK\r\n\r\n"), wire.trickle(b" " * 999, 0.05)), "reading"),
        (_trickled_chunks, "reading"),
        (_trickled_gzip, "reading"),
        (_endless_continue, "waiting"),
    ],
)
def test_no_server_holds_a_call_beyond_its_deadline(
    server: LeafServer, answer: Callable[[Wire], None], step: str
) -> None:
    server.script(answer)
    with within(DEADLINE + 0.5):
        message = failing(connect(server.url))
    assert f"gave up after {DEADLINE} s while {step}" in message
    assert len(server.requests) == 1  # a deadline that passed is not tried again at once


def test_the_deadline_holds_under_a_clock_that_stands_still(server: LeafServer) -> None:
    server.script(lambda wire: wire.hang())
    with within(DEADLINE + 0.5):
        assert "gave up" in failing(connect(server.url, monotonic=lambda: 0.0))


def test_a_refusal_that_trickles_ends_in_time_too(server: LeafServer) -> None:
    server.script(lambda wire: (wire.send(HEAD.replace(b"200", b"403") + b"\r\n"), wire.trickle(b" " * 999, 0.05)))
    with within(DEADLINE + 0.5):
        assert "gave up" in failing(connect(server.url))


def test_a_host_that_never_accepts_ends_in_time() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # fill the backlog: further connects get no answer
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        with within(DEADLINE + 0.5):
            assert "gave up after 0.6 s while" in failing(connect(f"http://127.0.0.1:{listener.getsockname()[1]}"))


def test_a_name_lookup_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    lookups: list[str] = []

    def stuck(host: str, *args: Any, **kwargs: Any) -> Any:
        lookups.append(host)
        release.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    try:
        for _ in range(3):
            with within(DEADLINE + 0.5):
                assert "while looking up the host's name" in failing(connect("https://leaf.example"))
        assert lookups == ["leaf.example"]  # calls that come while it is stuck start no further thread
    finally:
        release.set()


def test_a_name_that_does_not_exist_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = failing(connect("https://leaf.example:8443"))
    assert "the name leaf.example:8443 cannot be resolved (Name or service not known)" in message


def test_a_dead_first_address_leaves_time_for_the_second(server: LeafServer, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    closed = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [closed, good])
    client = connect(f"http://localhost:{server.port}")
    assert client.fetch_contracts().complete
    client.close()


def test_a_closed_port_is_said_so() -> None:
    assert "refused the connection" in failing(connect("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    "answer",
    [
        lambda wire: wire.reset(),
        lambda _: None,
        lambda wire: wire.send(HEAD),
        lambda wire: wire.send(HEAD + b"\r\n[1,"),
        lambda wire: (wire.send(HEAD + b"\r\n[1,"), wire.reset()),
        lambda wire: wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1"),
    ],
)
def test_a_connection_broken_off_is_said_so_and_tried_again(server: LeafServer, answer: Callable[[Wire], None]) -> None:
    server.script(answer)
    assert "broke the connection off" in failing(connect(server.url, deadline=5))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "start",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
        b"x" * 100_000,
    ],
)
def test_what_is_not_http_is_said_so(server: LeafServer, start: bytes) -> None:
    server.script(lambda wire: wire.send(start))
    message = failing(connect(server.url, deadline=5))
    assert "did not answer in HTTP" in message or "broke the connection off" in message


def test_a_connection_that_idled_to_death_is_replaced(server: LeafServer) -> None:
    server.script(lambda wire: wire.send(Answer(b"[]").to_bytes()))  # promises to stay, and goes
    client = connect(server.url)
    for _ in range(4):
        assert client.fetch_contracts().complete
    client.close()


def test_closing_ends_the_calls_under_way(server: LeafServer) -> None:
    server.script(lambda wire: wire.hang())
    client = connect(server.url, deadline=30)
    threading.Timer(0.2, client.close).start()
    with within(2):
        with pytest.raises(LeafUnavailable, match="stopping"):
            client.fetch_contracts()
        with pytest.raises(LeafUnavailable, match="stopping"):
            client.fetch_contracts()


# ------------------------------------------------------------------ size
def _bomb() -> Callable[[Wire], None]:
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join([packer.compress(b" " * 2**20) for _ in range(100)]) + packer.flush()
    assert len(body) < 2**18

    def send(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return send


def _chunked_bomb() -> Callable[[Wire], None]:
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join([packer.compress(b" " * 2**20) for _ in range(100)]) + packer.flush()

    def send(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    return send


def _endless() -> Callable[[Wire], None]:
    space = b" " * 65536

    def send(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        while True:
            wire.send(space)

    return send


@pytest.mark.parametrize("make", [_bomb, _chunked_bomb, _endless])
def test_a_body_beyond_the_cap_is_refused_in_bounded_memory(
    server: LeafServer, make: Callable[[], Callable[[Wire], None]]
) -> None:
    server.script(make())
    client = connect(server.url, deadline=20, body_cap=2 * 2**20)
    tracemalloc.start()
    try:
        assert "larger than 2 MiB" in failing(client, LeafMalformed)
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    finally:
        tracemalloc.stop()


def test_the_body_of_a_refusal_is_bounded_too(server: LeafServer) -> None:
    def endless(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 404 Gone\r\nContent-Length: 1073741824\r\n\r\n")
        while True:
            wire.send(b" " * 65536)

    server.script(endless)
    with within(5):
        assert "(404)" in failing(connect(server.url, deadline=20), LeafError)


def test_a_body_just_below_the_cap_is_read(server: LeafServer) -> None:
    server.script(Answer(b"[" + b" " * (2**20 - 2) + b"]"))
    client = connect(server.url, deadline=5, body_cap=2**20)
    assert client.fetch_contracts().contracts == ()
    client.close()


# ------------------------------------------------------------------ redirects and the environment
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed_and_their_bodies_not_read(server: LeafServer, status: int) -> None:
    with LeafServer() as other:

        def redirect(wire: Wire) -> None:
            head = f"HTTP/1.1 {status} Away\r\nLocation: {other.url}/x\r\nContent-Length: 1073741824\r\n\r\n"
            wire.send(head.encode())
            while True:
                wire.send(b" " * 65536)

        server.script(redirect)
        with within(5):
            message = failing(connect(server.url, deadline=20))
        assert f"redirects elsewhere ({status}), which is never followed" in message
        assert other.requests == []
        assert len(server.requests) == 1


def test_the_environment_changes_nothing(server: LeafServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password stolen\ndefault login eve password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    client = connect(server.url)
    assert client.fetch_contracts().complete
    client.close()
    assert server.requests[0].headers["authorization"] == "Bearer tok-123"


def test_cookies_are_not_kept(server: LeafServer) -> None:
    server.script(said([], Set_Cookie="session=1; Path=/"))
    client = connect(server.url)
    client.fetch_contracts()
    client.fetch_contracts()
    client.close()
    assert "cookie" not in server.requests[1].headers


# ------------------------------------------------------------------ TLS
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="the openssl command makes the certificates")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, and servers' certificates that are good, expired, for another name, and signed by themselves."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    _openssl(
        folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "unique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n"
    )
    spans = {"good": ("20240101000000Z", "20490101000000Z"), "expired": ("20200101000000Z", "20210101000000Z")}
    for name, place in (("good", "IP:127.0.0.1"), ("expired", "IP:127.0.0.1"), ("other", "DNS:elsewhere.example")):
        start, end = spans.get(name, spans["good"])
        _openssl(
            folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={place}",
        )  # fmt: skip
        _openssl(
            folder, "ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key",
            "-in", f"{name}.csr", "-out", f"{name}.pem", "-startdate", start, "-enddate", end,
        )  # fmt: skip
    _openssl(
        folder, "req", "-x509", *key, "-keyout", "self.key", "-out", "self.pem", "-days", "2", "-subj", "/CN=self",
        "-addext", "subjectAltName=IP:127.0.0.1",
    )  # fmt: skip
    return folder


def _tls(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@needs_openssl
def test_a_server_with_a_certificate_of_the_given_authority_is_talked_to(certificates: Path) -> None:
    with LeafServer(tls=_tls(certificates, "good")) as server:
        client = connect(server.url, verify=str(certificates / "ca.pem"), deadline=5)
        for _ in range(3):
            assert client.fetch_contracts().complete
        client.close()
        assert server.connections == 1


@needs_openssl
@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [
        ("expired", True, "certificate has expired"),
        ("other", True, "mismatch, certificate is not valid for '127.0.0.1'"),
        ("self", True, "self-signed certificate"),
        ("good", False, "unable to get local issuer certificate"),
    ],
)
def test_a_bad_certificate_is_refused_before_anything_is_sent(
    certificates: Path, name: str, trusted: bool, words: str
) -> None:
    with LeafServer(tls=_tls(certificates, name)) as server:
        verify = str(certificates / "ca.pem") if trusted else True
        message = failing(connect(server.url, verify=verify, deadline=5))
        assert "is not valid" in message
        assert words in message
        assert "nothing was sent" in message
        assert server.requests == []


@needs_openssl
def test_verification_is_off_only_when_told_and_then_said_loudly(
    certificates: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with LeafServer(tls=_tls(certificates, "self")) as server:
        client = connect(server.url, verify=False, deadline=5)
        assert client.fetch_contracts().complete
        client.close()
    assert [record.levelname for record in caplog.records if record.getMessage() == "action=tls_unverified"] == [
        "WARNING"
    ]


def test_a_missing_authority_file_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        connect("https://leaf.example", verify="/nowhere/ca.pem")


def test_a_port_that_speaks_no_tls_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                        sock.recv(4096)

        threading.Thread(target=greet, daemon=True).start()
        message = failing(connect(f"https://127.0.0.1:{listener.getsockname()[1]}", deadline=5))
        listener.shutdown(socket.SHUT_RDWR)
    assert "TLS with 127.0.0.1" in message
    assert "really speak https" in message


@needs_openssl
@pytest.mark.parametrize(
    "answer", [lambda wire: wire.hang(), lambda wire: wire.trickle(HEAD + b"\r\n" + b" " * 999, 0.05)]
)
def test_the_deadline_holds_through_tls(certificates: Path, answer: Callable[[Wire], None]) -> None:
    with LeafServer(tls=_tls(certificates, "good")) as server:
        server.script(answer)
        with within(DEADLINE + 0.7):
            assert "gave up" in failing(connect(server.url, verify=str(certificates / "ca.pem")))


def test_a_handshake_that_never_ends_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, within(DEADLINE + 0.5):
        message = failing(connect(f"https://127.0.0.1:{listener.getsockname()[1]}"))
    assert "while negotiating TLS" in message


# ------------------------------------------------------------------ proxy
class Proxy:
    """A proxy that tunnels, or refuses to."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.heads: list[bytes] = []
        self._refuse = refuse
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()
        self.port = self._listener.getsockname()[1]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(4096)
            self.heads.append(head)
            if self._refuse:
                sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as far:
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                while True:
                    for readable in select.select([sock, far], [], [], 5)[0]:
                        content = readable.recv(65536)
                        if not content:
                            return
                        (far if readable is sock else sock).sendall(content)

    def close(self) -> None:
        self._listener.close()
        for thread in self._threads:
            thread.join(6)


@needs_openssl
def test_a_proxy_is_used_when_configured_and_sees_neither_token_nor_answers(certificates: Path) -> None:
    with LeafServer(tls=_tls(certificates, "good")) as server, contextlib.closing(Proxy()) as proxy:
        client = connect(
            server.url,
            proxy=f"http://me:pr0xy-pw@127.0.0.1:{proxy.port}",
            verify=str(certificates / "ca.pem"),
            deadline=5,
        )
        assert client.fetch_contracts().complete
        client.close()
        assert server.requests[0].headers["authorization"] == "Bearer tok-123"
        assert "proxy-authorization" not in server.requests[0].headers
    assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:")
    assert base64.b64encode(b"me:pr0xy-pw") in proxy.heads[0]
    assert b"tok-123" not in proxy.heads[0]


def test_a_proxy_that_refuses_is_named_without_its_password() -> None:
    with contextlib.closing(Proxy(refuse=True)) as proxy:
        message = failing(
            connect("https://leaf.example", proxy=f"http://me:pr0xy-pw@127.0.0.1:{proxy.port}", deadline=5)
        )
    assert f"the proxy 127.0.0.1:{proxy.port}" in message
    assert "pr0xy-pw" not in message


def test_a_proxy_that_is_down_is_named() -> None:
    message = failing(connect("https://leaf.example", proxy="http://me:pr0xy-pw@127.0.0.1:1"))
    assert "the proxy 127.0.0.1:1 refused the connection" in message


@pytest.mark.parametrize(
    ("base_url", "proxy"),
    [
        ("https://leaf.example", "socks5://127.0.0.1:1"),
        ("https://leaf.example", "127.0.0.1:3128"),
        ("http://127.0.0.1:1", "http://10.0.0.1:3128"),
    ],
)
def test_a_proxy_that_cannot_be_used_safely_is_refused(base_url: str, proxy: str) -> None:
    with pytest.raises(ValueError, match="proxy"):
        connect(base_url, proxy=proxy)
