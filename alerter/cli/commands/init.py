"""`alerter init`: write a commented config."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import os
from pathlib import Path

import click

from alerter.cli.frame import PLACES, Command
from alerter.cli.output import say
from alerter.errors import AlerterError, UsageError

OWNER_ONLY = 0o600


@click.command("init", cls=Command, short_help="Write a commented config.")
@click.argument("path", type=click.Path(path_type=Path), default=PLACES[0], required=False)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def command(path: Path, force: bool) -> None:
    """Write a config with every key, its default and what it means.

    PATH is ./alerter.yaml if left out.  The file can be read by its owner alone.

    \b
    Example:
      alerter init /etc/alerter/alerter.yaml
    """
    from alerter.config import example_text

    write_private(path, example_text(), force=force)
    say(f"wrote {path}")
    say("next: enter your login, your caps and where messages go, then run")
    say(f"  alerter check --config {path}")


def write_private(path: Path, text: str, *, force: bool) -> None:
    """Write a file for its owner alone, whole or not at all; raise UsageError if it exists and may not be replaced."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; --force replaces it")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise AlerterError(f"cannot write {path}: {(error.strerror or 'error').lower()}") from error
