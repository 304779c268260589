"""`alerter status`: accounts, contracts, alerts and outbox on one page."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from alerter.cli.commands.once import instant
from alerter.cli.exits import FAILED, OK
from alerter.cli.frame import Command, config_option, database_option, format_option
from alerter.cli.output import (
    Column,
    Styled,
    age,
    ago,
    area,
    counted,
    due,
    percent,
    print_json,
    print_table,
    say,
    say_folded,
    used_style,
)


@click.command("status", cls=Command, short_help="See accounts, contracts, alerts and messages.")
@config_option
@database_option
@click.option("--at", callback=instant, metavar="INSTANT", help="Look as if it were then: after a rehearsal.")
@format_option()
def command(config: Path | None, database: str | None, at: datetime | None, as_format: str) -> int:
    """Show how accounts, contracts, alerts and messages stand, and what to do about what is wrong.

    Reads the database only, whether the daemon runs or not. Exit code 1: something is wrong.

    \b
    Examples:
      alerter status
      alerter status --format json | jq '.contracts[] | [.label, .used_percent]'
    """
    from alerter.app.status import status_document
    from alerter.cli.database import opened, status_settings

    with opened(config, database) as found, found.store.read() as tx:
        document = status_document(tx, status_settings(found), now=at or found.now)
    if as_format == "json":
        print_json(document)
    else:
        _print(document)
    return OK if document["healthy"] else FAILED


# ------------------------------------------------------------------ tables
def _print(document: dict[str, Any]) -> None:
    now = document["at"]
    print_table(
        [
            Column("account", wrap=True),
            Column("polled"),
            Column("next"),
            Column("calls last / all", right=True, wrap=True),
            Column("state", wrap=True),
        ],
        [
            (
                one["name"],
                ago(one["last_poll_at"], now),
                due(one["next_poll_at"], now),
                f"{one['calls_last']:,} / {one['calls_total']:,}",
                _state(one),
            )
            for one in document["accounts"]
        ],
    )
    say()
    if document["contracts"]:
        print_table(
            [
                Column("contract", wrap=True, least=26),
                Column("days", right=True, wrap=True),
                Column("billed", right=True),
                Column("cap", right=True),
                Column("used", right=True),
                Column("overlap", right=True),
                Column("age", wrap=True),
            ],
            [_contract(one, now) for one in document["contracts"]],
        )
        say()
    for one in document["contracts"]:
        if one["fill"] and one["fill"]["read"] < one["fill"]["of"]:
            whose = f"{one['account']} {one['name'] or one['label']}"
            say_folded(f"history  {whose}: {one['fill']['read']} of {one['fill']['of']} days read", indent=9)
    _print_calls(document["accounts"])
    alerts, outbox = document["alerts"], document["outbox"]
    say(f"alerts   {alerts['firing']} firing, {alerts['pending']} pending, {alerts['resolved']} resolved")
    waiting = f", the oldest since {ago(outbox['oldest_pending_at'], now)}" if outbox["oldest_pending_at"] else ""
    under_way = outbox["pending"] + outbox["sending"]
    say(f"messages {outbox['sent']} sent, {under_way} waiting{waiting}, {outbox['dead']} given up")
    if document["healthy"]:
        say("all is well")
        return
    say()
    say(f"{counted(len(document['problems']), 'thing')} to look at:")
    for problem in document["problems"]:
        say(f"- {problem['what']}")
        say(f"  {problem['do']}")


def _print_calls(accounts: list[dict[str, Any]]) -> None:
    """Write what was asked, by endpoint: in the last poll and in all."""
    for account in accounts:
        asked = [f"{one['endpoint']} {one['last']:,} / {one['total']:,}" for one in account["calls"]]
        if asked:
            whose = f" of {account['name']}" if len(accounts) > 1 else ""
            say_folded(f"calls    {', '.join(asked)}{whose}", indent=9)


def _state(account: dict[str, Any]) -> Styled:
    if account["failing_since"]:
        return Styled(f"fails: {account['reason']}", "bold red")
    return Styled("ok", "green") if account["ok"] else Styled("not polled yet", "yellow")


def _contract(one: dict[str, Any], now: str) -> tuple[Any, ...]:
    name = f"{one['name']} ({one['label']})" if one["name"] else one["label"]
    overlap = None if one["overlap_share"] is None else percent(100 * one["overlap_share"])
    days = None if one["days_left"] is None else str(one["days_left"])
    return (
        name,
        days,
        area(one["used_billed"], one["unit"]),
        area(one["cap"], None),
        Styled(percent(one["used_percent"]), used_style(one["used_percent"])),
        overlap,
        _freshness(one, now),
    )


def _freshness(one: dict[str, Any], now: str) -> str | Styled:
    if one["fill"] and one["fill"]["read"] < one["fill"]["of"]:
        return Styled("being read", "yellow")
    if one["data_at"] is None:
        return "no answer yet"
    if one["meaning"] in ("unproven", "contradicted"):
        return Styled(f"billed {one['meaning']}", "yellow")
    return age(one["data_at"], now) if one["fresh"] else Styled(f"old: {one['newest_day'] or 'no day'}", "yellow")
