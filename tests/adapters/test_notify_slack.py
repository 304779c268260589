"""What a Slack-compatible server receives, and what its answers mean for delivery."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from alerter.errors import DeliveryError
from alerter.notify import Channel, MessageSettings, Receipt, Rendered, Renderer, open_channel
from alerter.notify.channels import REPEAT_NOTE
from alerter.notify.samples import KINDS, item, payload, samples
from tests.sinks import HttpSink, Reply, http_sink

HOOK = "slack://TAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc"
BOT = "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"
RENDERER = Renderer(MessageSettings())
DATE = "Thu, 14 May 2026 06:00:00 GMT"
HOSTILE = [
    "<!channel> <script>alert(1)</script>",
    "<@U123> <http://evil.example|click> &lt;!here&gt;",
    "*bold* _italic_ ~strike~ `code` > quote",
    "a\r\nb\x1b[2J\x07",
    "\u202egnp.exe\u2066",
    "lone \ud800 half",
    "{{7*7}} {% for x in y %}",
    "=cmd|' /C calc'!A0",
    "```fence```",
    "x" * 1_000_000,
]


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as made:
        yield made


def hook(sink: HttpSink, url: str = HOOK) -> Channel:
    return open_channel("ops", url, base_url=sink.url)


def send(channel: Channel, rendered: Rendered | None = None, recipient: str = "", **changes: Any) -> Receipt:
    options: dict[str, Any] = {
        "key": "f:1:firing:80:0:ops", "thread": "ops/cap/c", "thread_ref": None,
        "created_at": datetime(2026, 5, 14, 6, 10, tzinfo=UTC), "possible_repeat": False, **changes,
    }  # fmt: skip
    rendered = rendered or RENDERER.render(samples("contract_cap")[0], "slack", "ops")
    return channel.send(recipient or channel.recipients[0].id, rendered, **options)


def texts(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        if body.get("type") in ("mrkdwn", "plain_text"):
            yield body["text"]
        for value in body.values():
            yield from texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from texts(value)


def test_a_webhook_gets_one_post_with_text_and_blocks(sink: HttpSink) -> None:
    send(hook(sink))
    (got,) = sink.requests
    assert (got.method, got.path) == ("POST", "/services/TAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc")
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert got.json["text"].startswith("🟠 *WARNING · prod · OPERATIONS_FILE (US) · 82.4 % of cap")
    assert got.json["blocks"][0]["type"] == "header"
    assert "channel" not in got.json


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_is_within_slacks_limits(sink: HttpSink, kind: str) -> None:
    for sample in samples(kind):
        send(hook(sink), RENDERER.render(sample, "slack", "ops"))
    for got in sink.requests:
        assert len(got.json["text"]) <= 3500
        assert len(got.json["blocks"]) <= 50
        for block in got.json["blocks"]:
            limit = 150 if block["type"] == "header" else 3000
            assert all(0 < len(text) <= limit for text in texts(block))


@pytest.mark.parametrize("kind", ["contract_cap", "user_cap", "daily_spike", "contract_end", "health", "other"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_value_is_shown_but_never_obeyed(sink: HttpSink, kind: str, name: str) -> None:
    user = {"id": name, "name": name}
    one = item(kind, user=user, rule=name, where=name, threshold=name)
    one["figures"] |= {"top_users": [{**user, "area": 1.0, "share": 0.1}], "cap_source": name, "method_reason": name,
                       "contributors": [{**user, "value": 1.0}], "message": name, "cap_from": name}  # fmt: skip
    made = payload([one], account=name, contract={"id": name, "label": name}, key=name)
    rendered = RENDERER.render(made, "slack", "ops")
    send(hook(sink), rendered)
    assert rendered.error is None
    body = sink.requests[0].json
    assert len(body["text"]) <= 3500
    for text in (body["text"], *texts(body["blocks"])):
        assert "<" not in text.replace("<http", "")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
        assert "49" not in text or "{{7*7}}" not in name
    for text in (body["text"], *texts(body["blocks"][1:])):
        assert text.count("```") % 2 == 0
        outside = re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL)  # nothing is formatted inside code
        assert not any(mark in outside for mark in ("`code`", "*bold*", "_italic_", "~strike~"))


def test_a_headers_plain_text_cannot_mention_anybody(sink: HttpSink) -> None:
    send(hook(sink), RENDERER.render(payload([item("user_cap", user={"id": "u", "name": "<!channel>"})]), "slack", "o"))
    header = sink.requests[0].json["blocks"][0]["text"]
    assert header["type"] == "plain_text"
    assert "<!channel>" not in sink.requests[0].json["text"]


def test_many_users_are_cut_with_a_count(sink: HttpSink) -> None:
    send(hook(sink), RENDERER.render(samples("user_cap")[5], "slack", "ops"))
    assert "and 5 more users" in sink.requests[0].json["text"]


@pytest.mark.parametrize(
    ("reply", "permanent", "ambiguous", "retry_after"),
    [
        (Reply(429, b"", {"Retry-After": "7"}), False, False, 7.0),
        (Reply(429, b"", {"Retry-After": "-3"}), False, False, 1.0),
        (Reply(429, b"", {"Retry-After": "999999"}), False, False, 3600.0),
        (Reply(429, b"", {"Retry-After": "nan"}), False, False, None),
        (Reply(429, b"", {"Retry-After": "Thu, 14 May 2026 06:00:30 GMT", "Date": DATE}), False, False, None),
        (Reply(500, b"oops"), False, False, None),
        (Reply(500, b"ok"), False, False, None),
        (Reply(503, b"", {"Retry-After": "30"}), False, False, 30.0),
        (Reply(504, b""), False, True, None),
        (Reply(400, b"invalid_token"), True, False, None),
        (Reply(400, b"invalid_payload"), True, False, None),
        (Reply(403, b"action_prohibited"), True, False, None),
        (Reply(404, b"no_service"), True, False, None),
        (Reply(410, b"channel_is_archived"), True, False, None),
        (Reply(302, b"", {"Location": "/elsewhere"}), False, False, None),
        (Reply(200, b"<html>log in to the hotel's network</html>"), False, False, None),
        (Reply(cut=True), False, True, None),
    ],
    ids=lambda value: str(getattr(value, "status", "")) + str(getattr(value, "body", ""))[:24],
)  # fmt: skip
def test_an_answer_means_what_it_should(
    sink: HttpSink, reply: Reply, permanent: bool, ambiguous: bool, retry_after: float | None
) -> None:
    sink.replies = [reply]
    with pytest.raises(DeliveryError) as caught:
        send(hook(sink))
    error = caught.value
    assert (error.permanent, error.ambiguous) == (permanent, ambiguous)
    if "Date" not in reply.headers:
        assert error.retry_after == retry_after
    assert "TAAAAAAAA" not in str(error)
    assert all(got.path.startswith("/services/") for got in sink.requests)


def test_a_refused_form_is_sent_again_as_bare_text(sink: HttpSink) -> None:
    sink.replies = [Reply(400, b"invalid_blocks"), Reply()]
    send(hook(sink))
    assert "blocks" not in sink.requests[1].json
    assert "82.4 % of cap" in sink.requests[1].json["text"]


def test_nobody_listening_is_transient_and_certain(sink: HttpSink) -> None:
    sink.close()
    with pytest.raises(DeliveryError) as caught:
        send(hook(sink))
    assert not caught.value.permanent
    assert not caught.value.ambiguous


def test_a_read_timeout_is_ambiguous(sink: HttpSink) -> None:
    sink.replies = [Reply(hang=True)]
    with pytest.raises(DeliveryError) as caught:
        send(hook(sink, f"{HOOK}?rto=0.3"))
    assert caught.value.ambiguous


def test_closing_the_sockets_ends_a_send_in_flight_at_once(sink: HttpSink) -> None:
    sink.replies = [Reply(hang=True)]
    channel = hook(sink)
    threading.Thread(target=lambda: sink.arrived.wait(5) and channel.close_sockets(), daemon=True).start()
    begun = time.monotonic()
    with pytest.raises(DeliveryError) as caught:
        send(channel)
    assert caught.value.ambiguous
    assert time.monotonic() - begun < 3


def test_a_deadline_ends_what_nothing_else_does(sink: HttpSink) -> None:
    sink.replies = [Reply(hang=True)]
    channel = hook(sink)
    channel.deadline = 0.3
    with pytest.raises(DeliveryError, match="no end after") as caught:
        send(channel)
    assert caught.value.ambiguous


def test_a_bot_posts_into_the_thread_and_returns_its_first_message(sink: HttpSink) -> None:
    sink.replies = [Reply(200, b'{"ok":true,"ts":"17.1","channel":"C1"}')]
    channel = open_channel("bot", f"{BOT}/#ops/+C0123/@U9", base_url=sink.url)
    assert [recipient.id for recipient in channel.recipients] == ["bot/ops", "bot/+C0123", "bot/@U9"]
    assert send(channel, recipient="bot/ops") == Receipt(thread_ref="17.1")
    assert send(channel, recipient="bot/+C0123", thread_ref="16.0") == Receipt(thread_ref="16.0")
    first, second = sink.requests
    assert (first.path, first.json["channel"], "thread_ts" in first.json) == ("/api/chat.postMessage", "#ops", False)
    assert (second.json["channel"], second.json["thread_ts"]) == ("C0123", "16.0")
    assert first.headers["Authorization"].startswith("Bearer xoxb-")


@pytest.mark.parametrize(
    ("word", "permanent"),
    [
        ("invalid_auth", True),
        ("channel_not_found", True),
        ("ratelimited", False),
        ("fatal_error", False),
        ("new", False),
    ],
)
def test_a_bots_refusal_is_told_by_its_word(sink: HttpSink, word: str, permanent: bool) -> None:
    sink.replies = [Reply(200, f'{{"ok":false,"error":"{word}"}}'.encode())]
    with pytest.raises(DeliveryError, match=word) as caught:
        send(open_channel("bot", f"{BOT}/#ops", base_url=sink.url))
    assert caught.value.permanent is permanent


def test_a_lost_thread_does_not_lose_the_message(sink: HttpSink) -> None:
    sink.replies = [Reply(200, b'{"ok":false,"error":"thread_not_found"}'), Reply(200, b'{"ok":true,"ts":"2.0"}')]
    send(open_channel("bot", f"{BOT}/#ops", base_url=sink.url), thread_ref="1.0")
    assert "thread_ts" not in sink.requests[1].json


def test_a_person_is_found_by_mail_address(sink: HttpSink) -> None:
    sink.replies = [Reply(200, b'{"ok":true,"user":{"id":"U77"}}'), Reply(200, b'{"ok":true,"ts":"2.0"}')]
    send(open_channel("bot", f"{BOT}/?to=anna@example.com", base_url=sink.url))
    assert [got.path.partition("?")[0] for got in sink.requests] == [
        "/api/users.lookupByEmail",
        "/api/chat.postMessage",
    ]
    assert sink.requests[1].json["channel"] == "U77"


def test_a_copy_says_that_it_may_be_one(sink: HttpSink) -> None:
    send(hook(sink), possible_repeat=True)
    assert REPEAT_NOTE in sink.requests[0].json["text"]
    assert REPEAT_NOTE in list(texts(sink.requests[0].json["blocks"]))


def test_a_workflow_gets_plain_text_only(sink: HttpSink) -> None:
    channel = open_channel("flow", "https://hooks.slack.com/triggers/T1/2/abc", base_url=sink.url)
    send(channel)
    assert sink.requests[0].path == "/triggers/T1/2/abc"
    assert list(sink.requests[0].json) == ["text"]


def test_a_webhooks_page_address_is_taken_as_it_is(sink: HttpSink) -> None:
    send(hook(sink, "https://hooks.slack.com/services/TAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc"))
    assert sink.requests[0].path == "/services/TAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc"


@pytest.mark.parametrize(
    "url",
    ["", "slack://", "slack://sec!ret/x/y", "slack://SECRET", f"{BOT}", f"{HOOK}/a%0d%0ab", "nothing",
     f"{HOOK}/%23bad!name!SECRET", f"{HOOK}?to=anna@example.com"],
)  # fmt: skip
def test_a_bad_url_is_refused_without_being_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="channel ops") as caught:
        open_channel("ops", url)
    for secret in ("sec!ret", "SECRET", "4ddbc191d40ee098cbaae6f3523ada2d", "cccccccc"):
        assert secret not in str(caught.value)
        assert secret not in caplog.text


def test_base_url_is_for_slack_only() -> None:
    with pytest.raises(ValueError, match="base_url"):
        open_channel("x", "json://127.0.0.1/", base_url="http://127.0.0.1")
