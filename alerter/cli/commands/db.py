"""`alerter db`: the database's schema."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from pathlib import Path

import click

from alerter.cli.exits import OK, SCHEMA
from alerter.cli.frame import CONTEXT, Command, config_option, database_option, read_config
from alerter.cli.output import say


@click.group("db", context_settings=CONTEXT, short_help="Look at the database's schema or bring it up to date.")
def command() -> None:
    """Look at the database's schema, or bring it up to date.

    `run` and `once` do that by themselves at their start.

    \b
    Examples:
      alerter db check
      alerter db upgrade --database postgresql://alerter@db.example.com/alerter
    """


@command.command("check", cls=Command)
@config_option
@database_option
def check(config: Path | None, database: str | None) -> int:
    """Say whether the schema fits this program. Exit code 3: it does not.

    \b
    Example:
      alerter db check
    """
    from alerter.cli.database import public_url
    from alerter.store import migrate

    url = _url(config, database)
    state = migrate.check(url)
    say(f"{public_url(url)}: {state.state} (schema {state.current or 'none'}, this program has {state.head})")
    if state.state in ("older", "none"):
        say("bring it up to date with: alerter db upgrade", err=True)
    elif state.state == "newer":
        say("it was written by a newer alerter; install that version here too", err=True)
    return OK if state.state == "current" else SCHEMA


@command.command("upgrade", cls=Command)
@config_option
@database_option
def upgrade(config: Path | None, database: str | None) -> None:
    """Bring the schema up to date, or make it; an interrupted upgrade leaves the old one as it was.

    \b
    Example:
      alerter db upgrade --config /etc/alerter/alerter.yaml
    """
    from alerter.cli.database import public_url
    from alerter.store import migrate

    url = _url(config, database)
    migrate.upgrade(url, say)
    say(f"{public_url(url)}: current (schema {migrate.check(url).head})")


def _url(config: Path | None, database: str | None) -> str:
    from alerter.cli.database import chosen_url

    return chosen_url(None if database else read_config(config, secrets=False), database)
