"""What is stored, as plain documents for people and programs: read-only, one function per document.

Every document carries `schema`, its version; docs/interface.md says what each field means.  Times are ISO instants in
UTC, days ISO dates, areas plain numbers in the unit beside them, and None is what nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from alerter.app.cycle import Cap, quota_of
from alerter.app.load import load_history
from alerter.core.area import Area
from alerter.core.model import Contract, History
from alerter.core.routing import Silence
from alerter.core.rules.figures import last_known
from alerter.core.states import Alert, Status, Transition
from alerter.store import AccountState, OutboxMessage, StoredContract, Tx

SCHEMA = 1
Document = dict[str, Any]

SHOWN_AFTER_END = timedelta(days=7)  # the default revision window: until then an ended term's figures still move
OVERDUE = timedelta(hours=1)  # without a poll, or in the outbox: longer than any ordinary pause

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
        "accounts": [_account(state) for state in states],
        "contracts": list(_contracts(tx, settings, states, now)),
        "alerts": {key: counts[key] for key in ("firing", "pending", "resolved")},
        "outbox": _outbox(tx),
    }
    document["problems"] = [*_problems(document, settings, now), *_health_problems(live)]
    document["healthy"] = not document["problems"]
    return document


def _wanted(account: str, accounts: Collection[str] | None) -> bool:
    return accounts is None or account in accounts


def _account(state: AccountState) -> Document:
    return {
        "name": state.name,
        "ok": state.failing_since is None and state.last_ok_at is not None,
        "last_poll_at": _iso(state.last_poll_at),
        "last_ok_at": _iso(state.last_ok_at),
        "next_poll_at": _iso(state.next_poll_at),
        "failing_since": _iso(state.failing_since),
        "reason": state.reason,
        "message": state.message,
        "calls_last": state.calls_last,
        "calls_total": state.calls_total,
        "polls": state.polls,
    }


def _outbox(tx: Tx) -> Document:
    counts = tx.outbox.counts()
    waiting = tx.outbox.list("pending", max(1, int(counts.get("pending", 0))))
    oldest = min((message.queued_at for message in waiting), default=None)
    states: Document = {state: int(counts.get(state, 0)) for state in ("pending", "sending", "sent", "dead")}
    return states | {"oldest_pending_at": _iso(oldest)}


# ------------------------------------------------------------------ contracts
def _contracts(tx: Tx, settings: StatusSettings, states: Iterable[AccountState], now: datetime) -> Iterable[Document]:
    for state in states:
        terms = tx.usage.contracts(state.name)
        names = tx.usage.user_names(state.name)
        seen_at = min(now, state.last_poll_at or now)  # what ran when the account was last looked at
        for stored in terms:
            end_at = stored.contract.end_at
            if end_at is None or seen_at < end_at + SHOWN_AFTER_END:
                yield contract_document(tx, stored, settings, terms=terms, names=names, now=now)


def contract_document(
    tx: Tx,
    stored: StoredContract,
    settings: StatusSettings,
    *,
    terms: list[StoredContract],
    names: Mapping[str, str],
    now: datetime,
) -> Document:
    """Return one term's figures at its newest complete snapshot, None where there is none yet."""
    snapshot = tx.usage.newest_snapshot(stored.key)
    history = load_history(tx, stored, snapshot, terms=terms, names=names) if snapshot else None
    cap = settings.cap_of(stored.contract)
    figures = _figures(history, cap.area, now) if history else dict.fromkeys(FIGURES)
    if history is None and cap.area is not None:
        figures |= {"unit": cap.area.unit.symbol, "cap": cap.area.value}
    return _term(stored.contract, settings, now) | figures | {"cap_source": cap.source}


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
        what = f"{outbox['dead']} messages could not be delivered and were given up"
        yield _problem(what, "see why: alerter outbox --state dead; then send one again: alerter outbox --resend ID")
    oldest = outbox["oldest_pending_at"]
    if oldest and now - datetime.fromisoformat(oldest) > OVERDUE:
        yield _problem(f"messages wait since {_minute(oldest)}", "see why: alerter outbox --state pending")


def _health_problems(live: Iterable[Alert]) -> Iterable[Document]:
    """Yield what health alerts know and the figures above do not show."""
    for alert in live:
        if alert.status is Status.FIRING and alert.kind in ("contract_missing", "meaning_unproven"):
            what = f"{alert.account}: {alert.figures.get('message') or alert.kind}"
            yield _problem(what, str(alert.figures.get("to_do") or "ask Leaf whether the contract still exists"))


def _problem(what: str, cure: str) -> Document:
    return {"what": what, "do": cure}


def _minute(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M} UTC"


# ------------------------------------------------------------------ alerts
def alerts_document(alerts: Iterable[Alert], *, now: datetime) -> Document:
    """Return the given alerts, the worst first."""
    ordered = sorted(alerts, key=_worst_first)
    return {"schema": SCHEMA, "at": now.isoformat(), "alerts": [alert_document(alert) for alert in ordered]}


def _worst_first(alert: Alert) -> tuple[Any, ...]:
    order = (Status.FIRING, Status.PENDING, Status.RESOLVED, Status.CLOSED, Status.INACTIVE)
    severity = alert.severity.rank if alert.severity else -1
    return (order.index(alert.status), -severity, -alert.changed_at.timestamp(), alert.fingerprint)


def alert_document(alert: Alert) -> Document:
    """Return one alert with the figures of its newest finding."""
    figures = dict(alert.figures)
    return {
        "fingerprint": alert.fingerprint,
        "rule": alert.rule,
        "kind": alert.kind,
        "severity": alert.severity.value if alert.severity else None,
        "status": alert.status.value,
        "level": alert.level,
        "tier": next((tier.label for tier in alert.tiers if tier.at == alert.level), None),
        "account": alert.account,
        "contract": alert.contract_id or None,
        "product": alert.labels.get("product") or None,
        "region": alert.labels.get("region") or None,
        "period": alert.period,
        "window": alert.window,
        "user": _user(alert, figures),
        "episode": alert.episode,
        "since": _iso(alert.started_at),
        "changed_at": alert.changed_at.isoformat(),
        "held": alert.held,
        "recovering": alert.recovering,
        "acked_level": alert.acked_level,
        "close_reason": alert.close_reason or None,
        "told": {to: {"level": told.level, "at": told.at.isoformat()} for to, told in sorted(alert.told.items())},
        "unit": figures.get("unit"),
        "value": figures.get("value"),
        "percent": figures.get("percent"),
        "used": figures.get("used_billed"),
        "cap": figures.get("cap"),
        "labels": dict(alert.labels),
        "figures": figures,
    }


def _user(alert: Alert, figures: Mapping[str, Any]) -> Document | None:
    if not alert.user_id:
        return None
    named = figures.get("user")
    return {"id": alert.user_id, "name": named.get("name") if isinstance(named, Mapping) else None}


# ------------------------------------------------------------------ history
def history_document(
    transitions: Iterable[Transition],
    messages: Iterable[OutboxMessage],
    alerts: Mapping[str, Alert],
    *,
    now: datetime,
    limit: int,
) -> Document:
    """Return the newest `limit` transitions and messages together, newest first."""
    events = [_transition(one, alerts.get(one.fingerprint)) for one in transitions]
    events += [_message_event(one) for one in messages]
    events.sort(key=lambda event: event["at"], reverse=True)  # stable: a message stands after what made it
    return {"schema": SCHEMA, "at": now.isoformat(), "events": events[:limit]}


def _transition(one: Transition, alert: Alert | None) -> Document:
    return {
        "type": "transition",
        "at": one.at.isoformat(),
        "fingerprints": [one.fingerprint],
        "rule": alert.rule if alert else None,
        "account": alert.account if alert else None,
        "contract": alert.contract_id or None if alert else None,
        "user": _user(alert, alert.figures) if alert else None,
        "episode": one.episode,
        "reason": one.reason,
        "from_status": one.from_status.value,
        "to_status": one.to_status.value,
        "from_level": one.from_level,
        "to_level": one.to_level,
        "value": one.value,
        "recipient": None,
        "state": None,
        "key": None,
        "error": None,
    }


def _message_event(message: OutboxMessage) -> Document:
    items = message.payload.get("items") or [{}]
    first = items[0]
    return {
        "type": "message",
        "at": (message.done_at or message.queued_at).isoformat(),
        "fingerprints": [item["fingerprint"] for item in items if item.get("fingerprint")],
        "rule": first.get("rule"),
        "account": message.payload.get("account"),
        "contract": (message.payload.get("contract") or {}).get("id"),
        "user": first.get("user") if len(items) == 1 else None,
        "episode": first.get("episode"),
        "reason": first.get("reason") or message.kind,
        "from_status": None,
        "to_status": None,
        "from_level": None,
        "to_level": first.get("level"),
        "value": None,
        "recipient": message.recipient,
        "state": message.state,
        "key": message.key,
        "error": message.last_error or None,
    }


# ------------------------------------------------------------------ outbox and silences
def outbox_document(messages: Iterable[OutboxMessage], counts: Mapping[str, int], *, now: datetime) -> Document:
    """Return messages as they stand in the outbox, and how many there are in each state."""
    states = {state: int(counts.get(state, 0)) for state in ("pending", "sending", "sent", "dead")}
    rows = [message_document(message) for message in messages]
    return {"schema": SCHEMA, "at": now.isoformat(), "counts": states, "messages": rows}


def message_document(message: OutboxMessage) -> Document:
    """Return one message without the figures it carries."""
    items = message.payload.get("items") or []
    return {
        "id": message.id,
        "key": message.key,
        "state": message.state,
        "recipient": message.recipient,
        "channel": message.channel,
        "kind": message.kind,
        "severity": message.payload.get("severity"),
        "account": message.payload.get("account"),
        "contract": (message.payload.get("contract") or {}).get("id"),
        "rules": list(dict.fromkeys(item["rule"] for item in items if item.get("rule"))),
        "reasons": list(dict.fromkeys(item["reason"] for item in items if item.get("reason"))),
        "items": len(items) + int(message.payload.get("more") or 0),
        "created_at": message.created_at.isoformat(),
        "queued_at": message.queued_at.isoformat(),
        "next_attempt_at": message.next_attempt_at.isoformat() if message.state == "pending" else None,
        "done_at": _iso(message.done_at),
        "attempts": message.attempts,
        "ambiguous": message.ambiguous,
        "last_error": message.last_error or None,
    }


def silences_document(silences: Iterable[Silence], live: Iterable[Alert], *, now: datetime) -> Document:
    """Return silences with the number of firing alerts that each one's matchers fit at the moment."""
    firing = [alert for alert in live if alert.status is Status.FIRING]
    rows = [
        {
            "id": one.id,
            "active": one.starts_at <= now < one.ends_at,
            "matchers": [str(matcher) for matcher in one.matchers],
            "starts_at": one.starts_at.isoformat(),
            "ends_at": one.ends_at.isoformat(),
            "author": one.author,
            "comment": one.comment,
            "up_to": one.up_to,
            "matches": sum(one.mutes(alert.labels, alert.level, now) for alert in firing),
        }
        for one in silences
    ]
    return {"schema": SCHEMA, "at": now.isoformat(), "silences": rows}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
