"""`alerter contracts`: every term with its use, and what its figures were found to mean."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from alerter.cli.commands.once import instant
from alerter.cli.frame import Command, config_option, database_option, format_option
from alerter.cli.output import (
    Column,
    Styled,
    age,
    area,
    counted,
    percent,
    print_json,
    print_table,
    say,
    say_folded,
    used_style,
)
from alerter.cli.progress import working

SHORT = 8  # characters of an id: enough for `alerter usage`


@click.command("contracts", cls=Command, short_help="List terms: use, overlap, freshness, meaning found.")
@config_option
@database_option
@click.option("--all", "everything", is_flag=True, help="Terms that are over too.")
@click.option("--at", callback=instant, metavar="INSTANT", help="Look as if it were then: after a rehearsal.")
@format_option()
def command(config: Path | None, database: str | None, everything: bool, at: datetime | None, as_format: str) -> None:
    """List the contracts' terms with what was used of them, and what their daily summaries mean and why.

    The beginning of the id is what `alerter usage` takes. Reads the database only.

    \b
    Examples:
      alerter contracts
      alerter contracts --all --format json
    """
    from alerter.app.status import contracts_document
    from alerter.cli.database import opened, status_settings

    with working("reading the contracts"), opened(config, database) as found, found.store.read() as tx:
        document = contracts_document(tx, status_settings(found), everything=everything, now=at or found.now)
    if as_format == "json":
        print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    if not document["contracts"]:
        say("no contract runs, or none was seen yet; --all shows terms that are over")
        return
    now = document["at"]
    print_table(
        [
            Column("id"),
            Column("contract", wrap=True, least=26),
            Column("ends"),
            Column("billed", right=True),
            Column("cap", right=True),
            Column("used", right=True),
        ],
        [_row(one) for one in document["contracts"]],
    )
    say()
    for one in document["contracts"]:
        _print_details(one, now)


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    name = f"{one['name']} ({one['label']})" if one["name"] else one["label"]
    return (
        one["id"][:SHORT],
        name,
        one["end_on"] or "open end",
        area(one["used_billed"], one["unit"]),
        area(one["cap"], None),
        Styled(percent(one["used_percent"]), used_style(one["used_percent"])),
    )


def _freshness(one: dict[str, Any], now: str) -> str:
    if one["data_at"] is None:
        return "no answer yet"
    old = "" if one["fresh"] else ", which is old"
    return f"newest day {one['newest_day'] or 'none'}{old}, asked {age(one['data_at'], now)} ago"


def _print_details(one: dict[str, Any], now: str) -> None:
    """Write what does not fit into the table: overlap, users, freshness, and what the figures mean."""
    left = "" if one["days_left"] is None else f", {counted(max(0, one['days_left']), 'day')} left"
    parts = [f"account {one['account']}, from {one['start_on']}{left}"]
    if one["fill"] and one["fill"]["read"] < one["fill"]["of"]:
        parts.append(f"history read: {one['fill']['read']} of {one['fill']['of']} days")
    if one["used_unique"] is not None:
        share = "" if one["overlap_share"] is None else f" ({percent(100 * one['overlap_share'])})"
        unique, overlap = area(one["used_unique"], one["unit"]), area(one["overlap"], one["unit"])
        parts.append(f"unique {unique}, overlap {overlap}{share}")
    if one["users"] is not None:
        parts.append(counted(one["users"], "user"))
    parts.append(_freshness(one, now))
    parts += [_meaning(found) for found in one["meanings"]]
    if one["missing_lists"]:
        parts.append(f"missing from the last {counted(one['missing_lists'], 'contract list')}")
    say_folded(f"{one['id'][:SHORT]:{SHORT}}  {'; '.join(parts)}", indent=SHORT + 2)


def _meaning(found: dict[str, Any]) -> str:
    """Write what a figure of the daily summaries means, and what that rests on."""
    if found["configured"]:
        why = "as configured"
    else:
        agreeing = found["days_daily"] if found["answer"] == "daily" else found["days_cumulative"]
        why = (
            f"{agreeing} of {found['days_compared']} days compared" if found["days_compared"] else "nothing to compare"
        )
    return f"{found['figure']} figures are {found['answer']} ({why})"
