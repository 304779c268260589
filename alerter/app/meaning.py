"""Settle per contract what the summary's figures mean, by comparing stored summaries with ranges that say both.

Costs a few calls on first sight and one or two a week; the evidence is stored with the answer.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from alerter.app.noticing import keep_conventions
from alerter.app.ports import UsageSource
from alerter.app.spans import ONE_DAY, Span, first_accepted, spans
from alerter.core.answers import RangeAnswer, RangeDay
from alerter.core.area import Unit, factor
from alerter.core.conventions import RANGE_END, RANGE_START, Convention, range_edge
from alerter.core.meaning import UNIQUE, USERS, Vote, judge, votes, without_moving
from alerter.core.model import SummaryMeaning
from alerter.errors import LeafError
from alerter.store import Claim, MeaningRow, Store, StoredContract, StoredUsage

log = logging.getLogger("alerter.meaning")

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

    def settle(
        self,
        stored: StoredContract,
        configured: SummaryMeaning | None,
        now: datetime,
        *,
        known: Mapping[str, MeaningRow],
        tried: Mapping[str, Any] | None,
        window_read: bool,
        doubtful: bool = False,
    ) -> None:
        """Answer both questions for one contract where they are open or due for a check, as of its newest snapshot.

        `known` are the answers so far, `tried` is the fact (`tried_fact`) of the last try.
        What was proved is checked again when the revision window has just been read: older readings may miss a change
        that a range already has; or when figures are `doubtful`, for they contradicted one another just now.
        """
        tried_at = datetime.fromisoformat(tried["at"]) if tried else None
        due = [
            _due(known.get(question), configured, now, tried_at=tried_at, window_read=window_read) or doubtful
            for question in (USERS, UNIQUE)
        ]
        if not any(due):
            return
        usage = self._usage(stored, known.get(USERS), now)
        if due[0]:
            cast = [] if configured else self._user_votes(stored, usage, now, open_question=not _is_proved(known))
            self._save(stored, USERS, before=known.get(USERS), cast=cast, configured=configured, now=now)
        if due[1]:
            unique = _unique_votes(usage, now.date())
            self._save(stored, UNIQUE, before=known.get(UNIQUE), cast=unique, configured=configured, now=now)

    def _usage(self, stored: StoredContract, before: MeaningRow | None, now: datetime) -> StoredUsage:
        """Load the readings to compare: all of late while the question is new, else those that are read again daily."""
        is_proved = before is not None and SummaryMeaning(before.answer).known
        since = now.date() - (self._revise if is_proved else timedelta(days=LOOK_BACK))
        with self._store.read() as tx:
            newest = tx.usage.newest_snapshot(stored.key)
            return tx.usage.usage(stored.key, newest.id if newest else 0, since)

    def _user_votes(
        self, stored: StoredContract, usage: StoredUsage, now: datetime, *, open_question: bool
    ) -> list[Vote]:
        cast: list[Vote] = []
        for number, row in enumerate(_telling_users(usage)[: ASKED_USERS if open_question else 1]):
            user = usage.user_ids[row]
            edges = Edges.of(stored, usage, row, now.date()) if number or not open_question else None
            try:
                answer = self._user_range(stored, user, edges, now)
            except LeafError as error:
                fields = {"contract": stored.contract.id, "error": str(error)}
                log.warning("action=meaning_call_failed", extra={"fields": fields})
                continue
            said = _said_by(usage, usage.user_areas[row], answer.unit)
            cast += votes(said, answer.days, subject=user)
            if edges is not None:
                self._keep_edges(stored, edges, answer, now)
        return without_moving(cast, now.date())

    def _user_range(self, stored: StoredContract, user: str, edges: Edges | None, now: datetime) -> RangeAnswer:
        """Ask for one user's range: from and to days with use, which shows whether a range has its own ends."""
        ask = partial(self._source.fetch_user_range, stored.contract.id, user, may_fall=stored.contract.may_fall)
        wanted = spans(stored.contract.start_at.date(), now.date(), self._revise)
        if edges is not None:
            wanted = (edges.span, *wanted)
        return first_accepted(ask, wanted)[0]

    def _keep_edges(self, stored: StoredContract, edges: Edges, answer: RangeAnswer, now: datetime) -> None:
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            keep_conventions(tx, stored, edges.found(answer), tx.usage.meanings(stored.key), now)

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
        was = _proved_last(before)
        contradicted = before is not None and before.answer == SummaryMeaning.CONTRADICTED
        recent_from = now.date() - self._revise
        answer = configured or judge(cast, was=was, contradicted=contradicted, recent_from=recent_from)
        evidence: dict[str, object] = {"configured": True} if configured else _evidence(cast)
        if answer is SummaryMeaning.CONTRADICTED:
            evidence["was"] = was.value
        elif before is not None and not cast and not configured:
            evidence = dict(before.evidence)  # nothing new was learned; what was proved stays proved
        with self._store.write() as tx:
            tx.accounts.check(self._claim, now)
            # An answer that stays as open as it was is no new row, only a try.
            if before is None or before.answer != answer.value or answer.known:
                tx.usage.save_meaning(stored.key, question, answer.value, evidence, now)
            tx.journal.put(tried_fact(stored.key), {"at": now.isoformat()}, now)
        if before is None or before.answer != answer.value:
            level = logging.INFO if answer.known else logging.WARNING
            fields = {"contract": stored.contract.id, "question": question, "answer": answer.value}
            log.log(level, "action=meaning_settled", extra={"fields": fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """A range from and to days on which one user had use, as far as that is known."""

    span: Span
    starts_with_use: bool

    @classmethod
    def of(cls, stored: StoredContract, usage: StoredUsage, row: int, today: date) -> Edges | None:
        """Find the span for one user's row; None where no past day surely had use.

        It begins no later than the term, for totals may count from `startTime`.
        """
        said, days = usage.user_areas[row], usage.window_days
        # A figure that differs from the day before's and is above zero means use, whatever it means otherwise.
        moved = (np.diff(said) != 0) & (said[1:] > 0) & (np.diff(days) == 1) & ~np.isnan(said[:-1])
        used = days[1:][moved & (days[1:] < today.toordinal())]
        if not len(used):
            return None
        start_on = stored.contract.start_at.date()
        starts_with_use = int(usage.user_first_on[row]) == start_on.toordinal()
        first = start_on if starts_with_use else start_on - ONE_DAY
        return cls(span=(first, date.fromordinal(int(used[-1]))), starts_with_use=starts_with_use)

    def found(self, answer: RangeAnswer) -> Iterator[Convention]:
        """Yield what the answer to this span shows of a range's ends."""
        first, last = self.span
        if any(day.day > last for day in answer.days):
            return  # another span was answered
        end = range_edge(RANGE_END, last, answer.days)
        if end is not None:
            yield end
        start = range_edge(RANGE_START, first, answer.days) if self.starts_with_use else None
        if start is not None:
            yield start


def tried_fact(key: int) -> str:
    """Name the fact that keeps when a contract's open question was looked at last."""
    return f"meaning/{key}"


def _proved_last(before: MeaningRow | None) -> SummaryMeaning:
    """Return the meaning proved last, before a contradiction too; what was configured proves nothing."""
    if before is None or before.evidence.get("configured"):
        return SummaryMeaning.UNPROVEN
    return SummaryMeaning(before.evidence.get("was", before.answer))


def _is_proved(known: Mapping[str, MeaningRow]) -> bool:
    return USERS in known and SummaryMeaning(known[USERS].answer).known


def _due(
    row: MeaningRow | None,
    configured: SummaryMeaning | None,
    now: datetime,
    *,
    tried_at: datetime | None,
    window_read: bool,
) -> bool:
    """Say whether a question is to be looked at: a changed config at once, an open one hourly, a proved one weekly."""
    if row is None:
        return True
    if configured is not None:
        return row.answer != configured.value or not row.evidence.get("configured")
    if row.evidence.get("configured"):
        return True
    if SummaryMeaning(row.answer).known:
        return window_read and now - row.decided_at >= RECHECK_EVERY
    return now - max(row.decided_at, tried_at or row.decided_at) >= RETRY_EVERY


def _telling_users(usage: StoredUsage) -> list[int]:
    """Return rows of users worth asking about: those whose figure changes most often, then the largest."""
    if not usage.user_areas.size:
        return []
    # Day by day: there may be many users.
    largest = before = np.nan_to_num(usage.user_areas[:, 0])
    changes = np.zeros(len(before))
    for column in range(1, usage.user_areas.shape[1]):
        said = np.nan_to_num(usage.user_areas[:, column])
        changes += said != before
        largest, before = np.maximum(largest, said), said
    order = np.lexsort((-largest, -changes))
    return [int(row) for row in order if largest[row] > 0]


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
