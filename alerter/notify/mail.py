"""Mail: Apprise's plugin for addresses, login and TLS, with our own message and with what the server said.

Message format: RFC 5322, 2046 (alternative), 3834 (Auto-Submitted), 2919 (List-Id); codes: RFC 5321.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from alerter.errors import DeliveryError
from alerter.notify.channels import REPEAT_NOTE, Channel, Envelope, Receipt, Recipient, asset
from alerter.notify.courier import Courier, deliver
from alerter.notify.filters.clean import TITLE_LIMIT, clean, clean_lines
from alerter.notify.flight import Flight
from alerter.notify.message import Rendered
from alerter.notify.untyped import AppriseException, NotifyEmail, SMTPController

COMMAND_TIMEOUT = 60.0  # seconds for each answer before the text
FINAL_TIMEOUT = 300.0  # for the last one: a server that checks the text takes its time, and giving up means a copy
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SLUG = re.compile(r"[^a-z0-9]+")
_OURS = frozenset({
    "auto-submitted", "bcc", "cc", "content-transfer-encoding", "content-type", "date", "from", "in-reply-to",
    "list-id", "message-id", "mime-version", "references", "subject", "to", "x-alert-key",
})  # fmt: skip


class _Session(SMTPController):  # type: ignore[misc]  # Apprise's classes are untyped
    """Apprise's connection, TLS policy and login; the handing over step by step, so that each refusal has its code."""

    def hand_over(self, flight: Flight[Any], sender: str, recipient: str, message: bytes) -> None:
        """Send one message to one recipient; raise DeliveryError as the step at which it failed deserves."""
        server = self._socket
        flight.hold(server.sock)
        server.sock.settimeout(COMMAND_TIMEOUT)
        server.ehlo_or_helo_if_needed()
        options = ["BODY=8BITMIME"] if server.has_extn("8bitmime") else []
        self._expect(server.mail(sender, options), 250)
        self._expect(server.rcpt(recipient), 250)
        self._expect(server.docmd("DATA"), 354)
        server.send(re.sub(rb"(?m)^\.", b"..", message))
        flight.mark_sent()  # without the final dot a server must not deliver
        server.sock.settimeout(FINAL_TIMEOUT)
        try:
            server.send(b".\r\n")
            answer = server.getreply()
        except (OSError, smtplib.SMTPException):
            raise DeliveryError("the connection was lost before the server confirmed", ambiguous=True) from None
        self._expect(answer, 250)

    @staticmethod
    def _expect(answer: tuple[int, bytes], wanted: int) -> None:
        if answer[0] // 10 != wanted // 10:
            raise refusal(*answer)


def refusal(code: int, said: object) -> DeliveryError:
    """Turn an SMTP answer into the error it stands for: 5xx for ever, 4xx for now."""
    text = clean(said.decode("utf-8", "replace") if isinstance(said, bytes) else said, 160)
    return DeliveryError(f"SMTP {code} {text}".rstrip(), permanent=500 <= code < 600)


def _broken(error: BaseException) -> DeliveryError:
    """Name what went wrong before the text was handed over: nothing has arrived."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return DeliveryError(f"SMTP {error.smtp_code}: the login was refused", permanent=500 <= error.smtp_code < 600)
    if isinstance(error, smtplib.SMTPResponseException):
        return refusal(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError("the mail server does not offer what the url asks for (STARTTLS or login)", permanent=True)
    reason = "no connection to the mail server"
    if isinstance(error, ssl.SSLError):
        reason = f"the mail server's certificate was not accepted ({clean(error.reason or 'TLS', 60)})"
    elif isinstance(error, TimeoutError):
        reason = "the mail server did not answer in time"
    elif isinstance(error, socket.gaierror):
        reason = "the mail server's name could not be resolved"
    return DeliveryError(reason)


class Mail(Courier, NotifyEmail):  # type: ignore[misc]  # Apprise's classes are untyped
    """One mail address."""

    request_rate_per_sec = 0  # pace is the outbox's

    def deliver(self, flight: Flight[Any], rendered: Rendered, envelope: Envelope) -> Receipt:
        """Hand one message to the mail server; the receipt refers to it by its Message-ID."""
        message = self.compose(rendered, envelope)
        try:
            with _Session(
                host=self.smtp_host,
                port=self.port,
                secure_mode=self.secure_mode,
                user=self.user,
                password=self.password,
                verify_certificate=self.verify_certificate,
                socket_connect_timeout=self.socket_connect_timeout,
            ) as session:
                session.hand_over(flight, self.from_addr[1], self.targets[0][1], message.as_bytes())
        except (OSError, smtplib.SMTPException, AppriseException, RuntimeError, UnicodeError) as error:
            if flight.sent:
                raise DeliveryError("the connection was lost before the server confirmed", ambiguous=True) from None
            raise _broken(error) from None
        return Receipt(thread_ref=envelope.thread_ref or str(message["Message-ID"]))

    def compose(self, rendered: Rendered, envelope: Envelope) -> EmailMessage:
        """Make the message: the same bytes for the same key, whenever it is made."""
        domain = self.from_addr[1].rpartition("@")[2]
        root = _message_id("thread", envelope.thread, domain)
        message = EmailMessage(policy=SMTP)
        message["Subject"] = clean(rendered.title, TITLE_LIMIT)
        message["From"] = _address(self.from_addr)
        message["To"] = _address(self.targets[0])
        if self.reply_to:
            message["Reply-To"] = sorted(self.reply_to)
        message["Date"] = format_datetime(envelope.created_at)
        message["Message-ID"] = _message_id("message", envelope.key, domain)
        message["In-Reply-To"] = envelope.thread_ref or root
        message["References"] = " ".join(dict.fromkeys((root, envelope.thread_ref or root)))
        message["Auto-Submitted"] = "auto-generated"
        message["List-Id"] = f"<{_SLUG.sub('-', self.channel_name.lower()).strip('-') or 'channel'}.alerter.{domain}>"
        message["X-Alert-Key"] = clean(envelope.key, 400)
        for key, value in self.headers.items():
            message[key] = value
        self._fill(message, rendered, envelope)
        return message

    channel_name = ""

    def _fill(self, message: EmailMessage, rendered: Rendered, envelope: Envelope) -> None:
        note = f"\n{REPEAT_NOTE}\n" if envelope.possible_repeat else ""
        message.set_content(clean_lines(rendered.text).rstrip("\n") + "\n" + note, cte="quoted-printable")
        if rendered.html:
            html = clean_lines(rendered.html)
            if note:
                html = html.replace("</body>", f"<p>{REPEAT_NOTE}</p></body>") if "</body>" in html else html + note
            message.add_alternative(html, subtype="html", cte="quoted-printable")
            message.set_boundary(f"=={_digest('boundary', envelope.key)}==")


def _digest(what: str, text: str) -> str:
    return hashlib.sha256(f"{what}:{text}".encode("utf-8", "replace")).hexdigest()[:32]


def _message_id(what: str, text: str, domain: str) -> str:
    return f"<{_digest(what, text)}.alerter@{domain}>"


def _address(pair: tuple[Any, str]) -> Address:
    return Address(display_name=clean(pair[0] or ""), addr_spec=pair[1])


class MailChannel(Channel):
    """A mailto:// or mailtos:// URL: one recipient per address in it, copies (cc, bcc) included."""

    deadline = COMMAND_TIMEOUT * 3 + FINAL_TIMEOUT

    def __init__(self, name: str, url: str) -> None:
        self._parsed = NotifyEmail.parse_url(url)
        try:
            plugin = self._plugin(name)
        except (AppriseException, TypeError, ValueError):
            raise ValueError(
                f"channel {name}: the url is not a valid mail one; write"
                " mailtos://user:password@host/?from=alerts@example.com&to=anna@example.com"
            ) from None
        if plugin.pgp_mode != "no":
            raise ValueError(f"channel {name}: mail encryption (pgp, wkd) is not supported")
        self._check_headers(name, plugin)
        names = dict(plugin.names)
        pairs = [*plugin.targets, *((names.get(extra), extra) for extra in sorted(plugin.cc | plugin.bcc))]
        self._targets = {f"{name}/{address}": (shown, address) for shown, address in pairs}
        if not self._targets:
            raise ValueError(f"channel {name}: no valid mail address to send to")
        super().__init__(
            name,
            tuple(
                Recipient(id=key, channel=name, service="mail", address=address)
                for key, (_, address) in self._targets.items()
            ),
        )

    @staticmethod
    def _check_headers(name: str, plugin: Mail) -> None:
        for key, value in plugin.headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]{1,76}", key) or _CONTROL.search(value):
                raise ValueError(f"channel {name}: a mail header in the url is not valid")
            if key.lower() in _OURS:
                raise ValueError(f"channel {name}: the mail header {key} cannot be set, it is made for each message")
        addresses = [plugin.from_addr, *plugin.targets]
        if any(_CONTROL.search(str(part)) for pair in addresses for part in pair if part):
            raise ValueError(f"channel {name}: a mail address holds a control character")

    def _plugin(self, name: str) -> Mail:
        plugin = Mail(asset=asset(), **(self._parsed or {}))
        plugin.channel_name = name
        return plugin

    def _send(self, flight: Flight[Receipt], recipient_id: str, rendered: Rendered, envelope: Envelope) -> Receipt:
        plugin = self._plugin(self.name)
        plugin.targets = [self._targets[recipient_id]]
        return deliver(plugin, flight, rendered, envelope)
