"""One term's usage day by day, as known now or at an earlier instant: the document of `alerter usage`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from alerter.app.load import load_history, load_user
from alerter.app.settings import NamedContracts
from alerter.app.views import SCHEMA, Document
from alerter.core.area import Unit, factor
from alerter.core.history import user_series
from alerter.core.model import Contract, History, LeafUser, Settling
from alerter.core.term import day_class
from alerter.errors import AlerterError, UsageError
from alerter.store import StoredContract, Tx

Floats = NDArray[np.float64]
LISTED = 10  # contracts or users named when several fit


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuestion:
    """What is asked of one term; `user` is an id, the beginning of one, or a name."""

    user: str | None = None
    first_on: date | None = None
    last_on: date | None = None
    as_of: datetime | None = None
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class _Series:
    """Figures from the term's first day on, in one unit; of a user only the billed ones are known."""

    billed: Floats
    billed_total: Floats
    unique: Floats
    unique_total: Floats


# ------------------------------------------------------------------ which contract
def find_term(terms: Sequence[StoredContract], wanted: str, named: NamedContracts, *, at: datetime) -> StoredContract:
    """Return the term that `wanted` means: a contract's id, the beginning of it, its product or its configured name.

    Of several terms of one contract the newest that has begun, unless one is named as ID@START; of several contracts
    of one product the one that runs.  Raises UsageError that lists them where more than one is left, or none.
    """
    period = [one for one in terms if one.contract.period == wanted]
    fitting = period or _fitting(terms, wanted, named)
    if not fitting:
        known = ", ".join(dict.fromkeys(one.contract.label for one in terms)) or "none yet"
        raise UsageError(f"no contract is {wanted!r}; there is {known}; see: alerter contracts --all")
    newest: dict[tuple[str, str], StoredContract] = {}
    for one in sorted(fitting, key=lambda one: (one.contract.start_at <= at, one.contract.start_at)):
        newest[one.contract.account, one.contract.id] = one  # the last of them: begun, and the newest
    left = list(newest.values())
    running = [one for one in left if one.contract.end_at is None or one.contract.end_at > at]
    if len(left) > 1 and len(running) == 1:
        left = running
    if len(left) > 1:
        listed = "; ".join(_described(one.contract) for one in left[:LISTED])
        raise UsageError(f"{len(left)} contracts fit {wanted!r}: {listed}; write the beginning of an id")
    return left[0]


def _fitting(terms: Sequence[StoredContract], wanted: str, named: NamedContracts) -> list[StoredContract]:
    """Return the terms that fit, by the first of these ways in which any does: id, name, beginning of an id."""
    folded = wanted.casefold()

    def is_called(contract: Contract) -> bool:
        names = (contract.product, contract.label, named(contract) or "")
        return folded in (name.casefold() for name in names if name)

    by_id = [one for one in terms if one.contract.id == wanted]
    by_name = [one for one in terms if is_called(one.contract)]
    return by_id or by_name or [one for one in terms if wanted and one.contract.id.startswith(wanted)]


def _described(contract: Contract) -> str:
    return f"{contract.id} ({contract.account}, {contract.label}, from {contract.start_at:%Y-%m-%d})"


# ------------------------------------------------------------------ the document
def usage_document(
    tx: Tx,
    stored: StoredContract,
    question: UsageQuestion,
    *,
    aliases: dict[str, str],
    named: NamedContracts,
    settling: Settling,
    now: datetime,
) -> Document:
    """Return one term's days and totals as known at the newest complete answer (up to `as_of`)."""
    snapshot = tx.usage.newest_snapshot(stored.key, question.as_of)
    if snapshot is None:
        raise _nothing_known(tx, stored, question)
    contract = stored.contract
    names = {**tx.usage.user_names(contract.account), **aliases}
    history = load_history(tx, stored, snapshot, terms=(), names=names, known_at=question.as_of, users=False)
    unit = question.unit or history.unit
    user = find_user(history, question.user) if question.user is not None else None
    if user is None:
        series = _of_contract(history, unit)
    else:
        term = load_user(tx, stored, snapshot, user.id, question.as_of)
        series = _of_user(*user_series(term, unit, history.days - history.term_index))
    first, last = _bounds(history, question)
    return {
        "schema": SCHEMA,
        "at": now.isoformat(),
        "as_of": question.as_of.isoformat() if question.as_of else None,
        "contract": _contract(contract, named),
        "user": {"id": user.id, "name": user.name} if user else None,
        "unit": unit.symbol,
        "data_at": history.fetched_at.isoformat(),
        "snapshot_id": snapshot.id,
        "meaning": history.meaning.value,
        "fresh": history.fresh,
        "from": _day(history, first).isoformat(),
        "to": _day(history, last).isoformat(),
        "totals": _totals(series, first, last),
        "days": [_day_document(history, series, index, settling) for index in range(first, last + 1)],
    }


def _nothing_known(tx: Tx, stored: StoredContract, question: UsageQuestion) -> AlerterError:
    who = stored.contract.label
    if question.as_of is None or not tx.usage.newest_snapshot(stored.key):
        return AlerterError(f"nothing is known of {who} yet: no poll of it was completed; see: alerter status")
    first = tx.usage.snapshots(stored.key, 0)[0].fetched_at
    return UsageError(f"nothing was known of {who} then; the first complete answer is of {first:%Y-%m-%d %H:%M} UTC")


def find_user(history: History, wanted: str) -> LeafUser:
    """Return the user whose id or name is `wanted` or begins with it; raise UsageError that lists them otherwise."""
    folded = wanted.casefold()
    users = history.users
    fitting = (
        [user for user in users if user.id == wanted]
        or [user for user in users if user.name is not None and user.name.casefold() == folded]
        or [
            user
            for user in users
            if wanted and (user.id.startswith(wanted) or (user.name or "").casefold().startswith(folded))
        ]
    )
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise UsageError(f"no user with use in this term is or begins with {wanted!r}")
    listed = "; ".join(f"{user.id} ({user.name})" if user.name else user.id for user in fitting[:LISTED])
    more = f" and {len(fitting) - LISTED} more" if len(fitting) > LISTED else ""
    raise UsageError(f"{len(fitting)} users fit {wanted!r}: {listed}{more}; write more of the id")


def _of_contract(history: History, unit: Unit) -> _Series:
    start, scale = history.term_index, factor(history.unit, unit)
    return _Series(
        history.billed_daily[start:] * scale,
        history.billed_total[start:] * scale,
        history.unique_daily[start:] * scale,
        history.unique_total[start:] * scale,
    )


def _of_user(daily: Floats, total: Floats) -> _Series:
    unknown = np.full(len(daily), np.nan)
    return _Series(daily, total, unknown, unknown)


def _bounds(history: History, question: UsageQuestion) -> tuple[int, int]:
    """Return the first and last day asked for, counted from the term's first; raise UsageError if there is none."""
    start_on, last_on = history.day_at(history.term_index), history.day_at(history.newest_index)
    first = max(question.first_on or start_on, start_on)
    last = min(question.last_on or last_on, last_on)
    if first > last:
        raise UsageError(f"there is no such day in this term; its figures go from {start_on} to {last_on}")
    return (first - start_on).days, (last - start_on).days


def _day(history: History, index: int) -> date:
    return history.day_at(history.term_index + index)


def _day_document(history: History, series: _Series, index: int, settling: Settling) -> Document:
    day = _day(history, index)
    billed, unique = _known(series.billed[index]), _known(series.unique[index])
    return {
        "day": day.isoformat(),
        "state": day_class(day, history.fetched_at, settling).value,
        "billed": billed,
        "unique": unique,
        "overlap": billed - unique if billed is not None and unique is not None else None,
        "billed_total": _known(series.billed_total[index]),
        "unique_total": _known(series.unique_total[index]),
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _totals(series: _Series, first: int, last: int) -> Document:
    """Return what was used from `first` to `last`, both included, and whether no day's figure is missing in it."""
    billed, is_whole = _used(series.billed, series.billed_total, first, last)
    unique, _ = _used(series.unique, series.unique_total, first, last)
    overlap = billed - unique if billed is not None and unique is not None else None
    gaps = int(np.isnan(series.billed[first : last + 1]).sum())
    return {
        "billed": billed,
        "unique": unique,
        "overlap": overlap,
        "overlap_share": overlap / billed if overlap is not None and billed else None,
        "complete": is_whole,
        "gaps": gaps,
    }


def _used(daily: Floats, total: Floats, first: int, last: int) -> tuple[float | None, bool]:
    """Return the use over some days: by the totals at both ends where known (they span gaps), else at least."""
    before = 0.0 if first == 0 else float(total[first - 1])
    if not math.isnan(before) and not math.isnan(total[last]):
        return float(total[last]) - before, True
    known = daily[first : last + 1]
    return (float(np.nansum(known)), False) if not np.isnan(known).all() else (None, False)


def _contract(contract: Contract, named: NamedContracts) -> Document:
    last = contract.end_at.date() if contract.end_at else None
    return {
        "account": contract.account,
        "id": contract.id,
        "name": named(contract),
        "product": contract.product,
        "region": contract.region,
        "label": contract.label,
        "start_on": contract.start_at.date().isoformat(),
        "end_on": last.isoformat() if last else None,
    }
