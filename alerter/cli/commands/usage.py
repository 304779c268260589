"""`alerter usage`: one contract's days, as known now or at an earlier instant."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alerter.cli.commands.once import instant
from alerter.cli.frame import Command, config_option, database_option
from alerter.cli.output import Column, Styled, area, counted, moment, percent, print_json, print_table, say_folded
from alerter.cli.progress import working
from alerter.errors import UsageError

if TYPE_CHECKING:
    from alerter.cli.database import Opened

STATES = {"open": "cyan", "provisional": "yellow", "settled": "", "final": "dim"}


def day_option(_ctx: click.Context, _option: click.Parameter, value: str | None) -> date | None:
    """Read an ISO date; raise BadParameter otherwise."""
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date; write 2026-05-16") from None


@click.command("usage", cls=Command, short_help="See one contract's days: table, chart, CSV or JSON.")
@click.argument("contract")
@config_option
@database_option
@click.option("--user", metavar="ID|NAME", help="Only of this Leaf user: id or name, or the beginning of it.")
@click.option("--from", "first_on", callback=day_option, metavar="DAY", help="The first day. [default: the term's]")
@click.option("--to", "last_on", callback=day_option, metavar="DAY", help="The last day. [default: the newest]")
@click.option(
    "--as-of", "as_of", callback=instant, metavar="INSTANT", help="As it was known at that date or instant (UTC)."
)
@click.option("--unit", type=click.Choice(["acre", "hectare"]), help="Of the areas. [default: the API's]")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["table", "chart", "csv", "json"]),
    default="table",
    show_default=True,
    help="For people, for a spreadsheet, or one JSON document with the fields of docs/interface.md.",
)
def command(
    *,
    contract: str,
    config: Path | None,
    database: str | None,
    user: str | None,
    first_on: date | None,
    last_on: date | None,
    as_of: datetime | None,
    unit: str | None,
    as_format: str,
) -> None:
    """Show what CONTRACT used day by day: billed (the sum over users), unique (overlap removed) and overlap.

    CONTRACT is its id or the beginning of it, its product, or its name in the config; ID@START names a former term.
    A day without a figure is a gap, never a zero. Days may still change: open (today), provisional (ended less than
    `poll.settle` ago), settled, final.

    \b
    Examples:
      alerter usage OPERATIONS_FILE --from 2026-05-01
      alerter usage 1f6c --user "Prairie Co-op" --format chart
      alerter usage 1f6c --as-of 2026-05-16T12:00:00Z --format csv > may.csv
    """
    from alerter.app.usage import UsageQuestion
    from alerter.cli.database import opened
    from alerter.core.area import parse_unit

    if first_on and last_on and last_on < first_on:
        raise UsageError(f"--to {last_on} lies before --from {first_on}")
    question = UsageQuestion(
        user=user, first_on=first_on, last_on=last_on, as_of=as_of, unit=parse_unit(unit) if unit else None
    )
    with working("reading the days"), opened(config, database) as found:
        document = _document(found, contract, question)
    _WRITERS[as_format](document)


def _document(found: Opened, wanted: str, question: Any) -> dict[str, Any]:
    from alerter.app.usage import find_term, usage_document
    from alerter.cli.database import status_settings
    from alerter.core.model import Settling

    settings, config = status_settings(found), found.config
    settling = Settling(settle=config.poll.settle, revise=config.poll.revise) if config else Settling()
    aliases = {one.name: dict(one.aliases) for one in config.accounts} if config else {}
    with found.store.read() as tx:
        known = tx.usage.contracts(None, question.as_of) or tx.usage.contracts()
        accounts = settings.accounts
        terms = [one for one in known if accounts is None or one.contract.account in accounts]
        stored = find_term(terms, wanted, settings.name_of, at=question.as_of or found.now)
        return usage_document(
            tx,
            stored,
            question,
            aliases=aliases.get(stored.contract.account, {}),
            named=settings.name_of,
            settling=settling,
            now=found.now,
        )


# ------------------------------------------------------------------ for people
def _print(document: dict[str, Any]) -> None:
    say_folded(heading(document), indent=2)
    unit = document["unit"]
    print_table(
        [
            Column("day"),
            Column("state"),
            Column(f"billed {unit}", right=True),
            Column(f"unique {unit}", right=True),
            Column(f"overlap {unit}", right=True),
            Column(f"total billed {unit}", right=True),
        ],
        [_row(day) for day in document["days"]],
    )
    for line in summary(document):
        say_folded(line, indent=2)


def _row(day: dict[str, Any]) -> tuple[Any, ...]:
    is_gap = day["billed"] is None and day["unique"] is None
    state = Styled("gap", "bold yellow") if is_gap else Styled(day["state"], STATES[day["state"]])
    figures = (day["billed"], day["unique"], day["overlap"], day["billed_total"])
    return (day["day"], state, *(None if one is None else f"{one:,.2f}" for one in figures))


def heading(document: dict[str, Any]) -> str:
    """Return whose days these are, and as known when."""
    contract, user = document["contract"], document["user"]
    name = f"{contract['name']} ({contract['label']})" if contract["name"] else contract["label"]
    whose = f"{user['name'] or user['id']}, " if user else ""
    return f"{whose}{name}, as known at {moment(document['data_at'])} UTC"


def summary(document: dict[str, Any]) -> list[str]:
    """Return the totals, and what limits them, as sentences."""
    totals, unit = document["totals"], document["unit"]
    at_least = "" if totals["complete"] else "at least "
    lines = [f"{document['from']} to {document['to']}: billed {at_least}{area(totals['billed'], unit, digits=2)}"]
    if totals["unique"] is not None:
        share = "" if totals["overlap_share"] is None else f" ({percent(100 * totals['overlap_share'])})"
        lines[0] += f", unique {area(totals['unique'], unit, digits=2)}"
        lines[0] += f", overlap {area(totals['overlap'], unit, digits=2)}{share}"
    if totals["gaps"]:
        lines.append(f"{counted(totals['gaps'], 'day')} without a billed figure: what was used then is not known")
    if document["meaning"] in ("unproven", "contradicted"):
        lines.append(f"what the daily summaries mean is {document['meaning']}, so billed figures are unknown")
    return lines


# ------------------------------------------------------------------ other forms
def _print_chart(document: dict[str, Any]) -> None:
    from alerter.cli.chart import chart_lines

    say_folded(heading(document), indent=2)
    for line in chart_lines(document["days"], document["unit"]):
        click.echo(line)  # colours are dropped where there is no terminal
    for text in summary(document):
        say_folded(text, indent=2)


def _print_csv(document: dict[str, Any]) -> None:
    from alerter.cli.spreadsheet import csv_lines

    contract, user = document["contract"], document["user"] or {"id": "", "name": ""}
    texts = {
        "unit": document["unit"],
        "account": contract["account"],
        "contract": contract["id"],
        "label": contract["label"],
        "user": user["id"],
        "user_name": user["name"] or "",
    }
    columns = ("day", "state", "billed", "unique", "overlap", "billed_total", "unique_total")
    rows = ({**{name: day[name] for name in columns}, **texts} for day in document["days"])
    for line in csv_lines((*columns, *texts), rows):
        click.echo(line)


_WRITERS = {"table": _print, "chart": _print_chart, "csv": _print_csv, "json": print_json}
