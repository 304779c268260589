"""`alerter doctor`: look at every part in turn and say what to do."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.exits import FAILED, OK
from alerter.cli.frame import Command, config_option, database_option, format_option, read_config
from alerter.cli.output import folded, print_json
from alerter.errors import AlerterError, ConfigError, StoreError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from alerter.app.doctor import Check
    from alerter.app.plan import Plan
    from alerter.cli.database import Opened
    from alerter.config import Config
    from alerter.notify import Channel

COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor", cls=Command, short_help="Check every part in turn and say what to do.")
@config_option
@database_option
@click.option("--offline", is_flag=True, help="Ask no server: leave logins and clocks out.")
@click.option("--send", is_flag=True, help="Send a test message to every channel.")
@format_option(default="text")
def command(config: Path | None, database: str | None, offline: bool, send: bool, as_format: str) -> int:
    """Check config, secrets, database, logins, clocks, contracts, data, messages and channels, in this order.

    Each line says ok, warn or fail, and below what to do. Run it as the daemon's user, who may read the secrets.
    Exit code 1: something fails. Without --send no message is sent.

    \b
    Examples:
      alerter doctor --config /etc/alerter/alerter.yaml
      alerter doctor --offline --format json
    """
    from alerter.app.clock import SystemClock

    now = SystemClock().now()
    found = []
    for check in _checks(config, database, now, offline=offline, send=send):
        found.append(check)
        if as_format != "json":
            _print(check)
    is_well = all(check.state != "fail" for check in found)
    if as_format == "json":
        checks = [check.document() for check in found]
        print_json({"schema": 1, "at": now.isoformat(), "ok": is_well, "checks": checks})
    return OK if is_well else FAILED


def _print(check: Check) -> None:
    state = click.style(f"{check.state.value:5} ", fg=COLORS[check.state.value])
    for number, line in enumerate(folded(f"{check.name}: {check.what}", indent=2, margin=6)):
        click.echo((state if number == 0 else "      ") + line)
    for line in folded(check.cure, indent=2, margin=8) if check.cure else ():
        click.echo(f"      > {line}")


def _checks(path: Path | None, database: str | None, now: datetime, *, offline: bool, send: bool) -> Iterator[Check]:
    """Yield every check as it is done; what rests on something that fails is left out."""
    from alerter.app.doctor import check_accounts, check_channels, check_database, check_stored
    from alerter.cli.database import public_url, status_settings

    config, checks = _config(path)
    yield from checks
    plan, checks = _plan(config)
    yield from checks
    opened, checks = _open(config, database, now)
    yield from checks
    try:
        store = opened.store if opened else None
        if opened:
            yield from check_database(opened.store, opened.url, shown=public_url(opened.url))
        if plan and not offline:
            yield from _whole("contracts", check_accounts(plan, store))
        if opened:
            yield from _whole("stored", check_stored(opened.store, status_settings(opened), now))
        if plan:
            yield from check_channels(plan, partial(_send, plan, now) if send else None)
            yield from _messages(plan)
    finally:
        if plan:
            plan.close()
        if opened:
            opened.store.close()


def _whole(name: str, checks: Iterator[Check]) -> Iterator[Check]:
    """Yield the checks; where the database breaks off in their midst that is one more."""
    from alerter.app.doctor import Check, State

    try:
        yield from checks
    except StoreError as error:
        yield Check(
            name=name, state=State.FAIL, what=_first_line(error), cure="restore a backup, or see: alerter db check"
        )


def _config(path: Path | None) -> tuple[Config | None, list[Check]]:
    from alerter.app.doctor import Check, State

    try:
        config = read_config(path, secrets=False)
    except (ConfigError, UsageError) as error:
        cure = "correct the config; alerter check shows every problem"
        return None, [Check(name="config", state=State.FAIL, what=_first_line(error), cure=cure)]
    checks = [Check(name="config", state=State.OK, what=str(config.path))]
    cure = "change it, or leave it knowingly"
    checks += [Check(name="config", state=State.WARN, what=str(one), cure=cure) for one in config.warnings]
    return config, checks


def _plan(config: Config | None) -> tuple[Plan | None, list[Check]]:
    """Read the secrets and build everything that follows from the config."""
    from alerter.app.clock import SystemClock
    from alerter.app.doctor import Check, State
    from alerter.app.plan import build_plan

    if config is None:
        return None, []
    try:
        whole = read_config(config.path)
    except ConfigError as error:
        cure = "run this as the daemon's user; logins and channels are not checked: sudo -u alerter alerter doctor"
        return None, [Check(name="secrets", state=State.FAIL, what=str(one), cure=cure) for one in error.problems]
    checks = [Check(name="secrets", state=State.OK, what="readable")]
    try:
        plan = build_plan(whole, clock=SystemClock(), stop=threading.Event(), beat=lambda _account: None)
    except ConfigError as error:
        cure = "correct the channel or the template; alerter check shows every problem"
        checks += [Check(name="build", state=State.FAIL, what=str(one), cure=cure) for one in error.problems]
        return None, checks
    return plan, checks


def _open(config: Config | None, database: str | None, now: datetime) -> tuple[Opened | None, list[Check]]:
    """Open the database if there is one of this program's schema."""
    from alerter.app.doctor import Check, State
    from alerter.cli.database import Opened, chosen_url, refuse_foreign
    from alerter.store import Store

    if config is None and not database:
        return None, []
    try:
        url = chosen_url(config, database)
        refuse_foreign(url)
        return Opened(store=Store(url), url=url, config=config, now=now), []
    except AlerterError as error:
        cure = "see: alerter db check"
        return None, [Check(name="database", state=State.FAIL, what=_first_line(error), cure=cure)]


def _send(plan: Plan, now: datetime, name: str, channel: Channel) -> Iterator[str | None]:
    """Send a test to each recipient; yield what went wrong, None for nothing."""
    from alerter.app.deliver import send_now
    from alerter.cli.commands.try_channel import test_payload

    for recipient in channel.recipients:
        key = f"test:{recipient.id}:{now.isoformat()}"
        rendered = plan.renderer.render(test_payload(key, recipient.id, now), recipient.service, name)
        refused = send_now(channel, recipient.id, rendered, key=key, now=now)
        yield f"{recipient.address}: {refused}" if refused else None


def _messages(plan: Plan) -> Iterator[Check]:
    from alerter.app.doctor import Check, State

    messages = plan.config.messages
    yield Check(name="zone", state=State.OK, what=str(messages.zone))
    what = f"in {messages.templates}, all usable" if messages.templates else "the built-in ones"
    yield Check(name="templates", state=State.OK, what=what)


def _first_line(error: AlerterError) -> str:
    return str(error).splitlines()[0]
