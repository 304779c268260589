"""`alerter version`."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import click

from alerter.cli.frame import Command


def version_line() -> str:
    """Return `alerter 0.1.0`, with the Python it runs on."""
    import platform
    from importlib.metadata import version

    return f"alerter {version('alerter')} (Python {platform.python_version()})"


@click.command("version", cls=Command, short_help="Say which version this is.")
def command() -> None:
    """Say which version this is.

    \b
    Example:
      alerter version
    """
    click.echo(version_line())
