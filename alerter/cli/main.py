"""The `alerter` command: its list of commands, and the boundary at which every error becomes words and an exit code.

Nothing heavy is imported here or at the top of a command's module: `alerter --help` must answer at once.
"""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from alerter.cli.exits import INTERNAL, INTERRUPTED, PIPE, REFUSED
from alerter.cli.frame import CONTEXT, Frame, debug_option, quiet_logs, words_of
from alerter.errors import AlerterError

# In the order of the help text: what one does first comes first.
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Try it", ("demo", "sandbox")),
    ("Set up", ("init", "check", "send-test", "schema")),
    ("Watch", ("run", "once")),
    ("Look", ("status", "contracts", "usage", "alerts", "history", "outbox", "doctor")),
    ("Tune", ("score",)),
    ("Act", ("ack", "silence")),
    ("Maintain", ("db", "version")),
)
# A module called test would look like one to the tools that keep tests out of the package.
MODULES = {"send-test": "try_channel"}
COMMANDS = tuple(name for _, names in SECTIONS for name in names)


class _PipeClosedError(Exception):
    """Whoever reads our output went away."""


class Alerter(click.Group):
    """A group that imports a command's module when it is asked for, and lets no traceback out."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command, None if there is no such."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"alerter.cli.commands.{MODULES.get(cmd_name, cmd_name)}")
        command = module.command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one comes nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command {words_of(args[0], 60)!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; let a closed pipe reach the boundary, for click would end with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeClosedError from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings."""
        width = max(len(name) for name in COMMANDS)
        for heading, names in SECTIONS:
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None:
                    rows.append((name.ljust(width), command.get_short_help_str(limit=70)))
            with formatter.section(heading):
                formatter.write_dl(rows)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line; in click's standalone mode end the process with the documented exit code."""

        def run(**more: Any) -> Any:
            return super(Alerter, self).main(
                args, prog_name, complete_var, standalone_mode=False, windows_expand_args=False, **more, **extra
            )

        if not standalone_mode:
            return run()
        frame = Frame()
        _forgive_characters()
        sys.exit(_guarded(lambda: run(obj=frame), frame))


def _guarded(run: Callable[[], Any], frame: Frame) -> int:
    """Run a command and return the exit code, with whatever went wrong said on standard error."""
    try:
        code = run()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (BrokenPipeError, _PipeClosedError):
        return _pipe_closed()
    except AlerterError as error:
        return _told(frame, error, f"error: {error}", error.exit_code)
    except Exception as error:  # noqa: BLE001 - the boundary: a person gets a sentence, never a traceback
        what = f"internal error: {type(error).__name__}: {words_of(str(error), 200)}"
        return _told(frame, error, f"{what}; please report it; run with --debug to see where", INTERNAL)
    return code if isinstance(code, int) and not isinstance(code, bool) else 0


def _told(frame: Frame, error: Exception, sentence: str, code: int) -> int:
    """Write the sentence, each problem of a config on its own line, and with --debug the traceback; return `code`."""
    from alerter.errors import ConfigError

    lines = [str(one) for one in error.problems] if isinstance(error, ConfigError) else [sentence]
    with contextlib.suppress(BrokenPipeError):
        for line in lines:
            click.echo(words_of(frame.masked(line), 4000), err=True)
        if frame.debug:
            import traceback

            text = frame.masked("".join(traceback.format_exception(error)))
            click.echo("\n".join(words_of(line, 2000) for line in text.splitlines()), err=True)
    return code


def _pipe_closed() -> int:
    """Whoever read our output (`head`, a pager) has seen enough; keep Python's own flush at exit quiet too."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE


def _forgive_characters() -> None:
    """A terminal that cannot show a letter shows a question mark instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from alerter.cli.commands.version import version_line

        click.echo(version_line())
        ctx.exit()


@click.group(cls=Alerter, context_settings=CONTEXT, no_args_is_help=False, invoke_without_command=True)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Say which version this is and exit.",
)
@debug_option
@click.pass_context
def cli(ctx: click.Context) -> int | None:
    """Watch the area that Leaf Agriculture contracts use, and say so before it costs money.

    \b
    First steps:
      alerter demo                  see it at work, no account needed
      alerter init alerter.yaml     write a commented config
      alerter check                 try the config and the login
      alerter run                   the daemon

    \b
    Every command that reads a config takes --config FILE; without it:
    $ALERTER_CONFIG, ./alerter.yaml, /etc/alerter/alerter.yaml.
    """
    quiet_logs()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return REFUSED
    return None


def main() -> NoReturn:
    """Run the command line of this process; the entry point of the `alerter` script."""
    cli.main(prog_name="alerter")
    raise SystemExit(INTERNAL)  # not reached: click's standalone mode has ended the process
