"""`alerter send-test`: does a channel work."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from alerter.cli.exits import FAILED, OK
from alerter.cli.frame import Command, config_option, read_config
from alerter.cli.output import say
from alerter.errors import UsageError


@click.command("send-test", cls=Command, short_help="Send a test message to a channel.")
@click.argument("channel")
@config_option
def command(channel: str, config: Path | None) -> int:
    """Send a test message to every recipient of CHANNEL, a name under `channels:` in the config.

    Nothing is stored, so it works beside a running daemon. Exit code 1: a recipient did not accept it.

    \b
    Example:
      alerter send-test ops
    """
    from alerter.app.clock import SystemClock
    from alerter.app.deliver import send_now
    from alerter.app.plan import build_renderer
    from alerter.notify import open_channel

    loaded = read_config(config)
    entry = loaded.channels.get(channel)
    if entry is None:
        raise UsageError(f"no channel is named {channel!r}; there is {', '.join(loaded.channels)}")
    try:
        there = open_channel(channel, entry.url.reveal(), base_url=entry.base_url)
    except ValueError as error:
        raise UsageError(str(error)) from error
    renderer = build_renderer(loaded)
    now = SystemClock().now()
    failed = False
    for recipient in there.recipients:
        key = f"test:{recipient.id}:{now.isoformat()}"
        rendered = renderer.render(test_payload(key, recipient.id, now), recipient.service, channel)
        if rendered.error:
            say(f"warning: your template failed, the built-in one is used: {rendered.error}", err=True)
        refused = send_now(there, recipient.id, rendered, key=key, now=now)
        who = f"{channel}: {recipient.service} {recipient.address}"
        if refused is None:
            say(f"{who}: accepted")
        else:
            failed = True
            say(f"{who}: {refused}", err=True)
    return FAILED if failed else OK


def test_payload(key: str, recipient: str, now: datetime) -> dict[str, Any]:
    """Return what a test message is rendered from."""
    return {
        "schema": 1,
        "kind": "test",
        "key": key,
        "recipient": recipient,
        "account": "",
        "contract": None,
        "severity": "info",
        "made_at": now.isoformat(),
        "data_at": now.isoformat(),
        "newest_day": None,
        "items": [],
        "more": 0,
    }
