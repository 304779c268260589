"""`alerter check`: is the config right, does the login work, and what would apply to which contract."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.exits import FAILED, OK
from alerter.cli.frame import Command, config_option, read_config
from alerter.cli.output import counted, say
from alerter.errors import LeafError

if TYPE_CHECKING:
    from alerter.app.plan import Plan
    from alerter.config import Config
    from alerter.core.answers import ContractAnswer


@click.command("check", cls=Command, short_help="Check the config and the logins; see caps and rules.")
@config_option
@click.option("--offline", is_flag=True, help="Read the config only; ask no server.")
def command(config: Path | None, offline: bool) -> int:
    """Check the config, log in to every account, and say which cap and rules apply to which contract.

    Every problem is shown with its file, line and column. Nothing is stored and no message is sent.
    Exit code 2: the config cannot be used; 1: a login or a contract list failed.

    \b
    Examples:
      alerter check --config alerter.yaml
      alerter check --offline
    """
    from alerter.app.clock import SystemClock
    from alerter.app.plan import build_plan

    loaded = read_config(config)
    for warning in loaded.warnings:
        say(f"warning: {warning}", err=True)
    stop = threading.Event()
    plan = build_plan(loaded, clock=SystemClock(), stop=stop, beat=lambda _account: None)
    try:
        for line in _summary(loaded, plan):
            say(line)
        return OK if offline else _ask(plan)
    finally:
        stop.set()
        plan.close()


def _summary(config: Config, plan: Plan) -> Iterable[str]:
    from alerter.cli.database import public_url

    yield f"ok: {config.path}"
    for account in config.accounts:
        yield f"  account   {account.name}: {account.base_url}"
    capped = sum(entry.cap is not None for entry in config.contracts)
    yield f"  contracts {counted(len(config.contracts), 'entry', 'entries')}, {capped} with a cap"
    for rule in plan.cycle.rules:
        yield f"  rule      {rule.id}: {rule.kind}"
    for name, channel in plan.channels.items():
        to = ", ".join(f"{one.service} {one.address}" for one in channel.recipients)
        yield f"  channel   {name}: {to}"
    for route in plan.cycle.routes:
        labels = ", ".join(str(matcher) for matcher in route.matchers) or "everything"
        yield f"  route     {labels} -> {', '.join(route.to)}{', and on' if route.go_on else ''}"
    yield f"  database  {public_url(config.database)}"


def _ask(plan: Plan) -> int:
    failed = False
    for name, source in plan.sources.items():
        try:
            contracts = source.fetch_contracts().contracts
        except LeafError as error:
            say(f"account {name}: {error}", err=True)
            failed = True
            continue
        say(f"account {name}: logged in, {counted(len(contracts), 'contract')}")
        for answer in sorted(contracts, key=lambda one: (one.product, one.region or "", one.start_at)):
            for line in _contract(plan, name, answer):
                say(line)
    return FAILED if failed else OK


def _contract(plan: Plan, account: str, answer: ContractAnswer) -> Iterable[str]:
    from alerter.core.model import Contract

    contract = Contract(
        account=account,
        id=answer.id,
        product=answer.product,
        region=answer.region,
        start_at=answer.start_at,
        end_at=answer.end_at,
        quota=answer.quota,
    )
    end = f"{contract.end_at:%Y-%m-%d}" if contract.end_at else "open end"
    yield f"  {contract.label}  {contract.id}  {contract.start_at:%Y-%m-%d} to {end}"
    cap = plan.cycle.cap_of(contract)
    yield (
        f"    cap   {cap.area} ({cap.source})" if cap.area else "    cap   none: add one under contracts: in the config"
    )
    rules = [rule.id for rule in plan.cycle.rules if rule.match.covers(contract)]
    yield f"    rules {', '.join(rules) or 'none'}"
