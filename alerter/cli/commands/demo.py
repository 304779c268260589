"""`alerter demo`: a simulated season, watched from the terminal."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import shutil
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


SLOWLY = 6.0  # seconds a simulated day takes when the season is over
FOR_EVER = 100_000  # days


@click.command("demo", cls=Command, short_help="Watch a simulated season; needs no account.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where its config and database are left.",
)
@click.option("--days", type=click.IntRange(1, 75), help="Simulate fewer days.")
@click.option("--keep", is_flag=True, help="Go on slowly when the season is over, until Ctrl-C.")
def command(folder: Path, days: int | None, keep: bool) -> int:
    """Simulate a season against a simulated API and print every message as it is sent.

    Needs no account and no network: the real daemon's parts poll a server on this machine, under a fast clock.

    \b
    Examples:
      alerter demo
      alerter demo --keep
    """
    from alerter.app.demo import DemoProgress, run_demo
    from alerter.sandbox import demo_scenario

    say("A simulated season: the daemon polls a simulated API and prints each message as it is sent.")
    say()
    season = days or demo_scenario().days
    reached = 0
    stop = threading.Event()
    with _shown_days(season) as show, _interruptible(stop) as interrupted:

        def day_begins(day: int, _days: int, at: datetime) -> None:
            nonlocal reached
            reached = day
            if day == season + 1:
                say(f"The season is over; it goes on, a day every {SLOWLY:g} seconds, until Ctrl-C. Meanwhile:")
                say(f"  {_program()} alerts --all --database {folder / 'demo.db'}")
                say()
            if day > season:
                stop.wait(SLOWLY)
            show(day, at)

        progress = DemoProgress(day=day_begins, message=lambda *_: None)
        report = run_demo(folder, progress, days=FOR_EVER if keep else season, stop=stop)
    if interrupted.is_set() and not keep:
        return INTERRUPTED
    _print(report, reached)
    return FAILED if report.failures else OK


@contextmanager
def _shown_days(season: int) -> Iterator[Callable[[int, datetime], None]]:
    """Show a bar of the days below the messages on a terminal; elsewhere a line every ten days on standard error."""
    if not sys.stdout.isatty():
        yield lambda day, at: say(f"day {day} of {season}: {at:%Y-%m-%d}", err=True) if day % 10 == 1 else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    with Progress(*columns, console=console, transient=True) as bar:  # prints what is written to stdout above itself
        task = bar.add_task("starting", total=None)
        yield lambda day, at: bar.update(
            task, completed=min(day, season), total=season, description=f"day {day} of {season}, {at:%Y-%m-%d}"
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


def _print(report: DemoReport, days: int) -> None:
    say()
    print_table(
        [
            Column("since", right=True),
            Column("severity"),
            Column("rule"),
            Column("about", wrap=True),
            Column("state", wrap=True),
        ],
        [_row(report, alert) for alert in report.alerts],
        title="What was found",
    )
    say(
        f"{days} simulated days, {counted(report.polls, 'poll')}, {counted(report.calls, 'API call')}, "
        f"{counted(report.messages, 'message')}, {counted(len(report.alerts), 'alert')}"
    )
    for failure in report.failures[:5]:
        say(f"failed: {failure}", err=True)
    say(f"config used    {_from_here(report.config)}")
    say(f"database       {_from_here(report.database)}")
    say("look further:")
    say(f"  {_program()} alerts --all --database {_from_here(report.database)}")
    say(f"  {_program()} history --database {_from_here(report.database)}")


def _from_here(path: Path) -> Path:
    """Shorten a path below the working directory."""
    whole, here = path.absolute(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else path


def _program() -> str:
    """Name this program as it can be typed here: `make demo` runs it out of an environment that is on no path."""
    given = sys.argv[0]
    if Path(given).name != "alerter" or shutil.which("alerter") == str(Path(given).absolute()):
        return "alerter"
    return given


def _row(report: DemoReport, alert: Any) -> tuple[Any, ...]:
    product = report.products.get(alert.contract_id, alert.contract_id)
    who = report.names.get(alert.user_id, alert.user_id)
    window = f", {alert.window}" if alert.window != "-" else ""
    about = f"{who}, {product}{window}" if who else f"{product}{window}"
    style = {"critical": "bold red", "warning": "yellow"}.get(alert.severity or "", "")
    since = f"{alert.started_at.day} {alert.started_at:%b}" if alert.started_at else None  # short: 80 columns are few
    state = alert.status.value + (f": {alert.close_reason}" if alert.close_reason else "")
    return since, Styled(alert.severity.value if alert.severity else "", style), alert.rule, about, state
