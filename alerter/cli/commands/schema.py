"""`alerter schema`: the config's keys, for editors and for reading."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import click

from alerter.cli.frame import Command
from alerter.cli.output import print_json


@click.command("schema", cls=Command, short_help="Print the config's JSON Schema, for editors.")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["json", "markdown"]),
    default="json",
    show_default=True,
    help="JSON Schema, or a table of all keys.",
)
def command(as_format: str) -> None:
    """Print the config's JSON Schema, with which editors complete and check as you type.

    \b
    Example:
      alerter schema > alerter.schema.json
    """
    from alerter.config import json_schema

    schema = json_schema()
    if as_format == "json":
        print_json(schema)
    else:
        from alerter.cli.keys import key_table

        click.echo(key_table(schema))
