"""`alerter outbox`: the messages, sent and unsent."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alerter.cli.frame import Command, config_option, database_option, format_option
from alerter.cli.output import Column, Styled, moment, print_json, print_table, say
from alerter.errors import UsageError

COLORS = {"dead": "bold red", "sent": "green", "pending": "yellow", "sending": "cyan"}


@click.command("outbox", cls=Command, short_help="List messages and how their delivery stands.")
@config_option
@database_option
@click.option("--state", type=click.Choice(["pending", "sending", "sent", "dead"]), help="Only in this state.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many, the newest."
)
@click.option("--resend", type=int, metavar="ID", help="Put a message that was given up back into the queue.")
@format_option()
def command(
    *, config: Path | None, database: str | None, state: str | None, limit: int, resend: int | None, as_format: str
) -> None:
    """List messages and how their delivery stands, the newest first.

    pending: to be sent (again); sending: on its way; sent: accepted; dead: given up, with the reason.

    \b
    Examples:
      alerter outbox --state dead
      alerter outbox --resend 42
    """
    from alerter.app.views import outbox_document
    from alerter.cli.database import opened

    with opened(config, database) as found:
        if resend is not None:
            with found.store.write() as tx:
                if not tx.outbox.resend(resend, found.now):
                    raise UsageError(
                        f"there is no message {resend} that was given up; see: alerter outbox --state dead"
                    )
        with found.store.read() as tx:
            messages = tx.outbox.list(state, limit)
            document = outbox_document(messages, tx.outbox.counts(), now=found.now)
    if as_format == "json":
        print_json(document)
        return
    if resend is not None:
        say(f"message {resend} is in the queue again; the daemon sends it within a minute (or run: alerter once)")
        return
    _print(document)


def _print(document: dict[str, Any]) -> None:
    say(", ".join(f"{count} {state}" for state, count in document["counts"].items()))
    if not document["messages"]:
        return
    print_table(
        [
            Column("id", right=True),
            Column("made (UTC)"),
            Column("to", wrap=True),
            Column("about", wrap=True),
            Column("state", wrap=True),
            Column("tries", right=True),
        ],
        [_row(one) for one in document["messages"]],
    )


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    about = f"{', '.join(one['rules'])} {', '.join(one['reasons'])}".strip() or one["kind"]
    count = f" ({one['items']})" if one["items"] > 1 else ""
    error = f": {one['last_error']}" if one["last_error"] and one["state"] != "sent" else ""
    state = Styled(f"{one['state']}{error}", COLORS.get(one["state"], ""))
    return str(one["id"]), moment(one["created_at"]), one["recipient"], f"{about}{count}", state, str(one["attempts"])
