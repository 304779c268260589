"""`alerter history`: what changed and what was said, by time."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alerter.cli.frame import Command, config_option, database_option, format_option
from alerter.cli.output import Column, Styled, moment, print_json, print_table, say

if TYPE_CHECKING:
    from alerter.app.views import Document
    from alerter.core.states import Alert
    from alerter.store import Tx

SEARCHED = 5000  # messages that are looked through for one alert


@click.command("history", cls=Command, short_help="See what changed and what was said, and why.")
@config_option
@database_option
@click.option("--alert", "fingerprint", metavar="ID", help="Only of this alert: its id, or the beginning of it.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many lines, the newest."
)
@format_option()
def command(*, config: Path | None, database: str | None, fingerprint: str | None, limit: int, as_format: str) -> None:
    """Show how alerts moved and which messages were made, the newest first, each with its reason.

    \b
    Examples:
      alerter history --limit 20
      alerter history --alert 3fa2 --format json
    """
    from alerter.cli.database import opened

    with opened(config, database) as found, found.store.read() as tx:
        document = _document(tx, fingerprint, limit, found.now)
    if as_format == "json":
        print_json(document)
    else:
        _print(document)


def _document(tx: Tx, prefix: str | None, limit: int, now: Any) -> Document:
    from alerter.app.views import history_document

    one = one_alert(tx, prefix) if prefix is not None else None
    transitions = tx.alerts.transitions(one.fingerprint if one else None, limit)
    messages = tx.outbox.list(None, SEARCHED if one else limit)
    if one is not None:
        messages = [message for message in messages if _is_about(message.payload, one.fingerprint)][:limit]
    alerts = tx.alerts.load({transition.fingerprint for transition in transitions})
    return history_document(transitions, messages, alerts, now=now, limit=limit)


def one_alert(tx: Tx, prefix: str) -> Alert:
    """Return the alert that `prefix` means; raise UsageError if there is none, or more than one."""
    from alerter.errors import UsageError

    found = tx.alerts.find(prefix.lower())
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"no alert begins with {prefix!r}; see: alerter alerts --all")
    raise UsageError(f"{len(found)} alerts begin with {prefix!r}; write more of the id")


def _is_about(payload: Any, fingerprint: str) -> bool:
    return any(item.get("fingerprint") == fingerprint for item in payload.get("items") or ())


def _print(document: Document) -> None:
    if not document["events"]:
        say("nothing has happened yet")
        return
    print_table(
        [
            Column("when (UTC)"),
            Column("alert"),
            Column("rule", wrap=True),
            Column("what", wrap=True),
            Column("reason", wrap=True),
        ],
        [(moment(event["at"]), *_row(event)) for event in document["events"]],
    )


def _row(event: Document) -> tuple[Any, ...]:
    more = len(event["fingerprints"]) - 1
    ids = (event["fingerprints"][0][:8] if event["fingerprints"] else "") + (f" +{more}" if more > 0 else "")
    if event["type"] == "message":
        style = {"dead": "bold red", "sent": "cyan"}.get(event["state"], "yellow")
        error = f": {event['error']}" if event["error"] and event["state"] != "sent" else ""
        return (
            ids,
            event["rule"],
            Styled(f"message to {event['recipient']}: {event['state']}{error}", style),
            event["reason"],
        )
    levels = f", level {event['from_level']:g} -> {event['to_level']:g}"
    return ids, event["rule"], f"{event['from_status']} -> {event['to_status']}{levels}", event["reason"]
