"""Settle per contract what the summary's figures mean, by comparing stored summaries with ranges that say both.

Costs a few calls on first sight and one or two a week; the evidence is stored with the answer.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial

import numpy as np

from alerter.app.ports import UsageSource
from alerter.app.spans import first_accepted, spans
from alerter.core.answers import RangeDay
from alerter.core.area import Unit, factor
from alerter.core.meaning import Vote, settle, votes, without_moving
from alerter.core.model import SummaryMeaning
from alerter.errors import LeafError
from alerter.store import Claim, MeaningRow, Store, StoredContract, StoredUsage

log = logging.getLogger("alerter.meaning")

USERS, UNIQUE = "summary_users", "summary_unique"  # the two questions
RECHECK_EVERY = timedelta(days=7)
RETRY_EVERY = timedelta(hours=1)
ASKED_USERS = 3  # users whose ranges are compared while the question is open; one at a recheck
LOOK_BACK = 60  # days of summaries compared


class MeaningFinder:
    """Finds, stores and re-checks the meaning of one account's summaries."""

    def __init__(self, *, source: UsageSource, store: Store, claim: Claim, revise: timedelta) -> None:
        self._source = source
        self._store = store
        self._claim = claim
        self._revise = revise

    def settle(self, stored: StoredContract, configured: SummaryMeaning | None, now: datetime) -> None:
        """Answer both questions for one contract where they are open or due for a check, as of its newest snapshot."""
        with self._store.read() as tx:
            known = tx.usage.meanings(stored.key, None)
        due = _due(known.get(USERS), now), _due(known.get(UNIQUE), now)
        if not any(due):
            return
        usage = self._usage(stored, now)
        if due[0]:
            cast = [] if configured else self._user_votes(stored, usage, now, first=USERS not in known)
            self._save(stored, USERS, before=known.get(USERS), cast=cast, configured=configured, now=now)
        if due[1]:
            unique = _unique_votes(usage, now.date())
            self._save(stored, UNIQUE, before=known.get(UNIQUE), cast=unique, configured=configured, now=now)

    def _usage(self, stored: StoredContract, now: datetime) -> StoredUsage:
        with self._store.read() as tx:
            newest = tx.usage.newest_snapshot(stored.key)
            since = now.date() - timedelta(days=LOOK_BACK)
            return tx.usage.usage(stored.key, newest.id if newest else 0, since)

    def _user_votes(self, stored: StoredContract, usage: StoredUsage, now: datetime, *, first: bool) -> list[Vote]:
        cast: list[Vote] = []
        for row in _telling_users(usage)[: ASKED_USERS if first else 1]:
            user = usage.user_ids[row]
            ask = partial(self._source.fetch_user_range, stored.contract.id, user)
            try:
                answer, _ = first_accepted(ask, spans(stored.contract.start_at.date(), now.date(), self._revise))
            except LeafError as error:
                fields = {"contract": stored.contract.id, "error": str(error)}
                log.warning("action=meaning_call_failed", extra={"fields": fields})
                continue
            said = _said_by(usage, usage.user_areas[row], answer.unit)
            cast += votes(said, answer.days, subject=user)
        return without_moving(cast, now.date())

    def _save(
        self,
        stored: StoredContract,
        question: str,
        *,
        before: MeaningRow | None,
        cast: Sequence[Vote],
        configured: SummaryMeaning | None,
        now: datetime,
    ) -> None:
        answer = configured or settle(cast)
        if answer is SummaryMeaning.UNPROVEN and before is not None and SummaryMeaning(before.answer).known:
            return  # nothing new was learned; what was proved stays proved
        evidence = {"configured": True} if configured else _evidence(cast)
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            tx.usage.save_meaning(stored.key, question, answer.value, evidence, now)
        if before is None or before.answer != answer.value:
            level = logging.INFO if answer.known else logging.WARNING
            fields = {"contract": stored.contract.id, "question": question, "answer": answer.value}
            log.log(level, "action=meaning_settled", extra={"fields": fields})


def _due(row: MeaningRow | None, now: datetime) -> bool:
    if row is None:
        return True
    every = RECHECK_EVERY if SummaryMeaning(row.answer).known else RETRY_EVERY
    return now - row.decided_at >= every


def _telling_users(usage: StoredUsage) -> list[int]:
    """Return rows of users worth asking about: those whose figure changes most often, then the largest."""
    if not usage.user_areas.size:
        return []
    said = np.nan_to_num(usage.user_areas)
    changes = (np.diff(said, axis=1) != 0).sum(axis=1) if said.shape[1] > 1 else np.zeros(len(said))
    order = np.lexsort((-said.max(axis=1), -changes))
    return [int(row) for row in order if said[row].max() > 0]


def _said_by(usage: StoredUsage, areas: np.ndarray[tuple[int], np.dtype[np.float64]], unit: Unit) -> dict[date, float]:
    """Return one user's figures by day, in `unit`."""
    unit_of = dict(zip(usage.days.tolist(), usage.units, strict=True))
    return {
        date.fromordinal(day): float(area) * factor(unit_of[day], unit)
        for day, area in zip(usage.window_days.tolist(), areas.tolist(), strict=True)
        if not math.isnan(area)
    }


def _unique_votes(usage: StoredUsage, today: date) -> list[Vote]:
    """Compare the summaries' `totalUniqueArea` with the stored organisation range: no call needed."""
    if not len(usage.owner_days):
        return []
    unit = usage.owner_units[-1]
    said = {
        date.fromordinal(day): float(area) * factor(source, unit)
        for day, area, source in zip(usage.days.tolist(), usage.unique.tolist(), usage.units, strict=True)
    }
    rows = zip(
        usage.owner_days.tolist(),
        usage.owner_units,
        usage.owner_total.tolist(),
        usage.owner_daily.tolist(),
        strict=True,
    )
    days = tuple(
        RangeDay(
            day=date.fromordinal(day), total_area=total * factor(source, unit), daily_area=daily * factor(source, unit)
        )
        for day, source, total, daily in rows
    )
    return without_moving(votes(said, days), today)


def _evidence(cast: Sequence[Vote]) -> dict[str, object]:
    """What the answer rests on: the count, and up to five days that tell."""
    return {
        "votes": len(cast),
        "cumulative": sum(vote.means is SummaryMeaning.CUMULATIVE for vote in cast),
        "daily": sum(vote.means is SummaryMeaning.DAILY for vote in cast),
        "days": [
            {
                "day": vote.day.isoformat(),
                "user": vote.subject,
                "said": vote.said,
                "total": vote.total,
                "daily": vote.daily,
            }
            for vote in cast[-5:]
        ],
    }
