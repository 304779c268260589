"""Group one cycle's notices into messages and write down everything needed to render them later: plain data only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

from alerter.core.model import Contract, Severity
from alerter.core.rules.base import Rule
from alerter.core.states import Alert, Draft, Notice, NotifyReason

PAYLOAD_SCHEMA = 1
ITEMS_MAX = 50  # of one message; the rest is counted

Said = tuple[Alert, Notice]
Key = TypeVar("Key", str, tuple[str, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Makes drafts out of notices; `channel_of` maps a recipient to its channel, `rules` an id to its rule."""

    channel_of: Mapping[str, str]
    rules: Mapping[str, Rule]

    def drafts(
        self,
        notices: Sequence[Said],
        contracts: Mapping[tuple[str, str], Contract],
        *,
        now: datetime,
        storm_max: int,
    ) -> list[Draft]:
        """Return one draft per recipient, contract and kind; one storm digest where a recipient has too many items."""
        drafts = []
        for recipient, said in _grouped(notices, _recipient_of):
            if len(said) > storm_max:
                drafts.append(self._draft(recipient, "storm", said, contracts, now))
                continue
            for _, group in _grouped(said, _group_key):
                kind = "health" if group[0][0].labels.get("kind") == "health" else "alert"
                drafts.append(self._draft(recipient, kind, group, contracts, now))
        return drafts

    def _draft(
        self,
        recipient: str,
        kind: str,
        said: Sequence[Said],
        contracts: Mapping[tuple[str, str], Contract],
        now: datetime,
    ) -> Draft:
        ranked = sorted(said, key=_worst_first)
        first_alert, first = ranked[0]
        contract = contracts.get((first_alert.contract_id, first_alert.period)) if kind != "storm" else None
        payload: dict[str, Any] = {
            "schema": PAYLOAD_SCHEMA,
            "kind": kind,
            "key": first.key,
            "recipient": recipient,
            "account": first_alert.account,
            "contract": _contract(contract),
            "severity": max((_severity(alert, notice) for alert, notice in said), key=lambda one: one.rank).value,
            "made_at": now.isoformat(),
            "data_at": first_alert.figures.get("as_of") or now.isoformat(),
            "newest_day": first_alert.figures.get("newest_day"),
            "items": [self._item(alert, notice, contracts) for alert, notice in ranked[:ITEMS_MAX]],
            "more": max(0, len(said) - ITEMS_MAX),
        }
        return Draft(
            key=first.key,
            recipient=recipient,
            channel=self.channel_of.get(recipient, recipient),
            kind=kind,
            thread=f"{recipient}:{first_alert.rule}:{first_alert.period}" if kind != "storm" else f"{recipient}:storm",
            notice_keys=tuple(notice.key for _, notice in said),
            payload=payload,
            created_at=now,
        )

    def _item(self, alert: Alert, notice: Notice, contracts: Mapping[tuple[str, str], Contract]) -> dict[str, Any]:
        tier = next((tier for tier in alert.tiers if tier.at == notice.level), None)
        rule = self.rules.get(alert.rule)
        user = alert.figures.get("user")
        return {
            "reason": notice.reason.value,
            "detail": notice.detail,
            "rule": alert.rule,
            "kind": alert.kind,
            "severity": _severity(alert, notice).value,
            "level": notice.level,
            "tier": tier.label if tier else "",
            "passed": [one.label for one in notice.passed],
            "user": user if isinstance(user, dict) else None,
            "since": alert.started_at.isoformat() if alert.started_at else None,
            "repeat": notice.repeat,
            "remind_for_s": tier.remind.total_seconds() if tier and tier.remind else None,
            "fingerprint": alert.fingerprint,
            "episode": notice.episode,
            "where": rule.where if rule else "",
            "threshold": tier.label if tier else "",
            "held": alert.held,
            "contract": _contract(contracts.get((alert.contract_id, alert.period))),
            "figures": dict(alert.figures),
        }


def _severity(alert: Alert, notice: Notice) -> Severity:
    """Return the announced tier's severity; good news is information."""
    if notice.reason in (NotifyReason.RESOLVED, NotifyReason.CLOSED):
        return Severity.INFO
    tier = next((tier for tier in alert.tiers if tier.at == notice.level), None)
    return tier.severity if tier else alert.severity or Severity.WARNING


def _recipient_of(pair: Said) -> str:
    return pair[1].recipient


def _group_key(pair: Said) -> tuple[str, ...]:
    """One message per contract, rule and turn of events: what is read together."""
    alert, notice = pair
    good = notice.reason in (NotifyReason.RESOLVED, NotifyReason.CLOSED)
    return (alert.contract_id, alert.period, alert.rule, "over" if good else "on", notice.detail if good else "")


def _worst_first(pair: Said) -> tuple[float, ...]:
    alert, notice = pair
    value = alert.figures.get("percent") or alert.figures.get("value") or 0.0
    return (-_severity(alert, notice).rank, -notice.level, -float(value))


def _grouped(said: Iterable[Said], key: Callable[[Said], Key]) -> list[tuple[Key, list[Said]]]:
    ordered = sorted(said, key=key)
    return [(name, list(group)) for name, group in groupby(ordered, key=key)]


def _contract(contract: Contract | None) -> dict[str, Any] | None:
    if contract is None:
        return None
    return {
        "id": contract.id,
        "product": contract.product,
        "region": contract.region,
        "label": contract.label,
        "start_on": contract.start_at.date().isoformat(),
        "end_on": contract.end_at.date().isoformat() if contract.end_at else None,
    }
