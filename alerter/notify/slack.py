"""Slack, by incoming webhook, bot token or workflow: Apprise's plugin with an answer that delivery can use.

Source of the limits and error words: Slack's own reference of Block Kit, incoming webhooks and chat.postMessage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from alerter.errors import DeliveryError
from alerter.notify import http
from alerter.notify.channels import REPEAT_NOTE, Channel, Envelope, Receipt, Recipient, asset
from alerter.notify.courier import Courier, deliver
from alerter.notify.flight import Flight
from alerter.notify.message import Rendered
from alerter.notify.slackbody import backstop, plain_body
from alerter.notify.untyped import CHANNEL_RE, AppriseException, NotifySlack, SlackMode

_HOOKS = (SlackMode.WEBHOOK, SlackMode.WEBHOOK_GOV)
_FLOWS = (SlackMode.WORKFLOW, SlackMode.WORKFLOW_TRIGGER)
_PERMANENT = frozenset({
    "access_denied", "account_inactive", "action_prohibited", "as_user_not_supported", "cannot_dm_bot",
    "channel_is_archived", "channel_not_found", "deprecated_endpoint", "ekm_access_denied", "enterprise_is_restricted",
    "invalid_auth", "invalid_token", "is_archived", "messages_tab_disabled", "method_deprecated", "missing_scope",
    "no_active_hooks", "no_permission", "no_service", "no_service_id", "no_team", "no_such_channel",
    "not_allowed_token_type", "not_authed", "not_in_channel", "org_login_required", "posting_to_general_channel_denied",
    "restricted_action", "restricted_action_non_threadable_channel", "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel", "team_access_not_granted", "team_disabled", "token_expired",
    "token_revoked", "two_factor_setup_required", "user_not_found", "users_not_found",
})  # fmt: skip
_BAD_BODY = frozenset({
    "invalid_attachments", "invalid_blocks", "invalid_blocks_format", "invalid_payload", "markdown_text_conflict",
    "msg_blocks_too_long", "msg_too_long", "too_many_attachments", "no_text",
})  # fmt: skip
_BAD_THREAD = frozenset({
    "cannot_reply_to_message", "invalid_thread_ts", "message_not_found", "thread_locked", "thread_not_found",
})  # fmt: skip


class Slack(Courier, NotifySlack):  # type: ignore[misc]  # Apprise's classes are untyped
    """One Slack address; `send` posts our own body and raises what went wrong."""

    socket_connect_timeout = 10.0
    socket_read_timeout = 30.0
    request_rate_per_sec = 0  # pace is the outbox's
    base_url: str | None = None

    def deliver(self, flight: Flight[Any], rendered: Rendered, envelope: Envelope) -> Receipt:
        """Post one message; fall back to bare text, or out of the thread, where Slack refuses the finer form."""
        body = self._body(flight, rendered, envelope)
        while True:
            answer = self._post(flight, self._address("chat.postMessage"), body)
            said = self._said(answer)
            if said == "ok":
                return Receipt(thread_ref=self._thread_ref(answer, envelope))
            if said in _BAD_BODY and "blocks" in body:
                body = {**{k: v for k, v in body.items() if k != "blocks"}, **plain_body(rendered)}
            elif said in _BAD_THREAD and "thread_ts" in body:
                body = {k: v for k, v in body.items() if k != "thread_ts"}
            else:
                raise self._failure(answer, said)

    def _body(self, flight: Flight[Any], rendered: Rendered, envelope: Envelope) -> dict[str, Any]:
        if self.mode in _FLOWS:  # a workflow takes declared variables, and shows them as they are
            return {"text": rendered.text}
        body = backstop(rendered)
        if envelope.possible_repeat:
            note = {"type": "context", "elements": [{"type": "plain_text", "text": REPEAT_NOTE}]}
            body["blocks"] = [*body["blocks"][:49], note]
            body["text"] = f"{body['text']}\n{REPEAT_NOTE}"
        if self.user:
            body["username"] = self.user
        body.update(self._where(flight))
        if self.mode == SlackMode.BOT and envelope.thread_ref and "thread_ts" not in body:
            body["thread_ts"] = envelope.thread_ref
        return body

    def _where(self, flight: Flight[Any]) -> dict[str, str]:
        """Name the channel of a target as Slack wants it: `#ops`, an id after `+`, a person by `@` or address."""
        target = self.channels[0]
        if target is None:
            return {}
        if "@" in target[1:]:
            return {"channel": self._member(flight, target)}
        found = CHANNEL_RE.match(target)
        if found is None:
            raise DeliveryError("the Slack channel's name is not valid", permanent=True)
        channel = found["channel"]
        named = channel[1:] if channel[0] == "+" else channel if channel[0] in "#@" else f"#{channel}"
        return {"channel": named, **({"thread_ts": found["thread_ts"]} if found["thread_ts"] else {})}

    def _member(self, flight: Flight[Any], address: str) -> str:
        answer = self._post(flight, self._address("users.lookupByEmail"), {}, method="GET", params={"email": address})
        said = self._said(answer)
        if said != "ok":
            raise self._failure(answer, said)
        flight.sent = False  # asking for a name has told nobody anything
        return str(_document(answer).get("user", {}).get("id", ""))

    def _address(self, method: str) -> str:
        """Say where to post; `base_url` replaces Slack's host and keeps its paths."""
        if self.mode in _HOOKS:
            host = self.webhook_url if self.mode == SlackMode.WEBHOOK else self.webhook_gov_url
            base = f"{self.base_url}/services" if self.base_url else host
            return f"{base}/{self.token_a}/{self.token_b}/{self.token_c}"
        if self.mode in _FLOWS:
            host, kind = (
                (self.workflow_url, "workflows")
                if self.mode == SlackMode.WORKFLOW
                else (self.workflow_trigger_url, "triggers")
            )
            base = f"{self.base_url}/{kind}" if self.base_url else host
            return "/".join((base, *self.workflow_path))
        return f"{self.base_url}/api/{method}" if self.base_url else str(self.api_url.format(method))

    def _post(
        self,
        flight: Flight[Any],
        url: str,
        body: Mapping[str, Any],
        *,
        method: str = "POST",
        params: Mapping[str, str] | None = None,
    ) -> http.Answer:
        headers = {"User-Agent": "alerter", "Accept": "application/json"}
        if method == "POST":
            headers["Content-Type"] = "application/json; charset=utf-8"
        if self.mode == SlackMode.BOT:
            headers["Authorization"] = f"Bearer {self.access_token}"
        return http.post(
            flight,
            method,
            url,
            body=json.dumps(body).encode() if method == "POST" else b"",
            headers=headers,
            params=params,
            verify=self.verify_certificate,
            timeout=self.request_timeout,
        )

    def _said(self, answer: http.Answer) -> str:
        """Reduce an answer to Slack's own word: `ok`, an error's name, or "" for what Slack would not say."""
        if self.mode in _FLOWS:
            return "ok" if answer.status == 200 else _error_word(answer)
        if self.mode in _HOOKS:
            return "ok" if answer.status == 200 and answer.body.strip() == b"ok" else _error_word(answer)
        document = _document(answer)
        return "ok" if answer.status == 200 and document.get("ok") is True else _error_word(answer)

    def _failure(self, answer: http.Answer, said: str) -> DeliveryError:
        if said in _PERMANENT:
            return DeliveryError(f"Slack refused: {said}", permanent=True)
        if said in _BAD_BODY:
            return DeliveryError(f"Slack refused the message: {said}", permanent=True)
        if answer.status == 200 and said:  # ratelimited, internal_error, fatal_error, whatever comes
            return DeliveryError(f"Slack said {said}", retry_after=answer.retry_after)
        return http.judge(answer, said)

    def _thread_ref(self, answer: http.Answer, envelope: Envelope) -> str | None:
        """The thread's first message: Slack hangs replies under that one, not under one another."""
        if self.mode != SlackMode.BOT:
            return None
        return envelope.thread_ref or str(_document(answer).get("ts") or "") or None


def _document(answer: http.Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _error_word(answer: http.Answer) -> str:
    """Read the error's name from an answer, "" where there is none that could be one."""
    word = _document(answer).get("error") or answer.body[:60].decode("ascii", "replace").strip()
    plausible = isinstance(word, str) and word.isascii() and word.replace("_", "").isalnum() and word.lower() != "ok"
    return str(word) if plausible else ""


class SlackChannel(Channel):
    """A Slack URL: one recipient per channel named in it, or the webhook's own."""

    deadline = 90.0

    def __init__(self, name: str, url: str, base_url: str | None) -> None:
        url = url.replace("/#", "/%23")  # a channel, not a fragment
        parsed = NotifySlack.parse_native_url(url) or NotifySlack.parse_url(url)
        targets: list[str | None] = list(dict.fromkeys(parsed.pop("targets", None) or [])) if parsed else []
        self._base_url = base_url
        self._parsed = parsed
        self._targets: dict[str, str | None] = {}
        try:
            first = self._plugin(None)
        except (AppriseException, TypeError, ValueError):
            raise ValueError(
                f"channel {name}: the url is not a Slack one; write slack://TokenA/TokenB/TokenC for a webhook"
                " or slack://xoxb-token/#channel for a bot"
            ) from None
        if first.mode == SlackMode.BOT and not targets:
            raise ValueError(f"channel {name}: a Slack bot needs a channel: slack://xoxb-token/#channel")
        if first.template:
            raise ValueError(f"channel {name}: write templates into the messages' folder, not into the Slack url")
        for target in targets if first.mode not in _FLOWS else []:
            self._check(name, str(target), str(first.mode))
        wanted = targets if first.mode not in _FLOWS and targets else [None]
        self._targets = {f"{name}/{target.lstrip('#')}" if target else name: target for target in wanted}
        super().__init__(
            name,
            tuple(
                Recipient(id=key, channel=name, service="slack", address=_shown(target), pace=1.0)
                for key, target in self._targets.items()
            ),
        )

    @staticmethod
    def _check(name: str, target: str, mode: str) -> None:
        if "@" in target[1:]:
            if mode != SlackMode.BOT:
                raise ValueError(f"channel {name}: only a Slack bot can find a person by mail address")
        elif CHANNEL_RE.match(target) is None:
            raise ValueError(f"channel {name}: one of the Slack channels named is not a valid name")

    def _plugin(self, target: str | None) -> Slack:
        arguments = {**(self._parsed or {}), "targets": [target] if target else None}
        plugin = Slack(asset=asset(), **arguments)
        plugin.base_url = self._base_url
        return plugin

    def _send(self, flight: Flight[Receipt], recipient_id: str, rendered: Rendered, envelope: Envelope) -> Receipt:
        return deliver(self._plugin(self._targets[recipient_id]), flight, rendered, envelope)


def _shown(target: str | None) -> str:
    if target is None:
        return "Slack webhook"
    return target if target[0] in "#@" or "@" in target else f"#{target.lstrip('+')}"
