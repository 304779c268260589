"""`alerter sandbox`: the simulated API on a port."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.commands.once import instant
from alerter.cli.exits import OK
from alerter.cli.frame import Command
from alerter.cli.output import say
from alerter.errors import AlerterError

if TYPE_CHECKING:
    from alerter.sandbox import SandboxServer, Scenario

CONFIG = """\
accounts:
  - name: trial
    base_url: {url}
    username: {username}
    password: {password}
channels:
  screen:
    url: console://
"""


@click.command("sandbox", cls=Command, short_help="Serve a simulated API to try a config against.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What to simulate; the demo's story if left out.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8125, show_default=True, help="The port; 0 takes any free one."
)
@click.option(
    "--at", "at", callback=instant, metavar="INSTANT", help="The simulated time at the start; now if left out."
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 10_000_000),
    default=1.0,
    show_default=True,
    help="Simulated seconds per real second; 86400 is a day a second.",
)
def command(*, scenario: Path | None, host: str, port: int, at: datetime | None, speed: float) -> int:
    """Serve the Leaf Usage Monitoring API, simulated, until Ctrl-C: to try a config against.

    It prints its address, its login and a config for it.

    \b
    Examples:
      alerter sandbox
      alerter sandbox --scenario season.yaml --at 2026-03-01 --speed 86400
    """
    from alerter.app.clock import SystemClock
    from alerter.sandbox import SandboxClock, SandboxServer, demo_scenario, load_scenario

    story = load_scenario(scenario) if scenario else demo_scenario()
    clock = SandboxClock(at or SystemClock().now(), speed=speed)
    server = SandboxServer(story, clock=clock, host=host, port=port)
    stop = threading.Event()
    try:
        server.start()
    except OSError as error:
        raise AlerterError(f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}") from error
    try:
        _introduce(server, story, clock())
        _wait(stop)
    finally:
        server.stop()
    say("stopped")
    return OK


def _introduce(server: SandboxServer, story: Scenario, now: datetime) -> None:
    login = story.account
    say(f"serving {story.name!r} on {server.url}  (simulated time {now:%Y-%m-%d %H:%M} UTC)")
    say(f"user {login.username}, password {login.password}")
    say("a config for it; save it as alerter.yaml and run: alerter once --config alerter.yaml")
    say()
    for line in CONFIG.format(url=server.url, username=login.username, password=login.password).splitlines():
        say(f"  {line}" if line else line)
    say()
    say("Ctrl-C ends it")


def _wait(stop: threading.Event) -> None:
    def end(_number: int, _frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
