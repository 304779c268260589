"""What was noticed about the data: append-only; what lasts is one row when it begins and one when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from alerter.core.area import Unit
from alerter.core.quality import Event, KnownRange, KnownSummary
from alerter.store.cache import Figures
from alerter.store.part import Part
from alerter.store.rows import DataEvent
from alerter.store.tables import account, contract, data_event, owner_day, reading, snapshot

_E, _A, _C, _R, _O, _S = data_event.c, account.c, contract.c, reading.c, owner_day.c, snapshot.c
# Rows are only ever added: whoever knows the newest row's id knows them all.
_NEWEST_ROWS = sa.select(
    *(
        sa.select(sa.func.max(one.id)).where(one.contract_key == sa.bindparam("key")).scalar_subquery()
        for one in (_R, _O)
    )
)
_Identity = tuple[int | None, str, str, date | None]


@cache
def _standing_of(of_account: bool) -> sa.Select[Any]:
    whose = [_E.contract_key.in_(sa.bindparam("contract_keys", expanding=True))]
    if of_account:
        whose.append(_E.contract_key.is_(None))
    newest = (
        sa.select(sa.func.max(_E.id))
        .where(_E.account_key == sa.bindparam("account_key"), sa.or_(*whose), _E.standing.is_not(None))
        .group_by(_E.contract_key, _E.kind, _E.what, _E.day)
    )
    return sa.select(_E.contract_key, _E.kind, _E.what, _E.day).where(_E.id.in_(newest), _E.standing)


class DataEvents(Part):
    """The data events of one transaction, and the stored figures that new answers are compared with."""

    def note_events(self, account_name: str, events: Iterable[tuple[int | None, Event]], now: datetime) -> int:
        """Add what is new of `(contract key or None, event)` and return how much that was.

        A standing event is added when it begins and when it ends, however often it is reported in between.
        """
        account_key = self._account_key(account_name)
        found = list(events)
        standing = self._standing_of(account_key, {key for key, _ in found})
        rows = []
        for key, event in found:
            identity = (key, event.kind.value, event.what, event.day)
            if event.standing is not None:
                if event.standing is (identity in standing):
                    continue
                (standing.add if event.standing else standing.discard)(identity)
            rows.append(
                {
                    "account_key": account_key,
                    "contract_key": key,
                    "kind": event.kind.value,
                    "what": event.what,
                    "day": event.day,
                    "standing": event.standing,
                    "seen_at": now,
                    "details": dict(event.details),
                }
            )
        self._run(sa.insert(data_event), rows)
        return len(rows)

    def _standing_of(self, account_key: int, keys: set[int | None]) -> set[_Identity]:
        named = [key for key in keys if key is not None]
        rows = self._all(_standing_of(None in keys), account_key=account_key, contract_keys=named)
        return {(row.contract_key, row.kind, row.what, row.day) for row in rows}

    def data_events(
        self,
        account_name: str | None = None,
        key: int | None = None,
        *,
        kinds: Iterable[str] | None = None,
        since: datetime | None = None,
        limit: int = 1000,
    ) -> list[DataEvent]:
        """Return what was noticed, the newest first; `key` is a contract's, `since` its earliest `seen_at`."""
        found = self._select_events(account_name)
        if key is not None:
            found = found.where(_E.contract_key == key)
        if kinds is not None:
            found = found.where(_E.kind.in_(list(kinds)))
        if since is not None:
            found = found.where(_E.seen_at >= since)
        return [DataEvent(**row._asdict()) for row in self._all(found.order_by(_E.id.desc()).limit(limit))]

    def standing_events(self, account_name: str | None = None) -> list[DataEvent]:
        """Return what has begun and not ended yet, in order of appearance."""
        newest = sa.select(sa.func.max(_E.id)).where(_E.standing.is_not(None))
        newest = newest.group_by(_E.account_key, _E.contract_key, _E.kind, _E.what, _E.day)
        found = self._select_events(account_name).where(_E.id.in_(newest), _E.standing).order_by(_E.id)
        return [DataEvent(**row._asdict()) for row in self._all(found)]

    def _select_events(self, account_name: str | None) -> sa.Select[Any]:
        found = (
            sa.select(
                _E.id,
                _A.name.label("account"),
                _E.contract_key,
                _C.contract_id,
                _E.kind,
                _E.what,
                _E.day,
                _E.standing,
                _E.seen_at,
                _E.details,
            )
            .join_from(data_event, account, _A.key == _E.account_key)
            .outerjoin(contract, _C.key == _E.contract_key)
        )
        return found if account_name is None else found.where(_A.name == account_name)

    # -------------------------------------------------------------- what new answers are compared with
    def known_figures(self, key: int) -> tuple[Mapping[date, KnownRange], Mapping[date, KnownSummary]]:
        """Return `known_range` and `known_summaries`, which are kept until a row is added; not to be changed."""
        stamp = tuple(self._all(_NEWEST_ROWS, key=key)[0])
        known = self._cache.shared.figures.get(key)
        if known is None or known.stamp != stamp:
            known = Figures(stamp, self.known_range(key), self.known_summaries(key))
            if not self._cache.dirty:
                self._cache.shared.figures[key] = known
        return known.ranges, known.summaries

    def known_range(self, key: int) -> dict[date, KnownRange]:
        """Return the newest stored figures of each day of the organisation's range, and when they were read."""
        newest = sa.select(sa.func.max(_O.id)).where(_O.contract_key == key).group_by(_O.day)
        columns = (_O.day, _O.total_area, _O.daily_area, _O.unit, _S.today)
        found = sa.select(*columns).join_from(owner_day, snapshot, _S.id == _O.snapshot_id).where(_O.id.in_(newest))
        return {
            row.day: KnownRange(total=row.total_area, daily=row.daily_area, unit=Unit(row.unit), read_on=row.today)
            for row in self._all(found.order_by(_O.day))
        }

    def known_summaries(self, key: int) -> dict[date, KnownSummary]:
        """Return the newest stored summary of each day without its users, and when it was read."""
        newest = sa.select(sa.func.max(_R.id)).where(_R.contract_key == key).group_by(_R.day)
        columns = (_R.day, _R.unit, _R.unique_area, _R.user_sum, _R.user_count, _S.today)
        found = sa.select(*columns).join_from(reading, snapshot, _S.id == _R.snapshot_id).where(_R.id.in_(newest))
        return {
            row.day: KnownSummary(
                unit=Unit(row.unit),
                unique=row.unique_area,
                user_sum=row.user_sum,
                user_count=row.user_count,
                read_on=row.today,
            )
            for row in self._all(found.order_by(_R.day))
        }
