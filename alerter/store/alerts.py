"""Alerts and their transitions: the core's values in, the same values out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from alerter.core.model import Severity, Tier
from alerter.core.states import Alert, Entry, Status, Told, Transition
from alerter.store.part import Part
from alerter.store.tables import alert, transition

_A, _T = alert.c, transition.c
LIVE = (Status.PENDING, Status.FIRING, Status.RESOLVED)  # what the next snapshot may still move
_AT_ONCE = 500
_NAMED = (
    sa.select(alert).where(_A.fingerprint.in_(sa.bindparam("fingerprints", expanding=True))).order_by(_A.fingerprint)
)
_LIVE = sa.select(alert).where(_A.status.in_(LIVE)).order_by(_A.fingerprint)
_MICROSECOND = timedelta(microseconds=1)
_PLAIN = tuple(
    name
    for name in Alert.__dataclass_fields__
    if name not in ("status", "entries", "told", "severity", "tiers", "labels", "figures")
)


class Alerts(Part):
    """The alerts of one transaction."""

    def save(self, alerts: Iterable[Alert]) -> None:
        """Store alerts by fingerprint, new or changed."""
        statement = self._insert(alert)
        changed = {column.name: statement.excluded[column.name] for column in _A if not column.primary_key}
        self._run(
            statement.on_conflict_do_update(index_elements=[_A.fingerprint], set_=changed),
            [_row_of(one) for one in alerts],
        )

    def load(self, fingerprints: Iterable[str]) -> dict[str, Alert]:
        """Return the stored alerts among `fingerprints`."""
        wanted = list(dict.fromkeys(fingerprints))
        found: dict[str, Alert] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            rows = self._all(_NAMED, fingerprints=wanted[start : start + _AT_ONCE])
            found |= {row.fingerprint: _alert_of(row) for row in rows}
        return found

    def of_contract(self, account: str, contract_id: str, period: str, live_only: bool = True) -> list[Alert]:
        """Return the alerts of one term, by fingerprint; `live_only` leaves out inactive and closed ones."""
        one_term = sa.select(alert).where(_A.account == account, _A.contract_id == contract_id, _A.period == period)
        return self._alerts(one_term.where(_A.status.in_(LIVE)) if live_only else one_term)

    def live(self) -> list[Alert]:
        """Return every alert that is neither inactive nor closed, by fingerprint."""
        return [_alert_of(row) for row in self._all(_LIVE)]

    def all(self) -> list[Alert]:
        """Return every stored alert, by fingerprint."""
        return self._alerts(sa.select(alert))

    def find(self, prefix: str) -> list[Alert]:
        """Return the alerts whose fingerprint begins with `prefix`."""
        return self._alerts(sa.select(alert).where(sa.func.substr(_A.fingerprint, 1, len(prefix)) == prefix))

    def _alerts(self, statement: sa.Select[Any]) -> list[Alert]:
        return [_alert_of(row) for row in self._all(statement.order_by(_A.fingerprint))]

    # -------------------------------------------------------------- transitions
    def add_transitions(self, transitions: Iterable[Transition]) -> None:
        """Add to the audit, in this order."""
        self._run(
            sa.insert(transition),
            [{name: getattr(one, name) for name in Transition.__dataclass_fields__} for one in transitions],
        )

    def transitions(self, fingerprint: str | None = None, limit: int = 100) -> list[Transition]:
        """Return transitions (of one alert), the newest first."""
        columns: Sequence[sa.ColumnElement[Any]] = [_T[name] for name in Transition.__dataclass_fields__]
        newest = sa.select(*columns).order_by(_T.id.desc()).limit(limit)
        if fingerprint is not None:
            newest = newest.where(_T.fingerprint == fingerprint)
        return [_transition_of(row._asdict()) for row in self._all(newest)]


def _row_of(one: Alert) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in _PLAIN}
    return plain | {
        "status": one.status.value,
        "severity": one.severity.value if one.severity else None,
        "entries": [[entry.snapshot_id, entry.value, entry.fresh] for entry in one.entries],
        "told": {to: [told.level, told.at.isoformat(), told.repeat] for to, told in one.told.items()},
        "tiers": [[tier.at, tier.severity.value, _micros(tier.remind), tier.label] for tier in one.tiers],
        "labels": dict(one.labels),
        "figures": dict(one.figures),
    }


def _alert_of(row: sa.Row[Any]) -> Alert:
    told = {
        to: Told(level=level, at=datetime.fromisoformat(at), repeat=repeat)
        for to, (level, at, repeat) in row.told.items()
    }
    return Alert(
        **{name: getattr(row, name) for name in _PLAIN},
        status=Status(row.status),
        severity=Severity(row.severity) if row.severity else None,
        entries=tuple(Entry(snapshot_id=one, value=value, fresh=fresh) for one, value, fresh in row.entries),
        told=told,
        tiers=tuple(
            Tier(at=at, severity=Severity(severity), remind=_span(remind), label=label)
            for at, severity, remind, label in row.tiers
        ),
        labels=row.labels,
        figures=row.figures,
    )


def _micros(span: timedelta | None) -> int | None:
    return None if span is None else span // _MICROSECOND


def _span(micros: int | None) -> timedelta | None:
    return None if micros is None else micros * _MICROSECOND


def _transition_of(row: dict[str, Any]) -> Transition:
    return Transition(**row | {"from_status": Status(row["from_status"]), "to_status": Status(row["to_status"])})
