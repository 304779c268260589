"""What all commands share: options, the place of the config, and how hostile text becomes printable."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alerter.errors import UsageError

if TYPE_CHECKING:  # only for the annotations: these import pydantic and SQLAlchemy
    from alerter.config import Config

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
PLACES = (Path("alerter.yaml"), Path("/etc/alerter/alerter.yaml"))  # where a config is looked for, in this order
CONFIG_VARIABLE = "ALERTER_CONFIG"
Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


@dataclass(slots=True)
class Frame:
    """What the boundary must know when a command fails: whether to show where, and what to mask."""

    debug: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def masked(self, text: str) -> str:
        """Return `text` without the secrets of the config that was read."""
        if not self.secrets:
            return text
        from alerter.app.redact import Redactor

        return Redactor(self.secrets).text(text)


# ------------------------------------------------------------------ text
def words_of(text: object, length: int = 200) -> str:
    """Return other people's text as one printable line of at most `length` characters.

    Control characters, terminal escapes, line separators and marks that turn the writing direction are gone.
    """
    one_line = "".join(char if char.isprintable() else " " if char.isspace() else "" for char in str(text))
    return one_line if len(one_line) <= length else one_line[: length - 1] + "…"


# ------------------------------------------------------------------ options
class Command(click.Command):
    """A command that takes --debug behind its name too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = {**CONTEXT, **kwargs.get("context_settings", {})}
        super().__init__(*args, **kwargs)
        debug_option(self)


def _set_debug(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and isinstance(ctx.obj, Frame):
        ctx.obj.debug = True


def debug_option(command: Decorated) -> Decorated:
    """Add --debug."""
    return click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_debug,
        help="Show where an error comes from, and log everything.",
    )(command)


def config_option(command: Decorated) -> Decorated:
    """Add --config."""
    return click.option(
        "--config",
        "-c",
        "config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="The config file. [default: $ALERTER_CONFIG, ./alerter.yaml, /etc/alerter/alerter.yaml]",
    )(command)


def database_option(command: Decorated) -> Decorated:
    """Add --database."""
    return click.option(
        "--database",
        "database",
        metavar="URL",
        envvar="ALERTER_DATABASE",
        help="The database instead of the config's: an SQLite file or postgresql://…  [env: ALERTER_DATABASE]",
    )(command)


def format_option(*, default: str = "table") -> Callable[[Decorated], Decorated]:
    """Add --format, with `default` (table or text) or json."""

    def add(command: Decorated) -> Decorated:
        return click.option(
            "--format",
            "as_format",
            type=click.Choice([default, "json"]),
            default=default,
            show_default=True,
            help="For people, or one JSON document with the fields of docs/interface.md.",
        )(command)

    return add


# ------------------------------------------------------------------ the config
def find_config(given: Path | None) -> Path:
    """Return the config file to read; raise UsageError where none is given and none is in its usual places."""
    if given is not None:
        return given
    for place in PLACES:
        if place.exists():
            return place
    looked = " and ".join(str(place) for place in PLACES)
    raise UsageError(
        f"no config: there is no {looked}; name one with --config FILE or ${CONFIG_VARIABLE}, "
        "or write one with: alerter init"
    )


def read_config(given: Path | None, *, env: Mapping[str, str] = os.environ, secrets: bool = True) -> Config:
    """Find, read and check the config; remember its secrets for the boundary; raise ConfigError or UsageError.

    Without `secrets` those kept outside of the file are not looked for: they may be the daemon's alone.
    """
    from alerter.config import load_config

    folder = env.get("CREDENTIALS_DIRECTORY")
    credentials = Path(folder) if folder else None
    config = load_config(find_config(given), env=env, credentials_dir=credentials, secrets=secrets)
    frame = frame_of()
    frame.secrets = tuple(config.secrets)
    if frame.debug:
        from alerter.app.logs import configure

        configure("debug", "logfmt", config.secrets)
    return config


def frame_of() -> Frame:
    """Return the running command's frame."""
    context = click.get_current_context(silent=True)
    root = context.find_root().obj if context else None
    return root if isinstance(root, Frame) else Frame()


def quiet_logs() -> None:
    """Keep log lines off the terminal: a command says what happened in its own words."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
