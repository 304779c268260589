"""What is stored, as plain documents for people and programs: read-only, one function per document.

Every document carries `schema`, its version; docs/interface.md says what each field means.  Times are ISO instants in
UTC, days ISO dates, areas plain numbers in the unit beside them, and None is what nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from alerter.core.routing import Silence
from alerter.core.states import Alert, Status, Transition
from alerter.store import OutboxMessage

SCHEMA = 1
Document = dict[str, Any]


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
        "since": iso(alert.started_at),
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
        "done_at": iso(message.done_at),
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


def iso(at: datetime | None) -> str | None:
    """Return an instant as documents have it."""
    return at.isoformat() if at else None
