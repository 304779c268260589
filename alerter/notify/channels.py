"""Channels and their recipients: a name, a URL, and one address for every message that goes out.

A channel's URL is Apprise's.  Slack, mail and plain webhooks go through small subclasses of Apprise's own plugins,
because delivery must know what those hide; every other service goes through Apprise as it is.
"""

from __future__ import annotations

import logging
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from alerter.errors import DeliveryError
from alerter.notify.flight import Flight
from alerter.notify.message import Rendered

REPEAT_NOTE = "Possible repeat: an earlier attempt to send this message may have arrived."
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STATUS = re.compile(r"error=(\d{3})\b")
_SCHEME = re.compile(r"([A-Za-z0-9]{1,32})://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One final address.

    `id` is stable and holds no secret; `service` is slack, mail, json, console or other; `address` is what may be
    shown; `pace` is the least number of seconds between two messages that the service wants.
    """

    id: str
    channel: str
    service: str
    address: str
    pace: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A message was accepted; `thread_ref` is what a later one of the same thread refers to."""

    thread_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Everything about a message that is not its text."""

    key: str
    thread: str
    thread_ref: str | None
    created_at: datetime
    possible_repeat: bool


class Channel(ABC):
    """One named channel; safe to use from several threads."""

    deadline: float = 60.0  # seconds that one send takes at most

    def __init__(self, name: str, recipients: tuple[Recipient, ...]) -> None:
        self.name = name
        self.recipients = recipients
        self._flights: set[Flight[Receipt]] = set()
        self._lock = threading.Lock()

    def send(
        self,
        recipient_id: str,
        rendered: Rendered,
        *,
        key: str,
        thread: str,
        thread_ref: str | None,
        created_at: datetime,
        possible_repeat: bool = False,
    ) -> Receipt:
        """Hand one message to one recipient; raise DeliveryError when that failed or may have failed."""
        if all(recipient.id != recipient_id for recipient in self.recipients):
            raise DeliveryError(f"channel {self.name} has no recipient {recipient_id}", permanent=True)
        envelope = Envelope(
            key=key, thread=thread, thread_ref=thread_ref, created_at=created_at, possible_repeat=possible_repeat
        )
        flight: Flight[Receipt] = Flight(self.deadline)
        with self._lock:
            self._flights.add(flight)
        try:
            return flight.run(lambda: self._send(flight, recipient_id, rendered, envelope), self.name)
        finally:
            with self._lock:
                self._flights.discard(flight)

    def close_sockets(self) -> None:
        """End every send in flight: each raises DeliveryError with `ambiguous` in its own thread."""
        with self._lock:
            flights = tuple(self._flights)
        for flight in flights:
            flight.cut()

    @abstractmethod
    def _send(self, flight: Flight[Receipt], recipient_id: str, rendered: Rendered, envelope: Envelope) -> Receipt:
        """Hand over one message within `flight`."""


class Hush(logging.Filter):
    """Let no line of Apprise's log through, for its warnings print tokens; keep the status it names, per thread."""

    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Refuse the record."""
        found = _STATUS.search(record.getMessage())
        if found:
            self._local.status = found[1]
        return False

    def take_status(self) -> str:
        """Return the status last named in this thread, "" for none, and forget it."""
        status = str(getattr(self._local, "status", ""))
        self._local.status = ""
        return status


hush = Hush()


def asset() -> Any:
    """Make Apprise's settings as delivery needs them: in the caller's thread, no redirects, nothing on disk."""
    from alerter.notify.untyped import AppriseAsset  # noqa: PLC0415  slow to import

    logging.getLogger("apprise").addFilter(hush)  # adding it twice changes nothing
    logging.getLogger("urllib3").setLevel(logging.INFO)  # its debug lines print the path, which is a token
    return AppriseAsset(
        service_timeout=0,
        async_mode=False,
        http_redirects=False,
        storage_mode="memory",
        app_id="alerter",
        app_desc="Leaf quota alerts",
        app_url="",
        pgp_autogen=False,
        pem_autogen=False,
    )


def check_text(name: str, value: str | None, what: str) -> str:
    """Return `value` without surrounding blanks; raise ValueError if it is empty or holds control characters."""
    text = (value or "").strip()
    if not text:
        raise ValueError(f"channel {name}: the {what} is empty")
    if any(_CONTROL.search(form) for form in (text, unquote(text), unquote(unquote(text)))):
        raise ValueError(f"channel {name}: the {what} holds a control character")
    return text


def _open_slack(name: str, url: str, base_url: str | None) -> Channel:
    from alerter.notify.slack import SlackChannel  # noqa: PLC0415  slow to import

    return SlackChannel(name, url, base_url)


def _open_mail(name: str, url: str, _: str | None) -> Channel:
    from alerter.notify.mail import MailChannel  # noqa: PLC0415  slow to import

    return MailChannel(name, url)


def _open_webhook(name: str, url: str, _: str | None) -> Channel:
    from alerter.notify.webhook import WebhookChannel  # noqa: PLC0415  slow to import

    return WebhookChannel(name, url)


def _open_console(name: str, _: str, __: str | None) -> Channel:
    from alerter.notify.console import ConsoleChannel  # noqa: PLC0415  imports this module

    return ConsoleChannel(name)


_OPENERS: Mapping[str, Any] = {
    "slack": _open_slack,
    "mailto": _open_mail,
    "mailtos": _open_mail,
    "json": _open_webhook,
    "jsons": _open_webhook,
    "console": _open_console,
}
_SLACK_PAGE = re.compile(r"https?://hooks\.slack(-gov)?\.com/", re.IGNORECASE)


def open_channel(name: str, url: str, *, base_url: str | None = None) -> Channel:
    """Open the channel `name` at an Apprise URL, one recipient per address behind it.

    `base_url` sends a Slack channel to a Slack-compatible server.  Raise ValueError with a sentence that never holds
    the URL, which is a secret.
    """
    url = check_text(name, url, "url")
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError(f"channel {name}: the url does not start with a service, like slack:// or mailtos://")
    service = "slack" if _SLACK_PAGE.match(url) else scheme[1].lower()
    if base_url is not None:
        base_url = check_text(name, base_url, "base_url").rstrip("/")
        if service != "slack":
            raise ValueError(f"channel {name}: base_url is for Slack channels only")
        if not base_url.startswith(("https://", "http://")):
            raise ValueError(f"channel {name}: base_url must start with https:// or http://")
    opener = _OPENERS.get(service)
    if opener is not None:
        channel: Channel = opener(name, url, base_url)
        return channel
    from alerter.notify.other import OtherChannel  # noqa: PLC0415  slow to import

    return OtherChannel(name, url)
