"""`alerter ack`: stop the reminders of one alert."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from alerter.cli.frame import Command, config_option, database_option
from alerter.cli.output import say
from alerter.errors import UsageError


@click.command("ack", cls=Command, short_help="Stop the reminders of an alert until it gets worse.")
@click.argument("alert_id", metavar="ALERT")
@config_option
@database_option
@click.option("--undo", is_flag=True, help="Remind again.")
def command(alert_id: str, config: Path | None, database: str | None, undo: bool) -> None:
    """Acknowledge a firing alert: no reminders until it gets worse or ends.

    ALERT is its id as `alerter alerts` shows it, or the beginning of it.

    \b
    Example:
      alerter ack 3fa2b81c
    """
    from alerter.cli.commands.history import one_alert
    from alerter.cli.database import opened
    from alerter.core.states import Status

    with opened(config, database) as found, found.store.write() as tx:
        alert = one_alert(tx, alert_id)
        if alert.status is not Status.FIRING:
            raise UsageError(f"alert {alert.fingerprint[:8]} of rule {alert.rule} does not fire: it is {alert.status}")
        tx.alerts.save([replace(alert, acked_level=None if undo else alert.level)])
    if undo:
        say(f"alert {alert.fingerprint[:8]} of rule {alert.rule} reminds again")
    else:
        say(f"alert {alert.fingerprint[:8]} of rule {alert.rule} is acknowledged at level {alert.level:g}")
