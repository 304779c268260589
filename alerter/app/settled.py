"""What was judged and moved nothing: the same figures in the same circumstances are not judged again.

Kept in memory, per contract, only after the cycle that judged has committed.  Judging is a function of what is compared
here and of the alerts' states; where it moved no alert and none is under way, judging again would move none either.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time

import numpy as np

from alerter.core.model import History, Settling
from alerter.store import SnapshotRow, StoredContract, Tx


@dataclass(frozen=True, slots=True)
class Judged:
    """The circumstances of one judgement, and its history without the users."""

    settings: object  # the very object: a reload makes another one
    circumstances: Hashable
    history: History


@dataclass(slots=True)
class Memory:
    """What one process remembers; every entry is replaced whole, so threads need no lock."""

    _judged: dict[int, Judged] = field(default_factory=dict)

    def history(self, key: int, settings: object, circumstances: Hashable, snapshot: SnapshotRow) -> History | None:
        """Return the history (without users) for a snapshot that says what was judged already, else None."""
        known = self._judged.get(key)
        if known is None or known.settings is not settings or known.circumstances != circumstances:
            return None
        return replace(known.history, snapshot_id=snapshot.id, fetched_at=snapshot.fetched_at)

    def keep(self, judged: dict[int, Judged]) -> None:
        """Take over what a committed cycle judged."""
        self._judged |= judged


def circumstances(
    tx: Tx, terms: Sequence[StoredContract], snapshot: SnapshotRow, *, settling: Settling, more: Hashable
) -> Hashable:
    """Return what a judgement at `snapshot` follows from but for settings and alerts; `terms` are those it reads."""
    said = tuple((one.contract, tx.usage.newest_said(one.key, snapshot.id)) for one in terms)
    return said, more, _calendar(snapshot.fetched_at, settling)


def without_users(history: History) -> History:
    """Return what the rules that only watch the clock look at: a few hundred figures, however many users there are."""
    width = history.window
    return replace(
        history,
        users=(),
        user_first_on=np.zeros(0, dtype=np.int64),
        user_total=np.zeros(0),
        user_daily=np.zeros((0, width)),
    )


def _calendar(at: datetime, settling: Settling) -> Hashable:
    """Return what changes when a day begins, settles or becomes final: no day changes its class in between."""
    marks = (at, at - settling.settle, at - settling.revise)
    # A day is final only after its instant, not on it.
    return tuple(mark.date() for mark in marks), marks[2].time() == time(0)
