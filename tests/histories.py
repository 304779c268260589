"""Histories written by hand, for the tests of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from alerter.core.area import HECTARES_PER_ACRE, Unit
from alerter.core.model import Contract, History, LeafUser, SummaryMeaning

TODAY = date(2026, 7, 1)


def at(day: date, hour: float = 12) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(hours=hour)


def contract(
    start_on: date = date(2026, 1, 1), end_on: date | None = date(2027, 1, 1), product: str = "OPERATIONS_FILE"
) -> Contract:
    return Contract(
        account="prod",
        id="c1",
        product=product,
        region="US",
        start_at=at(start_on, 0),
        end_at=None if end_on is None else at(end_on, 0),
    )


def history(
    daily: Sequence[float],
    *,
    users: Mapping[str, Sequence[float]] | None = None,
    names: Mapping[str, str] | None = None,
    unique: Sequence[float] | None = None,
    of: Contract | None = None,
    today: date = TODAY,
    hour: float = 12,
    fresh: bool = True,
    term_index: int = 0,
    meaning: SummaryMeaning = SummaryMeaning.CUMULATIVE,
    snapshot_id: int = 1,
    in_hectares: bool = False,
) -> History:
    """Daily areas in acres that end today; users' last days likewise; totals begin at `term_index`."""
    scale = HECTARES_PER_ACRE if in_hectares else 1.0
    billed = np.array(daily, dtype=np.float64) * scale
    overlapped = billed if unique is None else np.array(unique, dtype=np.float64) * scale
    by_user = {user: np.array(areas, dtype=np.float64) * scale for user, areas in sorted((users or {}).items())}
    width = max((len(areas) for areas in by_user.values()), default=0)
    user_daily = np.array([*by_user.values()]).reshape(len(by_user), width)
    first_on = today - timedelta(days=len(billed) - 1)
    window_on = today - timedelta(days=width - 1)
    uses = [np.flatnonzero(areas > 0) for areas in by_user.values()]
    started = of or contract(start_on=first_on + timedelta(days=term_index))
    return History(
        contract=started,
        snapshot_id=snapshot_id,
        fetched_at=at(today, hour),
        fresh=fresh,
        unit=Unit.HECTARE if in_hectares else Unit.ACRE,
        meaning=meaning,
        today=today,
        first_on=first_on,
        term_index=term_index,
        billed_daily=billed,
        billed_total=_totals(billed, term_index),
        unique_daily=overlapped,
        unique_total=_totals(overlapped, term_index),
        users=tuple(LeafUser(id=user, name=(names or {}).get(user)) for user in by_user),
        user_first_on=np.array([window_on.toordinal() + int(use[0]) if len(use) else 0 for use in uses], np.int64),
        user_total=np.array([np.nansum(areas) for areas in by_user.values()], np.float64),
        user_daily=user_daily,
    )


def _totals(daily: np.ndarray, term_index: int) -> np.ndarray:
    totals = np.concatenate((np.nancumsum(daily[:term_index]), np.nancumsum(daily[term_index:])))
    return np.where(np.isnan(daily), np.nan, totals)
