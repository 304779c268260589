"""What a term's use will come to: a mix of last term's shape and of recent rates, with an interval.

Area counts once per user and term, so cumulative use flattens: no straight line is drawn.  What is left of the term is
taken as log-normal: its logarithm has a spread that grows with how uneven the 28-day sums were and with what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

YEAR = 365
LEAST_PRIOR = 360  # days before the term that make a previous year
SMOOTHED = 14  # days on both sides that smooth last term's shape
STEADY_DAYS = 91  # of last term's mean, added to both sums of the growth
MOST_GROWTH = 3.0
HALF_LIFE = 45  # days, of the decaying rate
PULL = 0.75  # of the recent rates towards the rate of all known days, times the share of a year that is left

MONTH, MONTHS = 28, 13
SPREAD, LEAST_SPREAD, MOST_SPREAD = 0.6, 0.05, 1.6  # of the 28-day sums; the first where there are fewer than two
FEW_SUMS = 2.0  # the spread of few sums is itself uncertain: this over their number is added
DRIFT, DRIFT_SHARE, NOISE_SHARE, LEAST = 1.6, 0.31, 0.5, 0.04
DOWN, DOWN_ODDS = 0.25, 0.10  # times the variance: the likely rest lies below the mean rest
TEN_PERCENT = 1.2816  # standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A whole term's use: the likely total, what it will exceed in 90 and in 10 of 100 cases, and the cap's fate.

    `exhaust_day` is the 0-based day of the term on which the cap is reached, possibly beyond its end, None for never;
    `p_exhausted` the probability that it is reached within the term; both None without a cap.
    """

    used: float
    total: float
    p10: float
    p90: float
    exhaust_day: int | None
    p_exhausted: float | None
    with_last_term: bool


def forecast(daily: Floats, before: Floats, *, term_days: int, cap: float | None) -> Forecast:
    """Forecast a term of `term_days` from its known days and the days before it; both hold no NaN, `daily` a day."""
    prior = _prior(before)
    left = max(0, term_days - len(daily))
    used = float(daily.sum())
    path = _path(daily, prior, left)
    rest = float(path.sum())
    known = daily if prior is None else np.concatenate((prior, daily))
    spread = _spread(known)
    drift, noise = (DRIFT * spread) ** 2, NOISE_SHARE * spread**2 * MONTH / max(left, 1)
    variance = DRIFT_SHARE * drift + noise + LEAST**2
    width = TEN_PERCENT * math.sqrt(variance)
    # Whether it lasts is asked of what is left: the less of the term, the less it can still drift.
    odds = left / term_days * drift + noise + LEAST**2
    return Forecast(
        used=used,
        total=used + rest * math.exp(-min(1.0, DOWN * variance)),
        p10=used + rest * math.exp(-width),
        p90=used + rest * math.exp(width),
        exhaust_day=None if cap is None else _crossing(daily, path, cap, term_days),
        p_exhausted=None if cap is None else _odds(used, rest, cap, odds),
        with_last_term=prior is not None,
    )


def _prior(before: Floats) -> Floats | None:
    """Return the year before the term, None where it is not known; a few missing days repeat its first ones."""
    prior = before[-YEAR:]
    if len(prior) < LEAST_PRIOR:
        return None
    return np.concatenate((prior[: YEAR - len(prior)], prior))


def _path(daily: Floats, prior: Floats | None, left: int) -> Floats:
    """Return the mean use of each day that is left."""
    known = daily if prior is None else np.concatenate((prior, daily))
    rates = (float(daily.mean()), float(known[-28:].mean()), float(known[-90:].mean()))
    ages = np.arange(len(known) - 1, -1, -1)
    weights = 0.5 ** (ages / HALF_LIFE)
    recent = (sorted(rates)[1] + float(known @ weights / weights.sum())) / 2
    pull = PULL * min(1.0, left / YEAR)
    flat = (1 - pull) * recent + pull * float(known.mean())
    if prior is None:
        return np.full(left, flat)
    days = np.arange(len(daily), len(daily) + left) % YEAR
    return (_shape(prior)[days] * _growth(daily, prior) + 2 * flat) / 3


def _shape(prior: Floats) -> Floats:
    """Return last term's days, each the mean of the 29 around it; the year's ends meet."""
    sums = np.concatenate(([0.0], np.cumsum(np.concatenate((prior[-SMOOTHED:], prior, prior[:SMOOTHED])))))
    width = 2 * SMOOTHED + 1
    smooth: Floats = (sums[width:] - sums[:-width]) / width
    return smooth


def _growth(daily: Floats, prior: Floats) -> float:
    steady = STEADY_DAYS * float(prior.mean())
    if steady <= 0:
        return 1.0
    growth = (float(daily.sum()) + steady) / (float(prior[: len(daily)].sum()) + steady)
    return min(MOST_GROWTH, max(1 / MOST_GROWTH, growth))


def _spread(known: Floats) -> float:
    """Return how uneven the 28-day sums are: their relative spread, widened where there are few of them."""
    count = min(MONTHS, len(known) // MONTH)
    spread = SPREAD
    if count >= 2:
        sums = known[-MONTH * count :].reshape(count, MONTH).sum(axis=1)
        mean = float(sums.mean())
        spread = float(sums.std()) / mean if mean > 0 else MOST_SPREAD
    return min(MOST_SPREAD, max(LEAST_SPREAD, spread)) * (1 + FEW_SUMS / max(1, count))


def _crossing(daily: Floats, path: Floats, cap: float, term_days: int) -> int | None:
    """Return the day on which the cap is reached; beyond the term at the mean rate of what was left."""
    reached = np.cumsum(np.concatenate((daily, path)))
    within = np.flatnonzero(reached >= cap)
    if len(within):
        return int(within[0])
    rate = float(path.mean()) if len(path) else 0.0
    return None if rate <= 0 else int(min(term_days - 1 + (cap - float(reached[-1])) / rate, 10 * YEAR))


def _odds(used: float, rest: float, cap: float, variance: float) -> float:
    """Return the probability that the rest brings the use to the cap."""
    if used >= cap:
        return 1.0
    if rest <= 0:
        return 0.0
    likely = rest * math.exp(-min(1.0, DOWN_ODDS * variance))
    return 0.5 * math.erfc(math.log((cap - used) / likely) / math.sqrt(2 * variance))
