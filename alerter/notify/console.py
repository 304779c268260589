"""The channel that prints: for trying out, and for whoever reads the journal."""

from __future__ import annotations

import sys
from typing import TextIO

from alerter.errors import DeliveryError
from alerter.notify.channels import REPEAT_NOTE, Channel, Envelope, Receipt, Recipient
from alerter.notify.filters.clean import clean_lines
from alerter.notify.flight import Flight
from alerter.notify.message import Rendered


class ConsoleChannel(Channel):
    """Print each message's text to `stream`, standard output unless set otherwise, with an empty line after it."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        super().__init__(name, (Recipient(id=name, channel=name, service="console", address="standard output"),))
        self.stream = stream

    def _send(self, flight: Flight[Receipt], _: str, rendered: Rendered, envelope: Envelope) -> Receipt:
        stream = self.stream or sys.stdout
        repeat = f"\n{REPEAT_NOTE}" if envelope.possible_repeat else ""
        text = clean_lines(rendered.text).rstrip("\n") + repeat + "\n\n"
        encoding = getattr(stream, "encoding", None) or "utf-8"
        flight.mark_sent()
        try:
            stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except (OSError, ValueError) as error:
            raise DeliveryError(f"cannot print: {type(error).__name__}") from None
        return Receipt()
