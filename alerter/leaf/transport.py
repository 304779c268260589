"""One HTTP exchange with the API: bounded in time and size, never redirected, blind to the environment."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from urllib.parse import SplitResult, urlencode, urlsplit

import requests
import urllib3

from alerter.errors import LeafMalformed
from alerter.leaf.failures import NETWORK_ERRORS, explain
from alerter.leaf.masking import sample_of
from alerter.leaf.sockets import RUNNING, Deadline, DeadlineAdapter

ERROR_BODY_BYTES = 64 * 1024  # of an answer that is refused anyway
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete answer: the body is decompressed; of anything but a 200 only the first 64 KiB are kept."""

    status: int
    headers: Mapping[str, str]  # any case
    body: bytes


def check_base_url(base_url: str) -> str:
    """Return the base address without a trailing slash; raise ValueError with a sentence when it cannot be used."""
    parts = _split(base_url, "base_url")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url must not hold a username or password; put them into the account's own keys")
    if parts.query or parts.fragment:
        raise ValueError("base_url must end before any ? or #; write for example https://api.withleaf.io")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError(
            f"base_url must start with https:// because the login would cross the network readable by all; "
            f"http:// is for this machine only, and {parts.hostname} is not"
        )
    return base_url.rstrip("/")


def _check_proxy(proxy: str, base_url: str) -> None:
    parts = _split(proxy, "proxy")
    if base_url.startswith("http://") and not _is_loopback(parts.hostname or ""):
        raise ValueError("proxy cannot be on another machine while base_url is http://; use https:// or drop the proxy")


def _split(url: str, key: str) -> SplitResult:
    """Take an address apart; the address itself is kept out of the error, for it may hold a password."""
    problem = f"{key} must look like https://host or https://host:port"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{problem}, without spaces or special characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(problem)
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _place(url: str) -> str:
    """Return host, or host:port where the port is written, without any credentials."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{host}:{parts.port}" if parts.port else host


class _Session(requests.Session):
    """A session that sees no redirect: even when told not to follow one, requests would read its body unbounded."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: there is nowhere to go."""
        del resp
        return None


class Transport:
    """Exchanges with one base address, from any number of threads; `close` ends those under way."""

    def __init__(
        self,
        *,
        base_url: str,
        deadline: float,
        body_cap: int,
        proxy: str | None,
        verify: bool | str,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.host = _place(self.base_url)
        self._seconds = deadline
        self._body_cap = body_cap
        self._stopped = threading.Event()
        self._proxies: dict[str, str] = {}
        if proxy is not None:
            _check_proxy(proxy, self.base_url)
            self._proxies = {"http": proxy, "https": proxy}
        self._proxy_place = _place(proxy) if proxy is not None else ""
        if isinstance(verify, str) and not Path(verify).exists():
            raise ValueError(f"verify names {verify}, which does not exist; give a file of CA certificates in PEM form")
        self._verify = verify
        if verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the client says it once, in the log
        self._session = _Session()
        self._session.trust_env = False  # no proxies, CA files or .netrc (it replaces our Authorization) from outside
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # the API needs none
        self._session.headers = requests.structures.CaseInsensitiveDict(
            {
                "User-Agent": "alerter",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Connection": "keep-alive",
            }
        )
        adapter = DeadlineAdapter(verify=verify is not False)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def deadline(self) -> Deadline:
        """Return a new time limit of the length that every exchange has."""
        return Deadline(self._seconds, self._stopped)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Reply:
        """Send one request and return the whole answer, whatever its status.

        `path` follows the base address and is percent-encoded already.  Raise LeafUnavailable when no complete
        answer came within the deadline, LeafMalformed when it is larger than the cap or not decompressible.
        """
        where = f"{method} {path}"
        deadline = self.deadline()
        running = RUNNING.set(deadline)
        try:
            return self._exchange(self._prepare(method, path, query, headers, body), where, deadline, secrets)
        except NETWORK_ERRORS as error:
            # `from None`: the chain holds the request and with it the Authorization header
            raise explain(error, where=where, host=self.host, proxy=self._proxy_place, deadline=deadline) from None
        finally:
            RUNNING.reset(running)

    def close(self) -> None:
        """End the calls under way with LeafUnavailable and drop all connections."""
        self._stopped.set()
        self._session.close()

    def _prepare(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> requests.PreparedRequest:
        url = self.base_url + path
        if query:
            url += "?" + urlencode(query, safe=":")
        prepared = self._session.prepare_request(requests.Request(method, self.base_url, headers=headers, data=body))
        prepared.url = url  # as it is: requests would resolve the dots of an id like ".."
        return prepared

    def _exchange(
        self, prepared: requests.PreparedRequest, where: str, deadline: Deadline, secrets: tuple[str, ...]
    ) -> Reply:
        response = self._session.send(
            prepared,
            stream=True,
            timeout=deadline.left(),
            verify=self._verify,
            proxies=self._proxies,
            allow_redirects=False,
        )
        try:
            deadline.step = "reading the answer"
            status = response.status_code
            cap = self._body_cap if status == 200 else ERROR_BODY_BYTES
            body = bytearray()
            for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=True):
                deadline.left()
                body += chunk
                if len(body) > cap:
                    break
            if len(body) > cap and status == 200:
                raise LeafMalformed(
                    f"{where}: the answer is larger than {cap / 2**20:.4g} MiB and was not read to its end; "
                    "no answer of the API is that large",
                    status=status,
                    sample=sample_of(bytes(body[:_CHUNK_BYTES]), secrets),
                )
            del body[cap:]
            return Reply(status=status, headers=response.headers, body=bytes(body))
        finally:
            response.close()
