"""What goes into a rendering and what comes out of it: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSettings:
    """How messages show figures.

    `unit`: as_reported, acre or hectare; `zone`: an IANA name for instants (days are the API's UTC days);
    `digits`: significant digits of an area; `public_url`: where the status page is reached, "" for nowhere.
    """

    unit: str = "as_reported"
    zone: str = "UTC"
    digits: int = 3
    public_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One message, ready for one service.

    `text` stands alone; `html` is there for mail, `slack` (`text` and `blocks`) for Slack, `payload` is what was
    rendered.  `error` names the template that failed, when the built-in text had to step in.
    """

    title: str
    text: str
    html: str | None = None
    slack: Mapping[str, Any] | None = None
    error: str | None = None
    payload: Payload = field(default_factory=dict)
