"""Plain webhooks, json:// and jsons://: one POST of a documented, versioned JSON document."""

from __future__ import annotations

import json
from typing import Any

from alerter.notify import http
from alerter.notify.channels import Channel, Envelope, Receipt, Recipient, asset
from alerter.notify.courier import Courier, deliver
from alerter.notify.flight import Flight
from alerter.notify.message import Rendered
from alerter.notify.untyped import AppriseException, NotifyJSON


class Webhook(Courier, NotifyJSON):  # type: ignore[misc]  # Apprise's classes are untyped
    """One web address; headers, query, method and login are those of Apprise's json:// URL."""

    socket_connect_timeout = 10.0
    socket_read_timeout = 30.0
    request_rate_per_sec = 0

    def deliver(self, flight: Flight[Any], rendered: Rendered, envelope: Envelope) -> Receipt:
        """Post one document; any 2xx is an acceptance."""
        body = json.dumps(
            {**document(rendered, envelope), **self.payload_extras}, allow_nan=False, default=str
        ).encode()
        headers = {
            "User-Agent": "alerter",
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": _ascii(envelope.key),
            **self.headers,
        }
        answer = http.post(
            flight,
            self.method,
            self.request_url,
            body=body,
            headers=headers,
            params=self.params or None,
            auth=(self.user, self.password or "") if self.user else None,
            verify=self.verify_certificate,
            timeout=self.request_timeout,
        )
        if 200 <= answer.status < 300:
            return Receipt()
        raise http.judge(answer)


def document(rendered: Rendered, envelope: Envelope) -> dict[str, Any]:
    """Make the document: the message's payload (schema 1) with its title, text, thread and whether it may repeat."""
    return {
        "schema": 1,
        **_finite(dict(rendered.payload)),
        "key": envelope.key,
        "thread": envelope.thread,
        "created_at": envelope.created_at.isoformat(),
        "possible_repeat": envelope.possible_repeat,
        "title": rendered.title,
        "text": rendered.text,
    }


def _finite(value: Any) -> Any:
    """Replace what JSON cannot hold: NaN and infinity become null, as unknown figures are."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124  NaN
        return None
    return value


def _ascii(text: str) -> str:
    return "".join(char if "!" <= char <= "~" else "_" for char in text)[:200]


class WebhookChannel(Channel):
    """One json:// URL, one recipient."""

    def __init__(self, name: str, url: str) -> None:
        self._parsed = NotifyJSON.parse_url(url)
        try:
            plugin = self._plugin()
        except (AppriseException, TypeError, ValueError):
            plugin = None
        if plugin is None or not plugin.host:
            raise ValueError(f"channel {name}: the url is not a valid webhook; write jsons://host/path")
        super().__init__(name, (Recipient(id=name, channel=name, service="json", address=_shown(plugin)),))

    def _plugin(self) -> Webhook:
        return Webhook(asset=asset(), **(self._parsed or {}))

    def _send(self, flight: Flight[Receipt], _: str, rendered: Rendered, envelope: Envelope) -> Receipt:
        return deliver(self._plugin(), flight, rendered, envelope)


def _shown(plugin: Webhook) -> str:
    """Show host and port; path, query and headers may hold secrets."""
    return f"{'https' if plugin.secure else 'http'}://{plugin.host}{f':{plugin.port}' if plugin.port else ''}/…"
