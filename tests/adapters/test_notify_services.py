"""The console, plain webhooks, and services that Apprise alone knows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from alerter.errors import DeliveryError
from alerter.notify import Channel, MessageSettings, Receipt, Rendered, Renderer, open_channel
from alerter.notify.channels import REPEAT_NOTE
from alerter.notify.console import ConsoleChannel
from alerter.notify.samples import item, payload, samples
from tests.sinks import HttpSink, Reply, http_sink

RENDERER = Renderer(MessageSettings())


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as made:
        yield made


def send(channel: Channel, rendered: Rendered | None = None, recipient: str = "", **changes: Any) -> Receipt:
    options: dict[str, Any] = {
        "key": "f:1:firing:80:0:x", "thread": "x/cap/c", "thread_ref": None,
        "created_at": datetime(2026, 5, 14, 6, 10, tzinfo=UTC), "possible_repeat": False, **changes,
    }  # fmt: skip
    rendered = rendered or RENDERER.render(samples("contract_cap")[0], "json", channel.name)
    return channel.send(recipient or channel.recipients[0].id, rendered, **options)


def test_the_console_prints_the_text_and_an_empty_line() -> None:
    channel = open_channel("screen", "console://")
    assert isinstance(channel, ConsoleChannel)
    channel.stream = io.StringIO()
    send(channel)
    shown = channel.stream.getvalue()
    assert shown.startswith("WARNING · prod · OPERATIONS_FILE (US) · 82.4 % of cap: 659,000 of 800,000 ac billed\n")
    assert shown.endswith("\n\n")


def test_no_value_can_steer_the_terminal() -> None:
    channel = ConsoleChannel("screen", io.StringIO())
    user = {"id": "u", "name": "\x1b]0;title\x07\x1b[2Jbob\n2026-01-01 INFO ok \u202egnp [link=http://x]y[/link]"}
    send(channel, RENDERER.render(payload([item("user_cap", user=user)]), "console", "screen"))
    assert channel.stream is not None
    shown = channel.stream.getvalue()  # type: ignore[attr-defined]
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "\n2026-01-01" not in shown


def test_a_terminal_without_the_signs_still_gets_the_message() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    send(ConsoleChannel("screen", stream))
    stream.seek(0)
    assert "82.4 % of cap" in stream.read()


def test_a_webhook_gets_the_payload_with_title_and_text(sink: HttpSink) -> None:
    channel = open_channel("hook", f"json://anna:right@127.0.0.1:{sink.port}/in/box?+X-Token=secret&-q=1&:team=field")
    assert channel.recipients[0].id == "hook"
    assert "box" not in channel.recipients[0].address
    send(channel, possible_repeat=True)
    (got,) = sink.requests
    assert got.path == "/in/box?q=1"
    assert got.headers["X-Token"] == "secret"
    assert got.headers["Authorization"].startswith("Basic ")
    assert got.json["schema"] == 1
    assert got.json["key"] == "f:1:firing:80:0:x"
    assert got.json["possible_repeat"] is True
    assert got.json["items"][0]["figures"]["percent"] == 82.404
    assert got.json["title"] in got.json["text"]
    assert got.json["team"] == "field"


def test_figures_that_json_cannot_hold_become_null(sink: HttpSink) -> None:
    one = item("contract_cap")
    one["figures"]["rate_7d"] = float("nan")
    send(open_channel("hook", f"json://127.0.0.1:{sink.port}/"), RENDERER.render(payload([one]), "json", "hook"))
    assert json.loads(sink.requests[0].body)["items"][0]["figures"]["rate_7d"] is None


@pytest.mark.parametrize(("status", "permanent"), [(404, True), (410, True), (429, False), (500, False), (307, False)])
def test_a_webhooks_answer_means_what_it_should(sink: HttpSink, status: int, permanent: bool) -> None:
    sink.replies = [Reply(status, b"", {"Location": f"{sink.url}/elsewhere"})]
    with pytest.raises(DeliveryError) as caught:
        send(open_channel("hook", f"json://127.0.0.1:{sink.port}/SECRETPATH"))
    assert caught.value.permanent is permanent
    assert "SECRETPATH" not in str(caught.value)
    assert len(sink.requests) == 1


def test_another_service_gets_title_and_text_through_apprise(sink: HttpSink) -> None:
    channel = open_channel("form", f"form://127.0.0.1:{sink.port}/in")
    assert channel.recipients[0].service == "other"
    send(channel)
    assert b"82.4 % of cap" in sink.requests[0].body or b"82.4+%25+of+cap" in sink.requests[0].body


def test_another_services_refusal_is_transient_and_names_the_status(sink: HttpSink) -> None:
    sink.replies = [Reply(403, b"")]
    with pytest.raises(DeliveryError, match="403") as caught:
        send(open_channel("form", f"form://127.0.0.1:{sink.port}/in"))
    assert not caught.value.permanent
    assert len(sink.requests) == 1


def test_another_service_is_neither_redirected_nor_retried(sink: HttpSink) -> None:
    sink.replies = [Reply(302, b"", {"Location": f"{sink.url}/elsewhere"})]
    with pytest.raises(DeliveryError):
        send(open_channel("form", f"form://127.0.0.1:{sink.port}/in?redirect=yes&retry=3&optional=yes"))
    assert len(sink.requests) == 1


def test_targets_of_another_service_are_recipients_of_their_own_without_their_address() -> None:
    channel = open_channel("chat", "tgram://123456789:ABCdefghijkl/12345678/87654321")
    again = open_channel("chat", "tgram://123456789:ABCdefghijkl/87654321/12345678")
    assert len(channel.recipients) == 2
    assert {one.id for one in channel.recipients} == {one.id for one in again.recipients}
    assert all("1234" not in one.id + one.address for one in channel.recipients)


@pytest.mark.parametrize("url", ["nosuch://SECRET", "json://", "discord://SECRET", "https://example.com/SECRET"])
def test_a_bad_url_is_refused_without_being_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="channel x") as caught:
        open_channel("x", url)
    assert "SECRET" not in str(caught.value) + caplog.text


def test_an_unknown_recipient_is_a_permanent_error() -> None:
    with pytest.raises(DeliveryError) as caught:
        send(ConsoleChannel("screen", io.StringIO()), recipient="elsewhere")
    assert caught.value.permanent


def test_a_copy_says_that_it_may_be_one() -> None:
    stream = io.StringIO()
    send(ConsoleChannel("screen", stream), possible_repeat=True)
    assert REPEAT_NOTE in stream.getvalue()
