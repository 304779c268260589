"""Look at every part of an installation in turn, and say of each whether it is well and what to do if not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from alerter.app.plan import Plan
from alerter.app.status import CURES, StatusSettings, contracts_document, status_document
from alerter.app.views import Document
from alerter.errors import AlerterError, LeafError
from alerter.leaf import LeafClient
from alerter.notify import Channel
from alerter.store import Store

SKEW_WARNED, SKEW_FAILED = timedelta(seconds=30), timedelta(minutes=5)  # a day's end must not be minutes off
LEAST_FREE = 50 * 2**20  # bytes: below, the next polls may not fit
MEGABYTE = 2**20


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    WARN = "warn"  # works, and wants a look
    FAIL = "fail"  # does not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at: what it is, how it is, and what to do about it ("" where nothing is)."""

    name: str
    state: State
    what: str
    cure: str = ""

    def document(self) -> Document:
        """Return it as plain data."""
        return {"name": self.name, "state": self.state.value, "what": self.what, "do": self.cure or None}


def _ok(name: str, what: str) -> Check:
    return Check(name=name, state=State.OK, what=what)


def _warn(name: str, what: str, cure: str) -> Check:
    return Check(name=name, state=State.WARN, what=what, cure=cure)


def _fail(name: str, what: str, cure: str) -> Check:
    return Check(name=name, state=State.FAIL, what=what, cure=cure)


# ------------------------------------------------------------------ the database
def check_database(store: Store, url: str, *, shown: str) -> Iterator[Check]:
    """Check integrity, room and who holds it; the schema is known to fit.  `shown` is the URL without a password."""
    try:
        damage, size = store.damage(), store.size()
    except AlerterError as error:
        yield _fail("database", str(error), "see that it can be reached and read by this user: alerter db check")
        return
    if damage:
        yield _fail("database", f"it is damaged: {damage}", "stop the daemon and restore a backup")
    else:
        yield _ok("database", f"{shown}, {size / MEGABYTE:.1f} MB, undamaged")
    if url.startswith("sqlite:///"):
        yield _room(Path(url.removeprefix("sqlite:///")).parent, size)
        holder = store.holder()
        if holder:
            yield _ok("daemon", f"holds the database: {holder}")
        else:
            yield _warn("daemon", "no daemon holds the database", "start it: systemctl start alerter, or alerter run")


def _room(folder: Path, size: int) -> Check:
    free = shutil.disk_usage(folder).free
    what = f"{free / MEGABYTE:,.0f} MB free in {folder}"
    if free < LEAST_FREE:
        return _fail("disk", what, "make room: the next figures may not fit")
    if free < size:
        return _warn("disk", f"{what}, less than the database takes", "make room: an upgrade or a backup may need it")
    return _ok("disk", what)


# ------------------------------------------------------------------ the API
def check_accounts(plan: Plan, store: Store | None) -> Iterator[Check]:
    """Log in to each account, compare the clocks and the contract list with what is stored."""
    for name, source in plan.sources.items():
        try:
            listed = source.fetch_contracts()
        except LeafError as error:
            yield _fail(f"login {name}", str(error), CURES.get(error.reason, "see: alerter check"))
        else:
            yield _ok(f"login {name}", f"accepted, {len(listed.contracts)} contracts listed")
            yield from _listed(name, {one.id for one in listed.contracts}, store)
        if isinstance(source, LeafClient) and source.clock_skew is not None:
            yield _clock(name, source.clock_skew)


def _listed(account: str, ids: set[str], store: Store | None) -> Iterator[Check]:
    name = f"contracts {account}"
    if not ids:
        yield _warn(name, "the account has no contract", "ask Leaf which login sees the contracts")
    if store is None:
        return
    with store.read() as tx:
        missing = [one for one in tx.usage.contracts(account) if one.missing_lists and one.contract.id not in ids]
    if missing:
        gone = ", ".join(f"{one.contract.label} {one.contract.id}" for one in missing)
        yield _warn(name, f"no longer listed: {gone}", "ask Leaf whether they ended; their figures stay")


def _clock(account: str, skew: timedelta) -> Check:
    name, seconds = f"clock {account}", skew.total_seconds()
    what = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the server's"
    if abs(skew) < SKEW_WARNED:
        return _ok(name, what)
    cure = "let the system keep the time: timedatectl set-ntp true"
    return _fail(name, what, cure) if abs(skew) >= SKEW_FAILED else _warn(name, what, cure)


# ------------------------------------------------------------------ what is stored
def check_stored(store: Store, settings: StatusSettings, now: datetime) -> Iterator[Check]:
    """Check meanings, the data's age, polls and the outbox, as `alerter status` sees them."""
    with store.read() as tx:
        status = status_document(tx, settings, now=now)
        contracts = contracts_document(tx, settings, everything=False, now=now)["contracts"]
    for contract in contracts:
        yield from _contract(contract)
    for account in status["accounts"]:
        yield _poll(account)
    outbox = status["outbox"]
    if outbox["dead"]:
        yield _warn("outbox", f"{outbox['dead']} messages were given up", "see why: alerter outbox --state dead")
    else:
        yield _ok("outbox", f"{outbox['sent']} sent, {outbox['pending'] + outbox['sending']} waiting, none given up")
    shown = ("fails since", "messages could not be delivered", "the newest day the API has")
    for problem in status["problems"]:
        if not any(words in problem["what"] for words in shown):
            yield _warn("status", problem["what"], problem["do"])


def _contract(contract: Document) -> Iterator[Check]:
    who = f"{contract['account']} {contract['name'] or contract['label']}"
    if contract["meaning"] == "contradicted":
        cure = "say it in the config (contracts[].summary_means), or ask Leaf what the daily summary means"
        yield _fail(f"meaning {who}", "the evidence contradicts itself, so billed figures are unknown", cure)
    elif contract["meaning"] == "unproven":
        cure = "wait for days with use, or say it in the config (contracts[].summary_means)"
        yield _warn(f"meaning {who}", "not proven yet, so billed figures are unknown", cure)
    elif contract["meaning"]:
        yield _ok(f"meaning {who}", f"daily summaries are {contract['meaning']}")
    if contract["data_at"] is None:
        yield _warn(f"data {who}", "no complete answer yet", "wait for the first poll, or see: alerter status")
    elif contract["fresh"]:
        yield _ok(f"data {who}", f"newest day {contract['newest_day']}")
    else:
        what = f"the newest day is {contract['newest_day'] or 'unknown'}"
        yield _warn(f"data {who}", what, "nothing can be resolved on old data; ask Leaf if it stays")


def _poll(account: Document) -> Check:
    name = f"poll {account['name']}"
    if account["failing_since"]:
        cure = CURES.get(account["reason"], "see the daemon's log: journalctl -u alerter")
        return _fail(name, f"fails since {account['failing_since'][:16]} UTC: {account['message']}", cure)
    if not account["last_poll_at"]:
        return _warn(name, "never polled", "start the daemon: alerter run")
    return _ok(name, f"last at {account['last_poll_at'][:16]} UTC, {account['calls_last']} calls")


# ------------------------------------------------------------------ where messages go
def check_channels(plan: Plan, send: Callable[[str, Channel], Iterator[str | None]] | None) -> Iterator[Check]:
    """Say of each channel that it opens, and with `send` whether each recipient takes a test message."""
    for name, channel in plan.channels.items():
        places = ", ".join(f"{one.service} {one.address}" for one in channel.recipients)
        refused = [error for error in send(name, channel) if error] if send else []
        if refused:
            yield _fail(f"channel {name}", "; ".join(refused), "correct the address, then: alerter send-test " + name)
        else:
            yield _ok(f"channel {name}", f"{places}, {'test accepted' if send else 'opens; --send sends a test'}")
