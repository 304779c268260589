"""What one poll of one contract shows beside its figures: contradictions, changes, losses, and the API's own ways."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from alerter.core import conventions, quality
from alerter.core.answers import RangeAnswer, SummaryAnswer, Unchanged
from alerter.core.area import Unit, factor
from alerter.core.conventions import Convention
from alerter.core.meaning import UNIQUE, USERS
from alerter.core.model import Contract, Settling, SummaryMeaning
from alerter.core.quality import Event, KnownRange, KnownSummary
from alerter.store import MeaningRow, StoredContract, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was stored of a contract before a poll."""

    ranges: Mapping[date, KnownRange]
    summaries: Mapping[date, KnownSummary]
    meanings: Mapping[str, MeaningRow]  # newest answer to each question
    users: SummaryMeaning
    unique: SummaryMeaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a poll was told: `newest` is today's summary, also among `summaries` unless it is Unchanged or None."""

    newest: SummaryAnswer | Unchanged | None
    summaries: Sequence[SummaryAnswer]
    answer: RangeAnswer  # the organisation's range, days outside the term included
    owner: RangeAnswer  # its days within the term and up to today
    refused: Mapping[date, str]  # days whose summary could not be used, and why
    unchanged: Collection[date]  # past days whose summary says what is stored


def known_of(tx: Tx, key: int) -> Known:
    """Load what new answers are compared with."""
    meanings = tx.usage.meanings(key)
    ranges, summaries = tx.usage.known_figures(key)
    users, unique = (meanings[one].answer if one in meanings else "unproven" for one in (USERS, UNIQUE))
    return Known(
        ranges=ranges,
        summaries=summaries,
        meanings=meanings,
        users=SummaryMeaning(users),
        unique=SummaryMeaning(unique),
    )


def events_of(contract: Contract, said: Said, known: Known, *, settling: Settling, today: date) -> Iterator[Event]:
    """Yield everything that a poll showed, fitting or not."""
    inside = said.owner
    may_fall = contract.product.startswith("AUDIT_")
    yield from quality.range_contradictions(inside.days, inside.unit, may_fall=may_fall)
    yield quality.future_days(said.answer, today)
    yield from quality.range_revision(inside, known.ranges, today)
    yield from summary_events(said.summaries, said.refused)
    for day in said.unchanged:
        yield quality.accepted("day", day)
    yield from quality.unique_contradictions(said.summaries, inside, known.unique, today)
    yield from quality.summary_revision(said.summaries, known.summaries, today)
    if isinstance(said.newest, SummaryAnswer):
        yield from quality.shrunk_users(said.newest, known.summaries, known.users, settling.revise)
        yield from quality.unit_event(_newest_unit(known.summaries), said.newest.unit, today)
    else:
        yield from quality.unit_event(_newest_unit(known.ranges), inside.unit, today)
    yield quality.accepted("answer")


def summary_events(summaries: Sequence[SummaryAnswer], refused: Mapping[date, str]) -> Iterator[Event]:
    """Yield what summaries show by themselves, those of a first fill too."""
    for summary in summaries:
        yield quality.summary_contradiction(summary)
        yield quality.accepted("day", summary.day)
    for day, reason in refused.items():
        yield quality.refused("day", reason, day)


def conventions_of(said: Said, known: Known, today: date) -> Iterator[Convention]:
    """Yield what the organisation's range shows of the API's ways."""
    found = conventions.zero_days(said.owner)
    if found is not None:
        yield found
    total = None
    newest = said.newest
    if isinstance(newest, SummaryAnswer) and newest.day == today and known.unique is SummaryMeaning.CUMULATIVE:
        total = newest.unique_area * factor(newest.unit, said.owner.unit)
    found = conventions.today_in_range(said.owner, today, total)
    if found is not None:
        yield found


def keep_conventions(
    tx: Tx, stored: StoredContract, found: Iterator[Convention], known: Mapping[str, MeaningRow], now: datetime
) -> None:
    """Store the answers that differ from what was known."""
    for one in found:
        if one.question not in known or known[one.question].answer != one.answer:
            tx.usage.save_meaning(stored.key, one.question, one.answer, one.evidence, now)


def _newest_unit(known: Mapping[date, KnownRange] | Mapping[date, KnownSummary]) -> Unit | None:
    return known[max(known)].unit if known else None
