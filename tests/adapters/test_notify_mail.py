"""What a mail server receives, and what its answers mean for delivery."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from alerter.errors import DeliveryError
from alerter.notify import Channel, MessageSettings, Receipt, Rendered, Renderer, open_channel
from alerter.notify.channels import REPEAT_NOTE
from alerter.notify.samples import KINDS, item, payload, samples
from tests.sinks import SmtpSink, self_signed, smtp_sink

RENDERER = Renderer(MessageSettings())


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with smtp_sink() as made:
        yield made


def mail(sink: SmtpSink, more: str = "", to: str = "anna@example.com") -> Channel:
    url = f"mailto://127.0.0.1:{sink.port}/?from=Alerter<alerts@example.org>&to={to}&mode=insecure{more}"
    return open_channel("finance", url)


def send(channel: Channel, rendered: Rendered | None = None, recipient: str = "", **changes: Any) -> Receipt:
    options: dict[str, Any] = {
        "key": "f:1:firing:80:0:finance/anna", "thread": "anna/cap/c", "thread_ref": None,
        "created_at": datetime(2026, 5, 14, 6, 10, tzinfo=UTC), "possible_repeat": False, **changes,
    }  # fmt: skip
    rendered = rendered or RENDERER.render(samples("contract_cap")[0], "mail", "finance")
    return channel.send(recipient or channel.recipients[0].id, rendered, **options)


def test_a_mail_has_text_and_html_and_the_headers_of_a_machine(sink: SmtpSink) -> None:
    send(mail(sink))
    (got,) = sink.mails
    message = got.message
    assert (got.sender, got.recipients) == ("alerts@example.org", ["anna@example.com"])
    assert message["Subject"].startswith("WARNING · prod · OPERATIONS_FILE (US) · 82.4 % of cap")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "<finance.alerter.example.org>"
    assert message["X-Alert-Key"] == "f:1:firing:80:0:finance/anna"
    assert message["Date"] == "Thu, 14 May 2026 06:10:00 +0000"
    assert message["Message-ID"].endswith("@example.org>")
    assert message["From"] == "Alerter <alerts@example.org>"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "Prairie Co-op (8f3c)" in got.part("plain")
    assert "Prairie Co-op (8f3c)" in got.part("html")
    assert max(len(line) for line in got.raw.split(b"\r\n")) <= 998
    assert all(len(line) <= 78 for line in got.raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_and_reason_is_a_well_formed_mail(sink: SmtpSink, kind: str) -> None:
    channel = mail(sink)
    for sample in samples(kind):
        rendered = RENDERER.render(sample, "mail", "finance")
        assert rendered.error is None
        send(channel, rendered)
    for got in sink.mails:
        assert got.message.defects == []
        assert got.part("plain").startswith(str(got.message["Subject"]))


def test_the_same_key_makes_the_same_message(sink: SmtpSink) -> None:
    channel = mail(sink)
    send(channel)
    send(channel)
    send(channel, key="another")
    first, copy, other = sink.mails
    assert first.raw == copy.raw
    assert first.message["Message-ID"] != other.message["Message-ID"]


def test_messages_of_one_thread_refer_to_one_root(sink: SmtpSink) -> None:
    channel = mail(sink)
    receipt = send(channel)
    send(channel, key="second", thread_ref=receipt.thread_ref)
    send(channel, key="third", thread="elsewhere")
    first, second, third = (got.message for got in sink.mails)
    assert receipt.thread_ref == first["Message-ID"]
    assert second["In-Reply-To"] == first["Message-ID"]
    assert first["References"].split()[0] == second["References"].split()[0] != third["References"].split()[0]


def test_each_address_is_a_recipient_of_its_own(sink: SmtpSink) -> None:
    channel = mail(sink, "&cc=carla@example.com&bcc=dora@example.com", to="anna@example.com,bob@example.com")
    assert [recipient.id for recipient in channel.recipients] == [
        "finance/anna@example.com", "finance/bob@example.com", "finance/carla@example.com", "finance/dora@example.com",
    ]  # fmt: skip
    send(channel, recipient="finance/bob@example.com")
    assert [got.recipients for got in sink.mails] == [["bob@example.com"]]


@pytest.mark.parametrize(
    ("step", "answer", "permanent"),
    [("mail", "550 no", True), ("mail", "451 later", False), ("rcpt", "550 no such user", True),
     ("rcpt", "450 greylisted", False), ("data", "554 spam", True), ("data", "452 full", False)],
)  # fmt: skip
def test_a_refusal_is_told_by_its_code(sink: SmtpSink, step: str, answer: str, permanent: bool) -> None:
    sink.refuse[step] = answer
    with pytest.raises(DeliveryError, match=answer[:3]) as caught:
        send(mail(sink))
    assert (caught.value.permanent, caught.value.ambiguous) == (permanent, False)


def test_a_connection_lost_after_the_text_is_ambiguous(sink: SmtpSink) -> None:
    sink.refuse["drop"] = ""
    with pytest.raises(DeliveryError) as caught:
        send(mail(sink))
    assert caught.value.ambiguous
    assert len(sink.mails) == 1


def test_nobody_listening_is_transient_and_certain(sink: SmtpSink) -> None:
    channel = mail(sink)
    sink.close()
    with pytest.raises(DeliveryError) as caught:
        send(channel)
    assert (caught.value.permanent, caught.value.ambiguous) == (False, False)


def test_closing_the_sockets_ends_a_send_in_flight(sink: SmtpSink) -> None:
    held = threading.Event()
    sink.hold = held
    channel = mail(sink)
    threading.Thread(target=lambda: sink.arrived.wait(5) and channel.close_sockets(), daemon=True).start()
    with pytest.raises(DeliveryError) as caught:
        send(channel)
    held.set()
    assert caught.value.ambiguous


def test_a_login_that_is_refused_is_permanent() -> None:
    with smtp_sink(auth_require_tls=False) as sink:
        url = f"mailto://anna:{{}}@127.0.0.1:{sink.port}/?from=a@example.org&to=b@example.org&mode=insecure"
        send(open_channel("m", url.format("right")))
        with pytest.raises(DeliveryError) as caught:
            send(open_channel("m", url.format("wr%40ng%23")))
        assert caught.value.permanent
        assert "wr@ng#" not in str(caught.value)
        assert sink.logins[-1] == ("anna", "wr@ng#")


def test_a_certificate_nobody_signed_is_refused_unless_told_so(tmp_path: Path) -> None:
    with smtp_sink(tls_context=self_signed(tmp_path), require_starttls=True) as sink:
        url = f"mailtos://127.0.0.1:{sink.port}/?from=a@example.org&to=b@example.org&mode=starttls"
        with pytest.raises(DeliveryError, match="certificate") as caught:
            send(open_channel("m", url))
        assert not caught.value.ambiguous
        assert sink.mails == []
        send(open_channel("m", f"{url}&verify=no"))
        assert len(sink.mails) == 1


def test_a_server_without_starttls_gets_nothing(sink: SmtpSink) -> None:
    url = f"mailtos://127.0.0.1:{sink.port}/?from=a@example.org&to=b@example.org&mode=starttls"
    with pytest.raises(DeliveryError, match="STARTTLS"):
        send(open_channel("m", url))
    assert sink.mails == []


HOSTILE = [
    "a\r\nBcc: evil@example.com\r\n\r\nbody", "x\x0b\x85\u2028Bcc: evil@example.com", "=?utf-8?B?aGk=?=",
    "<script>alert(1)</script><img src=http://t.example/p.png>", "\u202egnp.exe", "lone \ud800 half", "{{7*7}}",
    "y" * 1_000_000, "=cmd|' /C calc'!A0", ".\r\n.\r\nMAIL FROM:<evil@example.com>",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["contract_cap", "user_cap", "daily_spike", "contract_end", "health", "other"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_value_is_shown_but_never_obeyed(sink: SmtpSink, kind: str, name: str) -> None:
    user = {"id": name, "name": name}
    one = item(kind, user=user, rule=name, where=name, threshold=name)
    one["figures"] |= {"top_users": [{**user, "area": 1.0}], "contributors": [{**user, "value": 1.0}], "message": name}
    rendered = RENDERER.render(
        payload([one], account=name, contract={"id": name, "label": name}, key=name), "mail", "f"
    )
    assert rendered.error is None
    send(mail(sink), rendered, key=name, thread=name)
    (got,) = sink.mails
    assert got.recipients == ["anna@example.com"]
    named = [key.lower() for key, _ in got.message.items()]
    assert [named.count(key) for key in ("bcc", "to", "subject")] == [0, 1, 1]
    assert len(got.message["Subject"]) <= 200
    html, text = got.part("html"), got.part("plain")
    assert "<script>alert" not in html
    assert "<img" not in html
    assert not set("\u202e\ufffe\x0b\x85\u2028") & set(html + text + str(got.message["Subject"]))
    assert len(got.raw) < 200_000


def test_a_line_of_one_dot_survives(sink: SmtpSink) -> None:
    send(mail(sink), Rendered(title="t", text="one\n.\n..two\nlast"))
    assert sink.mails[0].message.get_content().replace("\r\n", "\n").startswith("one\n.\n..two\nlast")


def test_a_copy_says_that_it_may_be_one(sink: SmtpSink) -> None:
    send(mail(sink), possible_repeat=True)
    assert REPEAT_NOTE in sink.mails[0].part("plain")
    assert REPEAT_NOTE in sink.mails[0].part("html")


def test_own_headers_are_kept_and_ours_cannot_be_replaced(sink: SmtpSink) -> None:
    send(mail(sink, "&%2BX-Team=field"))
    assert sink.mails[0].message["X-Team"] == "field"
    with pytest.raises(ValueError, match="message-id"):
        mail(sink, "&%2Bmessage-id=x")


@pytest.mark.parametrize(
    "url",
    ["mailto://", "mailtos://SECRET", "mailtos://u:SECRET@example.com/?from=evil%0d%0aBcc:x@example.com",
     "mailtos://u:SECRET@example.com/?from=a@example.com&name=x%250aBcc:y", "mailtos://u:SECRET@example.com/?to=nobody",
     "mailtos://u:SECRET@example.com/?to=a@example.com&pgp=encrypt"],
)  # fmt: skip
def test_a_bad_url_is_refused_without_being_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="channel finance") as caught:
        open_channel("finance", url)
    assert "SECRET" not in str(caught.value) + caplog.text


def test_raw_bytes_parse_without_defects(sink: SmtpSink) -> None:
    send(mail(sink))
    assert message_from_bytes(sink.mails[0].raw, policy=policy.strict)["To"] == "anna@example.com"
