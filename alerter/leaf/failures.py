"""Turn what went wrong on the wire into one sentence: what happened, on which path, and what to do."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

import requests.exceptions
import urllib3.exceptions

from alerter.errors import LeafError, LeafMalformed, LeafUnavailable
from alerter.leaf.masking import one_line
from alerter.leaf.sockets import Deadline, Stopped

# everything that a call through requests and urllib3 can raise for reasons outside this program
NETWORK_ERRORS = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that caused it: requests and urllib3 nest by cause, by context, by args and by reason."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]


def _words(error: BaseException) -> str:
    """Return the system's own words for an error, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return one_line(str(error.strerror))
    return one_line(str(error)) or type(error).__name__


def _tls(error: ssl.SSLError, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the TLS certificate of {host} is not valid ({one_line(error.verify_message)}), so nothing was sent; "
            "check base_url, this machine's clock, and whether a proxy or captive portal answers in Leaf's place"
        )
    reason = one_line(error.reason or str(error))
    return f"TLS with {host} failed ({reason}); check that base_url and its port really speak https"


def _sentence(error: BaseException, host: str, deadline: Deadline) -> str | None:  # noqa: PLR0911  (a table of sentences)
    """Return what one link of the chain tells, or None when it tells nothing by itself."""
    match error:
        case ssl.SSLError() if not isinstance(error, TimeoutError):
            return _tls(error, host)
        case socket.gaierror():
            return f"the name {host} cannot be resolved ({_words(error)}); check base_url and this machine's DNS"
        case ConnectionRefusedError():
            return f"{host} refused the connection; check base_url, its port and any firewall"
        case TimeoutError():
            return (
                f"gave up after {deadline.seconds:g} s while {deadline.step}; the network or the server is slow, "
                "it is tried again at the next poll"
            )
        case ConnectionError() | http.client.RemoteDisconnected() | http.client.IncompleteRead():
            return f"{host} broke the connection off in mid-answer; it is tried again at the next poll"
        case http.client.HTTPException():
            return f"{host} did not answer in HTTP ({type(error).__name__}); check base_url and its port"
        case OSError() if error.errno is not None:
            return f"{host} cannot be reached ({_words(error)}); check the network of this machine"
    return None


def explain(error: BaseException, *, where: str, host: str, proxy: str, deadline: Deadline) -> LeafError:
    """Return the LeafError for a failed call.

    `where` is like `GET /path`; `host` and `proxy` are host:port without credentials.
    """
    links = list(_chain(error))
    if any(isinstance(link, Stopped) for link in links):
        return LeafUnavailable("stopping")
    if any(
        isinstance(link, urllib3.exceptions.DecodeError | requests.exceptions.ContentDecodingError) for link in links
    ):
        return LeafMalformed(
            f"{where}: the answer is not compressed the way it says; see what lies between here and {host}"
        )
    through_proxy = any(isinstance(link, urllib3.exceptions.ProxyError) for link in links)
    name = f"the proxy {proxy}" if through_proxy else host
    for link in reversed(links):  # the deepest cause knows best
        sentence = _sentence(link, name, deadline)
        if sentence is not None:
            return LeafUnavailable(f"{where}: {sentence}")
    if through_proxy:
        return LeafUnavailable(
            f"{where}: {name} did not let the call through; check the account's proxy and its password"
        )
    return LeafUnavailable(
        f"{where}: {host} gave no usable answer ({type(error).__name__}); it is tried again at the next poll"
    )
