"""`alerter silence`: keep quiet about something for a while."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import getpass
from datetime import timedelta
from pathlib import Path

import click

from alerter.cli.frame import CONTEXT, Command, config_option, database_option, format_option
from alerter.cli.output import Column, Styled, counted, moment, print_json, print_table, say
from alerter.errors import UsageError

LONGEST = timedelta(days=90)


def duration(_ctx: click.Context, _option: click.Parameter, value: str) -> timedelta:
    """Read a length of time of at most 90 days, such as 14d or 1h30m; raise BadParameter otherwise."""
    from pydantic_core import PydanticCustomError

    from alerter.config.values import parse_duration

    try:
        length = parse_duration(value)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message()) from None
    if not timedelta(0) < length <= LONGEST:
        raise click.BadParameter(f"{value!r} is out of range: a silence lasts at most 90 days")
    return length


@click.group("silence", context_settings=CONTEXT, short_help="Keep quiet about something for a while.")
def command() -> None:
    """Keep quiet about alerts for a while; they go on being watched, and what still fires afterwards is told.

    \b
    Examples:
      alerter silence add rule=spike user=8f3c1d7e --for 14d --comment "onboarding"
      alerter silence list
      alerter silence end 1
    """


@command.command("add", cls=Command)
@click.argument("matchers", nargs=-1, required=True)
@click.option(
    "--for", "length", callback=duration, required=True, metavar="TIME", help="How long, at most 90d: 12h, 14d."
)
@click.option("--comment", default="", help="Why: whoever finds the silence later will ask.")
@click.option("--author", default=None, help="Who; your login name if left out.")
@click.option(
    "--up-to",
    type=click.FloatRange(min=0, min_open=True),
    metavar="LEVEL",
    help="Speak all the same above this level (e.g. 80 for 80 %).",
)
@config_option
@database_option
def add(
    *,
    matchers: tuple[str, ...],
    length: timedelta,
    comment: str,
    author: str | None,
    up_to: float | None,
    config: Path | None,
    database: str | None,
) -> None:
    """Silence the alerts whose labels fit all MATCHERS.

    A matcher is label=value, label!=value, label=~regex or label!~regex; the labels are rule, kind, severity,
    account, product, region, contract, user and your rules' own.

    \b
    Example:
      alerter silence add rule=spike "contract=~4f1c.*" --for 14d --comment "import of old seasons"
    """
    from alerter.cli.database import opened
    from alerter.core.routing import Matcher, Silence, all_match
    from alerter.core.states import Status

    try:
        parsed = tuple(Matcher.parse(text) for text in matchers)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with opened(config, database) as found, found.store.write() as tx:
        silence = Silence(
            id=0,
            matchers=parsed,
            starts_at=found.now,
            ends_at=found.now + length,
            author=author or _login(),
            comment=comment,
            up_to=up_to,
        )
        number = tx.silences.add(silence)
        firing = [one for one in tx.alerts.live() if one.status is Status.FIRING]
    fits = sum(all_match(parsed, alert.labels) for alert in firing)
    say(
        f"silence {number} until {moment(silence.ends_at.isoformat())} UTC; it fits {counted(fits, 'firing alert')} now"
    )
    if not fits:
        say("nothing that fires now fits; see the labels with: alerter alerts --format json", err=True)


@command.command("list", cls=Command)
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@config_option
@database_option
@format_option()
def list_(everything: bool, config: Path | None, database: str | None, as_format: str) -> None:
    """List the silences that are in force.

    \b
    Example:
      alerter silence list --all
    """
    from alerter.app.views import silences_document
    from alerter.cli.database import opened

    with opened(config, database) as found, found.store.read() as tx:
        silences = tx.silences.list(found.now, everything)
        document = silences_document(silences, tx.alerts.live(), now=found.now)
    if as_format == "json":
        print_json(document)
        return
    if not document["silences"]:
        say("no silences")
        return
    print_table(
        [
            Column("id", right=True),
            Column("matchers", wrap=True),
            Column("until (UTC)"),
            Column("fits", right=True),
            Column("who and why", wrap=True),
        ],
        [
            (
                str(one["id"]),
                " ".join(one["matchers"]),
                moment(one["ends_at"]) if one["active"] else Styled(moment(one["ends_at"]), "dim"),
                str(one["matches"]),
                f"{one['author']}: {one['comment']}" if one["comment"] else one["author"],
            )
            for one in document["silences"]
        ],
    )


@command.command("end", cls=Command)
@click.argument("number", type=int, metavar="ID")
@config_option
@database_option
def end(number: int, config: Path | None, database: str | None) -> None:
    """End a silence now; what still fires is told at the next poll.

    \b
    Example:
      alerter silence end 3
    """
    from alerter.cli.database import opened

    with opened(config, database) as found, found.store.write() as tx:
        if not tx.silences.end(number, found.now):
            raise UsageError(f"there is no silence {number} in force; see: alerter silence list --all")
    say(f"silence {number} is over")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
