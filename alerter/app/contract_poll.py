"""One poll of one contract: what to ask, in which order, and what is committed together.

Today's summary and the organisation's range since the term's start; then the summaries that must be read (again): days
never read, days whose range figure changed, and once a UTC day the whole revision window, because a late change inside
overlap does not show in the range; last, what settles the summary's meaning.  Everything learned is committed as ONE
snapshot; a first fill is committed in parts before it, so that it can be resumed after a crash.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from alerter.app.clock import Clock
from alerter.app.filling import Filling
from alerter.app.meaning import MeaningFinder, tried_fact
from alerter.app.noticing import Known, Said, conventions_of, events_of, keep_conventions, known_of, summary_events
from alerter.app.ports import UsageSource
from alerter.app.settings import PollSettings
from alerter.app.spans import ONE_DAY, first_accepted, spans
from alerter.core.answers import RangeAnswer, RangeDay, SummaryAnswer, Unchanged
from alerter.core.area import Unit, factor
from alerter.core.quality import Event, KnownRange, differ
from alerter.errors import AlerterError, LeafMalformed, LeafNotFound
from alerter.store import Claim, Store, StoredContract, Tx

log = logging.getLogger("alerter.poll")

FILL_BATCH = 14  # days of a first fill per commit
FILL_USERS = 200_000  # users' figures of a first fill in memory at once
REFUSALS = 3  # of one past day's summary until it is left alone for the rest of the UTC day


class StoppingError(AlerterError):
    """The daemon is told to stop; what was committed stays, the rest is done at the next start."""


class Pace:
    """Spaces calls of several threads evenly, and ends them when the daemon is told to stop."""

    def __init__(self, rate: float | None, clock: Clock, stop: threading.Event) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._next_turn = 0.0

    def take(self) -> None:
        """Wait for the next turn; raise StoppingError when there will be none."""
        with self._lock:
            now = self._clock.monotonic()
            turn = max(now, self._next_turn)
            self._next_turn = turn + self._interval
        self.go_on()
        if turn > now and self._clock.wait(turn - now, self._stop):
            self.go_on()

    def go_on(self) -> None:
        """Raise StoppingError when the daemon is told to stop."""
        if self._stop.is_set():
            raise StoppingError("stopped while reading; the next start goes on from here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all contracts of one account's poll share."""

    source: UsageSource
    store: Store
    claim: Claim
    settings: PollSettings
    clock: Clock
    pace: Pace
    fetchers: ThreadPoolExecutor  # reads several days at once


class ContractPoll:
    """One poll of one contract; make a new one for every poll."""

    def __init__(self, stored: StoredContract, tools: Tools) -> None:
        self._stored = stored
        self._tools = tools
        self._source, self._store, self._clock = tools.source, tools.store, tools.clock
        self._id = stored.contract.id
        self._start_on = stored.contract.start_at.date()
        self._today = tools.clock.now().date()
        self._fact: dict[str, Any] = {}  # what was read and settled so far; nobody else writes it under our claim
        self._span = 0  # which form of the organisation's range the server took
        self._refused: dict[date, str] = {}  # days whose summary could not be used, and why
        self._doubtful = False  # whether figures read in this poll contradict what summaries were found to mean
        self._window_read = False  # whether this poll reads the revision window again
        self._unchanged: set[date] = set()  # days whose summary says what is stored
        self.filled_days = 0

    def run(self) -> int:
        """Poll and return the id of the snapshot; raise AlerterError, with everything committed so far kept."""
        tried = tried_fact(self._stored.key)
        with self._store.read() as tx:
            today_hash = tx.usage.known_hash(self._stored.key, self._today)
            known = known_of(tx, self._stored.key)
            facts = tx.journal.several([self._fact_key(), tried])
        self._fact = dict(facts.get(self._fact_key(), {}))
        read = set(known.summaries)
        summary = self._todays_summary(today_hash)
        answer = self._owner_range()
        last_on = min(self._today, self._last_day())
        owner = replace(answer, days=tuple(one for one in answer.days if self._start_on <= one.day <= last_on))
        wanted = self._days_to_read(read, _changed_days(owner, known.ranges))
        self._fill(sorted(wanted - read))
        summaries = self._summaries(sorted(wanted & read, reverse=True))
        if isinstance(summary, SummaryAnswer):
            summaries.append(summary)
        said = Said(
            newest=summary,
            summaries=summaries,
            answer=answer,
            owner=owner,
            refused=dict(self._refused),
            unchanged=frozenset(self._unchanged),
        )
        snapshot_id, fetched_at = self._commit(said, known)
        configured = self._tools.settings.summary_means(self._stored.contract)
        revise = self._tools.settings.settling.revise
        finder = MeaningFinder(source=self._source, store=self._store, claim=self._tools.claim, revise=revise)
        finder.settle(
            self._stored,
            configured,
            fetched_at,
            known=known.meanings,
            tried=facts.get(tried),
            window_read=self._window_read,
            doubtful=self._doubtful,
        )
        return snapshot_id

    # -------------------------------------------------------------- asking
    def _todays_summary(self, known_hash: bytes | None) -> SummaryAnswer | Unchanged | None:
        """Fetch today's summary; None when the API has none: the range then says whether the contract is there.

        A day after the term's end is not the term's: what a server says of it would pass for the term's last figures.
        """
        if self._today > self._last_day():
            return None
        try:
            summary = self._source.fetch_summary(self._id, known_hash=known_hash)
        except LeafNotFound:
            return None
        if isinstance(summary, SummaryAnswer) and not self._start_on <= summary.day <= self._today + ONE_DAY:
            # A day that has not come, or of another term, would poison the figures.
            raise LeafMalformed(
                f"the summary of contract {self._id} is dated {summary.day}, outside the term up to today "
                f"({self._today}); it was not stored"
            )
        return summary

    def _owner_range(self) -> RangeAnswer:
        """Fetch the organisation's range since the term's start.

        From the term's start, for it is open whether `totalArea` counts from there or from `startTime`; a server that
        refused the wider forms is asked in the form it took last.
        """
        last_on = min(self._today, self._last_day())
        wanted = spans(self._start_on, last_on, self._tools.settings.settling.revise)
        known = int(self._fact.get("span", 0)) % len(wanted)
        ask = partial(self._source.fetch_owner_range, self._id, may_fall=self._stored.contract.may_fall)
        answer, index = first_accepted(ask, wanted[known:])
        self._span = known + index
        return answer

    def _summaries(self, days: Sequence[date], *, paced: bool = False) -> list[SummaryAnswer]:
        """Fetch dated summaries, several at once; a day that the API lacks or answers with another one is left out."""
        if not days:
            return []
        with self._store.read() as tx:
            known = {day: tx.usage.known_hash(self._stored.key, day) for day in days}
        fetched = self._tools.fetchers.map(lambda day: self._summary(day, known[day], paced=paced), known)
        return [answer for answer in fetched if answer is not None]

    def _summary(self, day: date, known_hash: bytes | None, *, paced: bool) -> SummaryAnswer | None:
        if paced:
            self._tools.pace.take()
        self._tools.pace.go_on()
        try:
            answer = self._source.fetch_summary(self._id, day, known_hash=known_hash)
        except LeafNotFound:
            return None
        except LeafMalformed as error:
            # One unreadable past day must not keep today's figures out; it is asked for again with its window.
            log.warning("action=day_refused", extra={"fields": self._fields(day=day.isoformat(), error=str(error))})
            self._keep_sample(error)
            self._refused[day] = str(error)
            return None
        if isinstance(answer, Unchanged):
            self._unchanged.add(day)
            return None
        return answer if answer.day == day else None

    # -------------------------------------------------------------- which days
    def _days_to_read(self, read: set[date], changed: set[date]) -> set[date]:
        """Return the past days whose summary must be read now."""
        last = min(self._today - ONE_DAY, self._last_day())
        past = {self._start_on + timedelta(days=n) for n in range((last - self._start_on).days + 1)}
        window = {day for day in past if last - day < self._tools.settings.settling.revise}
        fact = self._fact
        absent = {date.fromisoformat(day) for day in fact.get("absent", ())}
        if fact.get("window_read_on") != self._today.isoformat():
            self._window_read = True
            return (past - read - absent) | window | (changed & past)
        # The window was read today: what it lacked is asked for again tomorrow, what was refused a few times today.
        refused = {date.fromisoformat(day): tries for day, tries in fact.get("refused", {}).items()}
        again = {day for day, tries in refused.items() if tries < REFUSALS}
        return (past - read - window - absent - refused.keys()) | ((changed | again) & past)

    def _last_day(self) -> date:
        end_at = self._stored.contract.end_at
        return date.max if end_at is None else (end_at - timedelta(microseconds=1)).date()

    def _fact_key(self) -> str:
        return f"read/{self._stored.key}"

    # -------------------------------------------------------------- storing
    def _fill(self, days: Sequence[date]) -> None:
        """Read days never read before, oldest first, committed in parts: a crash loses one part at most."""
        is_first_fill = len(days) > FILL_BATCH
        filling = self._filling(len(days))
        if is_first_fill:
            log.info("action=fill_started", extra={"fields": self._fields(days=len(days))})
        index, size = 0, 1 if is_first_fill else FILL_BATCH  # the first day tells how large they are
        while index < len(days):
            part = days[index : index + size]
            index += size
            summaries = self._summaries(part, paced=is_first_fill)
            self._commit_part(summaries, set(part) - {summary.day for summary in summaries}, filling)
            self.filled_days += len(summaries)
            largest = max((len(summary.user_ids) for summary in summaries), default=1)
            size = min(FILL_BATCH, max(1, FILL_USERS // max(1, largest)))
            filling.tell(self._clock.monotonic())
        if is_first_fill:
            log.info("action=fill_done", extra={"fields": self._fields(days=len(days))})

    def _filling(self, left: int) -> Filling:
        past = min(self._today - ONE_DAY, self._last_day()) - self._start_on + ONE_DAY
        told, is_small = self._tools.settings.on_filled, left <= FILL_BATCH
        return Filling(self._stored, left=left, of=past.days, is_small=is_small, told=told)

    def _commit_part(self, summaries: Sequence[SummaryAnswer], absent: set[date], filling: Filling) -> None:
        now = self._clock.now()
        lacking = {
            day.isoformat() for day in absent - self._refused.keys()
        }  # what was refused may be there all the same
        fact = self._fact | {"absent": sorted({*self._fact.get("absent", ()), *lacking})}
        with self._store.write() as tx:
            tx.accounts.check(self._tools.claim, now)
            snapshot_id = tx.usage.add_snapshot(self._stored.key, now, self._today, complete=False)
            for summary in summaries:
                tx.usage.add_summary(snapshot_id, self._stored.key, summary)
            self._note(tx, summary_events(summaries, {}), now)
            tx.journal.put(self._fact_key(), fact, now)
            filling.keep(tx, len(summaries) + len(absent), now)
        self._fact = fact

    def _commit(self, said: Said, known: Known) -> tuple[int, datetime]:
        """Store all that this poll learned as one complete snapshot; return its id and time."""
        now, fact = self._clock.now(), self._fact
        settling, contract = self._tools.settings.settling, self._stored.contract
        with self._store.write() as tx:
            tx.accounts.check(self._tools.claim, now)
            snapshot_id = tx.usage.add_snapshot(self._stored.key, now, self._today)
            changed = [one.day for one in said.summaries if tx.usage.add_summary(snapshot_id, self._stored.key, one)]
            revised = tx.usage.add_owner_range(snapshot_id, self._stored.key, said.owner)
            events = list(events_of(contract, said, known, settling=settling, today=self._today))
            self._doubtful = any(event.standing and event.what == "unique_and_range" for event in events)
            self._note(tx, events, now)
            keep_conventions(tx, self._stored, conventions_of(said, known, self._today), known.meanings, now)
            learned = {
                "window_read_on": self._today.isoformat(),
                "span": self._span,
                "refused": self._refusals(fact),
            }
            if learned != {name: fact.get(name) for name in learned}:
                tx.journal.put(self._fact_key(), fact | learned, now)
        fields = self._fields(snapshot=snapshot_id, days=len(changed), range_days=len(revised))
        log.debug("action=snapshot_stored", extra={"fields": fields})
        return snapshot_id, now

    def _refusals(self, fact: dict[str, Any]) -> dict[str, int]:
        """Return how often each day's summary was refused since the window was read."""
        before = fact.get("refused", {}) if fact.get("window_read_on") == self._today.isoformat() else {}
        given_up = {day: tries for day, tries in before.items() if tries >= REFUSALS}
        return given_up | {day.isoformat(): before.get(day.isoformat(), 0) + 1 for day in sorted(self._refused)}

    def _note(self, tx: Tx, events: Iterable[Event], now: datetime) -> None:
        tx.usage.note_events(self._tools.claim.account, ((self._stored.key, event) for event in events), now)

    def _keep_sample(self, error: AlerterError) -> None:
        with self._store.write() as tx:
            keep_sample(tx, self._tools.claim.account, self._id, error, self._clock.now())

    def _fields(self, **more: object) -> dict[str, object]:
        return {"account": self._tools.claim.account, "contract": self._id, **more}


def keep_sample(tx: Tx, account: str, contract_id: str, error: AlerterError, now: datetime) -> None:
    """Keep an answer that was refused, masked and cut, for whoever has to find out what the API did; once in a row."""
    if not isinstance(error, LeafMalformed):
        return
    last = tx.usage.last_bad_answer(account, contract_id)
    if last is None or (last.reason, last.sample) != (str(error), error.sample):
        tx.usage.save_bad_answer(account, contract_id, "", now, str(error), error.sample)


def _changed_days(owner: RangeAnswer, before: Mapping[date, KnownRange]) -> set[date]:
    """Return the days whose range figures are not those stored; the same area in another unit is no change."""
    return {entry.day for entry in owner.days if entry.day in before and _moved(entry, owner.unit, before[entry.day])}


def _moved(entry: RangeDay, unit: Unit, before: KnownRange) -> bool:
    if before.unit is unit:
        return (entry.total_area, entry.daily_area) != (before.total, before.daily)
    scale = factor(before.unit, unit)
    return differ(entry.total_area, before.total * scale) or differ(entry.daily_area, before.daily * scale)
