"""`alerter alerts`: what fires, and what did."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alerter.cli.frame import Command, config_option, database_option, format_option
from alerter.cli.output import Column, Styled, age, area, counted, percent, print_json, print_table, say

if TYPE_CHECKING:
    from alerter.core.states import Alert

COLORS = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


@click.command("alerts", cls=Command, short_help="List what fires, the worst first.")
@config_option
@database_option
@click.option("--all", "everything", is_flag=True, help="Resolved and closed ones too.")
@click.option("--rule", metavar="ID", help="Only of this rule.")
@click.option("--contract", metavar="ID", help="Only of this contract (its id, or the beginning of it).")
@click.option("--user", metavar="ID|NAME", help="Only of this Leaf user (id or name, or the beginning of it).")
@format_option()
def command(
    *,
    config: Path | None,
    database: str | None,
    everything: bool,
    rule: str | None,
    contract: str | None,
    user: str | None,
    as_format: str,
) -> None:
    """List the alerts that fire or are about to, the worst first.

    The id in the first column is what `alerter history --alert` and `alerter ack` take.

    \b
    Examples:
      alerter alerts
      alerter alerts --all --rule contract-cap --format json
    """
    from alerter.app.views import alerts_document
    from alerter.cli.database import opened
    from alerter.core.states import Status

    with opened(config, database) as found, found.store.read() as tx:
        chosen = tx.alerts.find("") if everything else tx.alerts.live()
    shown = (Status.FIRING, Status.PENDING, *((Status.RESOLVED, Status.CLOSED) if everything else ()))
    chosen = [one for one in chosen if one.status in shown and _fits(one, rule, contract, user)]
    document = alerts_document(chosen, now=found.now)
    if as_format == "json":
        print_json(document)
    else:
        _print(document, everything=everything)


def _fits(alert: Alert, rule: str | None, contract: str | None, user: str | None) -> bool:
    if rule is not None and alert.rule != rule:
        return False
    if contract is not None and not (alert.contract_id and alert.contract_id.startswith(contract)):
        return False
    if user is None:
        return True
    named = alert.figures.get("user")
    name = (named.get("name") if isinstance(named, dict) else None) or ""
    return bool(alert.user_id) and (alert.user_id.startswith(user) or name.lower().startswith(user.lower()))


def _print(document: dict[str, Any], *, everything: bool) -> None:
    if not document["alerts"]:
        say("no alerts" if everything else "nothing fires; --all shows what is over")
        return
    print_table(
        [
            Column("id"),
            Column("rule", wrap=True),
            Column("about", wrap=True, least=26),
            Column("state", wrap=True),
            Column("value", right=True),
            Column("for"),
        ],
        [_row(one, document["at"]) for one in document["alerts"]],
    )


def _row(one: dict[str, Any], now: str) -> tuple[Any, ...]:
    return (one["fingerprint"][:8], one["rule"], about(one), _state(one), _value(one), age(one["since"], now))


def about(one: dict[str, Any]) -> str:
    """Return whom an alert is about: the user if there is one, and the contract; of a health alert what is wrong."""
    if one["labels"].get("kind") == "health":
        return str(one["figures"].get("message") or one["account"])
    label = f"{one['product']} ({one['region']})" if one["region"] else one["product"] or one["account"]
    user = one["user"]
    who = f"{user['name'] or user['id']}, {label}" if user else label
    return f"{who}, {one['window']}" if one["window"] != "-" else str(who)


def _state(one: dict[str, Any]) -> Styled:
    if one["status"] != "firing":
        reason = f" ({one['close_reason']})" if one["close_reason"] else ""
        return Styled(f"{one['status']}{reason}", "" if one["status"] == "pending" else "dim")
    flags = [word for word in ("held", "recovering") if one[word]]
    if one["acked_level"] is not None:
        flags.append("acked")
    words = [one["severity"] or "firing", *flags]
    return Styled(" ".join(word for word in words if word), COLORS.get(one["severity"] or "", ""))


def _value(one: dict[str, Any]) -> str:
    if one["kind"] == "contract_end":
        left = one["figures"].get("days_left")
        return "–" if left is None else counted(math.floor(left), "day")
    if one["percent"] is not None:
        return percent(one["percent"])
    return area(one["value"], one["unit"])
