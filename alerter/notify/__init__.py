"""Render messages and hand them over: the only importer of Apprise and Jinja."""

from __future__ import annotations

from alerter.notify.channels import Channel, Receipt, Recipient, open_channel
from alerter.notify.message import MessageSettings, Rendered
from alerter.notify.render import Renderer, check_templates

__all__ = [
    "Channel",
    "MessageSettings",
    "Receipt",
    "Recipient",
    "Rendered",
    "Renderer",
    "check_templates",
    "open_channel",
]
