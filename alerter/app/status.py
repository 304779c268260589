"""How accounts, contracts, alerts and outbox stand, and what is wrong: the document of `alerter status`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from alerter.app.calls import calls_of
from alerter.app.filling import fill_fact
from alerter.app.load import load_history
from alerter.app.settings import Cap, quota_of
from alerter.app.views import SCHEMA, Document, iso
from alerter.core.area import Area
from alerter.core.meaning import UNIQUE, USERS
from alerter.core.model import Contract, History
from alerter.core.rules.figures import last_known
from alerter.core.states import Alert, Status
from alerter.store import AccountState, MeaningRow, StoredContract, Tx

SHOWN_AFTER_END = timedelta(days=7)  # the default revision window: until then an ended term's figures still move
OVERDUE = timedelta(hours=1)  # without a poll, or in the outbox: longer than any ordinary pause

# Health alerts that the figures of a status do not show by themselves.
SHOWN_HEALTH = frozenset({"contract_missing", "meaning_unproven", "contradiction", "users_shrunk", "bad_data"})

# What a person can do about a failing account, by the error's reason.
CURES = {
    "unauthorized": "check the account's username and password (or token) in the config, then: alerter check",
    "forbidden": "ask Leaf whether this login may see the contract",
    "not_found": "check base_url in the config; a contract may have been taken away",
    "rate_limited": "nothing: it goes on by itself; poll less often (poll.every) if it stays",
    "unavailable": "check network, proxy and base_url; polling goes on by itself when the server answers",
    "malformed": "nothing stored is lost; if it stays, report it to Leaf with the sample that is kept",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSettings:
    """What a status needs of the config; `accounts` None shows every stored account."""

    config_path: str = ""
    database: str = ""
    accounts: Collection[str] | None = None
    cap_of: Callable[[Contract], Cap] = quota_of
    every: timedelta = timedelta(minutes=15)
    name_of: Callable[[Contract], str | None] = field(default=lambda _contract: None)


# ------------------------------------------------------------------ status
def status_document(tx: Tx, settings: StatusSettings, *, now: datetime) -> Document:
    """Return accounts, contracts, alerts and outbox as they stand, and what is wrong with them."""
    rejected = dict(tx.journal.get("config") or {}).get("rejected") or []
    states = [state for state in tx.accounts.states() if _wanted(state.name, settings.accounts)]
    live = [alert for alert in tx.alerts.live() if _wanted(alert.account, settings.accounts)]
    counts = {status.value: sum(alert.status is status for alert in live) for status in Status}
    document: Document = {
        "schema": SCHEMA,
        "at": now.isoformat(),
        "healthy": True,
        "problems": [],
        "database": settings.database,
        "config": {"path": settings.config_path or None, "rejected": [str(one) for one in rejected]},
        "accounts": [_account(state, calls_of(tx, state.name)) for state in states],
        "contracts": list(_contracts(tx, settings, states, now)),
        "alerts": {key: counts[key] for key in ("firing", "pending", "resolved")},
        "outbox": _outbox(tx),
    }
    document["problems"] = [*_problems(document, settings, now), *_health_problems(live)]
    document["healthy"] = not document["problems"]
    return document


def _wanted(account: str, accounts: Collection[str] | None) -> bool:
    return accounts is None or account in accounts


def _account(state: AccountState, calls: list[Document]) -> Document:
    return {
        "name": state.name,
        "ok": state.failing_since is None and state.last_ok_at is not None,
        "last_poll_at": iso(state.last_poll_at),
        "last_ok_at": iso(state.last_ok_at),
        "next_poll_at": iso(state.next_poll_at),
        "failing_since": iso(state.failing_since),
        "reason": state.reason,
        "message": state.message,
        "calls_last": state.calls_last,
        "calls_total": state.calls_total,
        "calls": calls,
        "polls": state.polls,
    }


def _outbox(tx: Tx) -> Document:
    counts = tx.outbox.counts()
    waiting = tx.outbox.list("pending", max(1, int(counts.get("pending", 0))))
    oldest = min((message.queued_at for message in waiting), default=None)
    states: Document = {state: int(counts.get(state, 0)) for state in ("pending", "sending", "sent", "dead")}
    return states | {"oldest_pending_at": iso(oldest)}


# ------------------------------------------------------------------ contracts
QUESTIONS = {USERS: "billed", UNIQUE: "unique"}


def contracts_document(tx: Tx, settings: StatusSettings, *, everything: bool, now: datetime) -> Document:
    """Return the terms that run, or every term ever seen, each with what its summaries were found to mean and why."""
    rows = []
    for state in tx.accounts.states():
        terms = tx.usage.contracts(state.name) if _wanted(state.name, settings.accounts) else []
        for stored in terms if everything else [one for one in terms if _is_shown(one, state, now)]:
            row = contract_document(tx, stored, settings, terms=terms, now=now)
            known = tx.usage.meanings(stored.key, None)
            row["missing_lists"] = stored.missing_lists
            row["meanings"] = [_meaning(QUESTIONS[one], known[one]) for one in QUESTIONS if one in known]
            rows.append(row)
    return {"schema": SCHEMA, "at": now.isoformat(), "contracts": rows}


def _meaning(figure: str, found: MeaningRow) -> Document:
    evidence = found.evidence
    return {
        "figure": figure,
        "answer": found.answer,
        "configured": bool(evidence.get("configured")),
        "decided_at": found.decided_at.isoformat(),
        "days_compared": int(evidence.get("votes", 0)),
        "days_cumulative": int(evidence.get("cumulative", 0)),
        "days_daily": int(evidence.get("daily", 0)),
    }


def _is_shown(stored: StoredContract, state: AccountState, now: datetime) -> bool:
    """A term is shown while it runs, and until its last figures can change no more."""
    end_at = stored.contract.end_at
    seen_at = min(now, state.last_poll_at or now)  # what ran when the account was last looked at
    return end_at is None or seen_at < end_at + SHOWN_AFTER_END


def _contracts(tx: Tx, settings: StatusSettings, states: Iterable[AccountState], now: datetime) -> Iterable[Document]:
    for state in states:
        terms = tx.usage.contracts(state.name)
        for stored in terms:
            if _is_shown(stored, state, now):
                yield contract_document(tx, stored, settings, terms=terms, now=now)


def contract_document(
    tx: Tx,
    stored: StoredContract,
    settings: StatusSettings,
    *,
    terms: list[StoredContract],
    now: datetime,
) -> Document:
    """Return one term's figures at its newest complete snapshot, None where there is none yet."""
    snapshot = tx.usage.newest_snapshot(stored.key)
    history = load_history(tx, stored, snapshot, terms=terms, names={}) if snapshot else None
    cap = settings.cap_of(stored.contract)
    figures = _figures(history, cap.area, now) if history else dict.fromkeys(FIGURES)
    if history is None and cap.area is not None:
        figures |= {"unit": cap.area.unit.symbol, "cap": cap.area.value}
    fill = dict(tx.journal.get(fill_fact(stored.key)) or {})
    more = {"cap_source": cap.source, "fill": {"read": fill["read"], "of": fill["of"]} if fill else None}
    return _term(stored.contract, settings, now) | figures | more


def _term(contract: Contract, settings: StatusSettings, now: datetime) -> Document:
    end_on = contract.end_at.date() if contract.end_at else None
    return {
        "account": contract.account,
        "id": contract.id,
        "name": settings.name_of(contract),
        "product": contract.product,
        "region": contract.region,
        "label": contract.label,
        "start_on": contract.start_at.date().isoformat(),
        "end_on": end_on.isoformat() if end_on else None,
        "days_left": (end_on - now.date()).days if end_on else None,
    }


FIGURES = (
    "unit",
    "used_billed",
    "used_unique",
    "overlap",
    "overlap_share",
    "cap",
    "used_percent",
    "today_billed",
    "newest_day",
    "data_at",
    "fresh",
    "meaning",
    "users",
)


def _figures(history: History, cap: Area | None, now: datetime) -> Document:
    billed = last_known(history.billed_total, history.term_index)
    unique = last_known(history.unique_total, history.term_index)
    used = billed[0] if billed else None
    used_unique = unique[0] if unique else None
    overlap = used - used_unique if used is not None and used_unique is not None else None
    known = [found[1] for found in (billed, unique) if found]
    cap_value = cap.to(history.unit).value if cap else None
    today = history.index_of(now.date())
    today_billed = float(history.billed_daily[today]) if today is not None and today >= history.term_index else None
    return {
        "unit": history.unit.symbol,
        "used_billed": used,
        "used_unique": used_unique,
        "overlap": overlap,
        "overlap_share": overlap / used if overlap is not None and used else None,
        "cap": cap_value,
        "used_percent": 100 * used / cap_value if used is not None and cap_value else None,
        # NaN is not equal to itself
        "today_billed": today_billed if today_billed == today_billed else None,  # noqa: PLR0124
        "newest_day": history.day_at(max(known)).isoformat() if known else None,
        "data_at": history.fetched_at.isoformat(),
        "fresh": history.fresh,
        "meaning": history.meaning.value,
        "users": int((history.user_first_on > 0).sum()),
    }


# ------------------------------------------------------------------ what is wrong
def _problems(document: Document, settings: StatusSettings, now: datetime) -> Iterable[Document]:
    if document["config"]["rejected"]:
        what = (
            f"the daemon refused the changed config and runs on with the old one: {document['config']['rejected'][0]}"
        )
        yield _problem(what, "correct the file and reload: alerter check, then systemctl reload alerter")
    if not document["accounts"]:
        yield _problem("no account was ever polled into this database", "start the daemon: alerter run")
    for account in document["accounts"]:
        yield from _account_problems(account, settings, now)
    for contract in document["contracts"]:
        yield from _contract_problems(contract, now)
    yield from _outbox_problems(document["outbox"], now)


def _account_problems(account: Document, settings: StatusSettings, now: datetime) -> Iterable[Document]:
    name = account["name"]
    if account["failing_since"]:
        cure = CURES.get(account["reason"], "see the daemon's log: journalctl -u alerter")
        yield _problem(f"account {name} fails since {_minute(account['failing_since'])}: {account['message']}", cure)
    late_by = now - datetime.fromisoformat(account["next_poll_at"])
    if late_by > max(OVERDUE, 3 * settings.every):
        since = account["last_poll_at"]
        what = f"account {name} was not polled since {_minute(since)}" if since else f"account {name} was never polled"
        yield _problem(what, "the daemon seems not to run: systemctl status alerter, or start alerter run")


def _contract_problems(contract: Document, now: datetime) -> Iterable[Document]:
    who = f"{contract['account']} {contract['name'] or contract['label']}"
    running = contract["end_on"] is None or date.fromisoformat(contract["end_on"]) > now.date()
    if contract["fresh"] is False and running:
        what = f"{who}: the newest day the API has is {contract['newest_day'] or 'unknown'}"
        yield _problem(what, "nothing can be resolved on old data; ask Leaf if it stays")


def _outbox_problems(outbox: Document, now: datetime) -> Iterable[Document]:
    if outbox["dead"]:
        count = outbox["dead"]
        lost, was = ("message", "was") if count == 1 else ("messages", "were")
        what = f"{count} {lost} could not be delivered and {was} given up"
        yield _problem(what, "see why: alerter outbox --state dead; then send one again: alerter outbox --resend ID")
    oldest = outbox["oldest_pending_at"]
    if oldest and now - datetime.fromisoformat(oldest) > OVERDUE:
        yield _problem(f"messages wait since {_minute(oldest)}", "see why: alerter outbox --state pending")


def _health_problems(live: Iterable[Alert]) -> Iterable[Document]:
    """Yield what health alerts know and the figures above do not show."""
    for alert in live:
        if alert.status is Status.FIRING and alert.kind in SHOWN_HEALTH:
            what = f"{alert.account}: {alert.figures.get('message') or alert.kind}"
            yield _problem(what, str(alert.figures.get("to_do") or "ask Leaf whether the contract still exists"))


def _problem(what: str, cure: str) -> Document:
    return {"what": what, "do": cure}


def _minute(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M} UTC"
