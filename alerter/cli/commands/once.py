"""`alerter once`: one poll of every account, evaluation and delivery, then the end."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alerter.cli.exits import FAILED, INTERRUPTED, OK
from alerter.cli.frame import Command, config_option, database_option, format_option, read_config
from alerter.cli.output import counted, print_json, say
from alerter.cli.progress import shown_fills

if TYPE_CHECKING:
    from alerter.app.deliver import DeliveryOutcome
    from alerter.app.plan import Plan
    from alerter.app.poll import ContractOutcome
    from alerter.app.runtime import Runtime, TickOutcome
    from alerter.app.settings import Filled


def instant(_ctx: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """Read an ISO date or instant, UTC where no zone is given; raise BadParameter otherwise."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is no date or instant; write 2026-05-16 or 2026-05-16T06:00:00Z") from None


@click.command("once", cls=Command, short_help="Poll, evaluate and send once, then end.")
@config_option
@click.option(
    "--at",
    "at",
    callback=instant,
    metavar="INSTANT",
    help="Rehearse: work as if it were that date or instant. Use a database of its own.",
)
@database_option
@format_option(default="text")
def command(config: Path | None, at: datetime | None, database: str | None, as_format: str) -> int:
    """Poll every account once, evaluate the rules, send what is to be sent, and end.

    For cron, for a first try, and for rehearsals. Exit code 1: something could not be polled or sent.

    \b
    Examples:
      alerter once --config alerter.yaml
      alerter once --at 2026-05-16 --database rehearsal.db
    """
    from alerter.app.clock import SystemClock, VirtualClock
    from alerter.app.daemon import owner_name
    from alerter.app.runtime import Runtime
    from alerter.cli.database import with_database

    clock: SystemClock | VirtualClock = SystemClock()
    if at is not None:
        clock = VirtualClock(at)
        clock.flow(1.0)
    loaded = with_database(read_config(config), database)
    with shown_fills() as on_filled:
        fit = partial(_fit, rehearsed=None if at is None else clock.now, on_filled=on_filled)
        runtime = Runtime(loaded, clock=clock, stop=threading.Event(), owner=f"once on {owner_name()}", fit=fit)
        document = _worked(runtime, at, as_json=as_format == "json")
    if document is None:
        return INTERRUPTED
    if as_format == "json":
        print_json(document)
    else:
        _print_text(document)
    return OK if document["ok"] else FAILED


def _fit(plan: Plan, *, rehearsed: Callable[[], datetime] | None, on_filled: Callable[[Filled], None]) -> Plan:
    """Let the bars hear of history read; put before the servers what keeps back answers from after `rehearsed`."""
    from alerter.cli.rehearsal import AsOf

    polls = {name: replace(settings, on_filled=on_filled) for name, settings in plan.polls.items()}
    sources = plan.sources if rehearsed is None else {name: AsOf(one, rehearsed) for name, one in plan.sources.items()}
    return replace(plan, polls=polls, sources=sources)


def _worked(runtime: Runtime, at: datetime | None, *, as_json: bool) -> dict[str, Any] | None:
    """Poll, evaluate and deliver once, and return what came of it; None if that was interrupted."""
    with _interruptible(runtime) as interrupted:
        runtime.open()
        try:
            if as_json:
                _print_messages_elsewhere(runtime)
            document = _run(runtime, at)
        finally:
            runtime.close()
            runtime.close_store()
    return None if interrupted.is_set() else document


@contextmanager
def _interruptible(runtime: Runtime) -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM end calls in flight instead of waiting for them."""
    interrupted = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        # In a thread of its own: the interrupted one may hold the very locks that closing needs.
        threading.Thread(target=runtime.close, name="stop", daemon=True).start()

    if threading.current_thread() is not threading.main_thread():  # tests
        yield interrupted
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_messages_elsewhere(runtime: Runtime) -> None:
    """Standard output is the JSON document's: console channels print on standard error."""
    for channel in runtime.plan.channels.values():
        if hasattr(channel, "stream"):
            channel.stream = sys.stderr


def _run(runtime: Runtime, at: datetime | None) -> dict[str, Any]:
    began_at = runtime.clock.now()
    if at is not None:
        _refuse_newer_data(runtime, at)
    accounts = [_account(name, runtime.poll(name, forced=True)) for name in runtime.plan.sources]
    delivered = runtime.deliver()
    return {
        "schema": 1,
        "at": began_at.isoformat(),
        "ok": all(account["ok"] for account in accounts) and not (delivered.failed or delivered.dead),
        "accounts": accounts,
        "delivery": _delivery(delivered),
    }


def _refuse_newer_data(runtime: Runtime, at: datetime) -> None:
    """Answers of a rehearsal among real ones would make history lie."""
    from alerter.errors import UsageError

    with runtime.store.read() as tx:
        for stored in tx.usage.contracts():
            newest = tx.usage.newest_snapshot(stored.key)
            if newest is not None and newest.fetched_at > at:
                raise UsageError(
                    f"the database holds answers of {newest.fetched_at:%Y-%m-%d %H:%M} UTC, after --at; "
                    "rehearse on a database of its own: --database rehearsal.db"
                )


def _account(name: str, outcome: TickOutcome | None) -> dict[str, Any]:
    if outcome is None:
        error = "another daemon is polling this account right now"
        return _account_document(name, ok=False, error=error, reason="held", contracts=[])
    poll, cycle = outcome.poll, outcome.cycle
    document = _account_document(
        name,
        ok=poll.ok,
        error=str(poll.error) if poll.error else None,
        reason=getattr(poll.error, "reason", "error") if poll.error else None,
        contracts=[_contract(one) for one in poll.contracts],
    )
    return document | {
        "filled_days": poll.filled_days,
        "snapshots": cycle.snapshots,
        "moved": len({one.fingerprint for one in cycle.transitions}),
        "firing": cycle.firing,
        "messages": cycle.messages,
    }


def _account_document(
    name: str, *, ok: bool, error: str | None, reason: str | None, contracts: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "ok": ok,
        "reason": reason,
        "error": error,
        "contracts": contracts,
        "filled_days": 0,
        "snapshots": 0,
        "moved": 0,
        "firing": 0,
        "messages": 0,
    }


def _contract(outcome: ContractOutcome) -> dict[str, Any]:
    contract = outcome.contract.contract
    return {
        "id": contract.id,
        "label": contract.label,
        "period": contract.period,
        "ok": outcome.error is None,
        "error": str(outcome.error) if outcome.error else None,
        "snapshot_id": outcome.snapshot_id,
    }


def _delivery(outcome: DeliveryOutcome) -> dict[str, int]:
    return {"sent": outcome.sent, "failed": outcome.failed, "dead": outcome.dead}


# ------------------------------------------------------------------ text
def _print_text(document: dict[str, Any]) -> None:
    for account in document["accounts"]:
        _print_account(account)
    delivery = document["delivery"]
    parts = [counted(delivery["sent"], "message") + " sent"]
    if delivery["failed"]:
        parts.append(f"{delivery['failed']} failed, to be tried again")
    if delivery["dead"]:
        parts.append(f"{delivery['dead']} given up")
    say(", ".join(parts))
    if delivery["failed"] or delivery["dead"]:
        say("see why: alerter outbox", err=True)


def _print_account(account: dict[str, Any]) -> None:
    if account["error"]:
        say(f"{account['name']}: {account['error']}", err=True)
        return
    for contract in account["contracts"]:
        who = f"{account['name']} {contract['label']}"
        if contract["error"]:
            say(f"{who}: {contract['error']}", err=True)
        else:
            say(f"{who}: polled")
    filled = f", {counted(account['filled_days'], 'day')} of history read" if account["filled_days"] else ""
    say(
        f"{account['name']}: {counted(len(account['contracts']), 'contract')}{filled}, "
        f"{counted(account['moved'], 'alert')} moved, {account['firing']} firing, "
        f"{counted(account['messages'], 'new message')}"
    )
