"""`alerter demo`: a simulated season, watched from the terminal."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alerter.cli.exits import FAILED, INTERRUPTED, OK
from alerter.cli.frame import Command
from alerter.cli.output import Column, Styled, counted, print_table, say

if TYPE_CHECKING:
    from alerter.app.demo import DemoReport


@click.command("demo", cls=Command, short_help="Watch a simulated season; needs no account.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where its config and database are left.",
)
@click.option("--days", type=click.IntRange(1, 75), help="Simulate fewer days.")
def command(folder: Path, days: int | None) -> int:
    """Simulate a season against a simulated API and print every message as it is sent.

    Needs no account and no network: the real daemon's parts poll a server on this machine, under a fast clock.

    \b
    Example:
      alerter demo
    """
    from alerter.app.demo import DemoProgress, run_demo

    say("A simulated season: the daemon polls a simulated API four times a day and prints each message as it is sent.")
    say()
    stop = threading.Event()
    with _shown_days() as show, _interruptible(stop) as interrupted:
        report = run_demo(folder, DemoProgress(day=show, message=lambda *_: None), days=days, stop=stop)
    if interrupted.is_set():
        return INTERRUPTED
    _print(report)
    return FAILED if report.failures else OK


@contextmanager
def _shown_days() -> Iterator[Callable[[int, int, datetime], None]]:
    """Show a bar of the days below the messages on a terminal; elsewhere a line every ten days on standard error."""
    if not sys.stdout.isatty():
        yield lambda day, days, at: say(f"day {day} of {days}: {at:%Y-%m-%d}", err=True) if day % 10 == 1 else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    with Progress(*columns, console=console, transient=True) as bar:  # prints what is written to stdout above itself
        task = bar.add_task("starting", total=None)
        yield lambda day, days, at: bar.update(
            task, completed=day, total=days, description=f"day {day} of {days}, {at:%Y-%m-%d}"
        )


@contextmanager
def _interruptible(stop: threading.Event) -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM end the season after the poll under way; a second time at once."""
    interrupted = threading.Event()

    def end(_number: int, _frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        stop.set()

    if threading.current_thread() is not threading.main_thread():  # tests
        yield interrupted
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(report: DemoReport) -> None:
    say()
    print_table(
        [
            Column("rule", wrap=True),
            Column("about", wrap=True),
            Column("since"),
            Column("state", wrap=True),
            Column("severity"),
        ],
        [_row(report, alert) for alert in report.alerts],
        title="What was found",
    )
    say(
        f"{report.days} simulated days, {counted(report.polls, 'poll')}, {counted(report.calls, 'API call')}, "
        f"{counted(report.messages, 'message')}, {counted(len(report.alerts), 'alert')}"
    )
    for failure in report.failures[:5]:
        say(f"failed: {failure}", err=True)
    say(f"config used    {report.config}")
    say(f"database       {report.database}")
    say("look further:")
    say(f"  alerter alerts --all --database {report.database}")
    say(f"  alerter history --database {report.database}")


def _row(report: DemoReport, alert: Any) -> tuple[Any, ...]:
    product = report.products.get(alert.contract_id, alert.contract_id)
    who = report.names.get(alert.user_id, alert.user_id)
    window = f", {alert.window}" if alert.window != "-" else ""
    about = f"{who}, {product}{window}" if who else f"{product}{window}"
    style = {"critical": "bold red", "warning": "yellow"}.get(alert.severity or "", "")
    since = f"{alert.started_at:%Y-%m-%d}" if alert.started_at else None
    state = alert.status.value + (f" ({alert.close_reason})" if alert.close_reason else "")
    return alert.rule, about, since, state, Styled(alert.severity.value if alert.severity else "", style)
