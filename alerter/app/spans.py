"""Ask for a range in the widest form that the server takes: what a range's ends may be is nowhere documented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from alerter.core.answers import RangeAnswer
from alerter.errors import LeafRejected

Span = tuple[date, date]
ONE_DAY = timedelta(days=1)


def spans(start_on: date, last_on: date, revise: timedelta) -> tuple[Span, ...]:
    """Return the ranges worth asking for, widest first, for the days `start_on` to `last_on`, both wanted.

    A day more at both ends, for it is open whether the ends belong to a range; exactly these days, for a server may
    refuse days before the term or after today; and the revision window alone, for ranges may be limited in length.
    """
    recent = max(start_on, last_on - revise)
    wanted = (
        (start_on - ONE_DAY, last_on + ONE_DAY),
        (start_on, last_on),
        (recent, last_on + ONE_DAY),
        (recent, last_on),
    )
    return tuple(dict.fromkeys(wanted))


def first_accepted(fetch: Callable[[date, date], RangeAnswer], wanted: Sequence[Span]) -> tuple[RangeAnswer, int]:
    """Return the first answer that is no refusal of the request, and which span it was; raise the last refusal."""
    for index, (first, last) in enumerate(wanted[:-1]):
        try:
            return fetch(first, last), index
        except LeafRejected:
            continue
    return fetch(*wanted[-1]), len(wanted) - 1
