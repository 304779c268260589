"""POST over HTTP with what delivery must know afterwards: the answer, or whether the request may have arrived."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from alerter.errors import DeliveryError
from alerter.notify.flight import Flight

ANSWER_LIMIT = 16 * 1024  # bytes of an answer that are read
_WAIT_LIMITS = (1.0, 3600.0)  # seconds; a receiver may ask for anything
_MAYBE = frozenset({502, 504})  # a gateway answered: what the server behind it did is unknown
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said: the first bytes of the body, and the seconds it asked us to wait."""

    status: int
    body: bytes
    retry_after: float | None


def _connection_pools(flight: Flight[Any]) -> dict[str, type[HTTPConnectionPool]]:
    """Make pools whose connections report to `flight`."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            flight.hold(self.sock)

        def send(self, data: Any) -> None:
            if self.sock is None and self.auto_open:
                self.connect()
            flight.mark_sent()
            super().send(data)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            flight.hold(self.sock)

        def send(self, data: Any) -> None:
            flight.mark_sent()
            super().send(data)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _Adapter(HTTPAdapter):
    """One attempt, no retries, its sockets known to the flight."""

    def __init__(self, flight: Flight[Any]) -> None:
        self._pools = _connection_pools(flight)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager use the flight's connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make proxies use them too."""
        made = super().proxy_manager_for(*args, **kwargs)
        made.pool_classes_by_scheme = self._pools
        return made


def _seconds(value: str | None, now: str | None) -> float | None:
    """Read Retry-After, seconds or a date (told against the answer's own Date), clamped; None when there is none."""
    if not value:
        return None
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(value) - parsedate_to_datetime(now or "")).total_seconds()
        except (ValueError, TypeError):
            return None
    low, high = _WAIT_LIMITS
    return min(max(wait, low), high) if wait == wait else None  # noqa: PLR0124  not NaN


def post(
    flight: Flight[Any],
    method: str,
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    verify: bool,
    timeout: tuple[float, float],
    auth: tuple[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request without redirects, `.netrc` or retries; raise DeliveryError when no answer came."""
    with requests.Session() as session:
        session.trust_env = False  # a .netrc would replace our own authorization
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(flight))
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        try:
            with session.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                params=params,
                auth=auth,
                verify=(bundle or True) if verify else False,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
                proxies=get_environ_proxies(url, no_proxy=None),
            ) as answer:
                return Answer(answer.status_code, _head(answer), _wait(answer))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise DeliveryError(_what_failed(error), ambiguous=flight.sent) from None


def _wait(answer: requests.Response) -> float | None:
    return _seconds(answer.headers.get("Retry-After"), answer.headers.get("Date"))


def _head(answer: requests.Response) -> bytes:
    """Read the start of the body; a status alone is an answer too, whatever happens to its body."""
    try:
        return answer.raw.read(ANSWER_LIMIT, decode_content=True) or b""
    except (HTTPError, OSError):
        return b""


def _what_failed(error: BaseException) -> str:
    """Name a failure without the URL, which holds the secret."""
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate was not accepted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ConnectionError) and "resolve" in str(error).lower():
        return "the host's name could not be resolved"
    return "the connection failed" if isinstance(error, (requests.RequestException, OSError)) else "a broken answer"


def judge(answer: Answer, said: str = "") -> DeliveryError:
    """Turn an answer that is not an acceptance into the error it stands for."""
    status = answer.status
    reason = f"HTTP {status}{f' {said}' if said else ''}"
    if status in _LATER or status >= 500:
        return DeliveryError(reason, ambiguous=status in _MAYBE, retry_after=answer.retry_after)
    if 400 <= status < 500:
        return DeliveryError(reason, permanent=True)
    if 300 <= status < 400:
        return DeliveryError(f"{reason}: redirects are not followed")
    return DeliveryError(f"{reason}: not the answer of this service")
