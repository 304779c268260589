"""The methods of `daily_spike` by name: one small function each, from a series and the judged days to bars."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from alerter.core.rules.active import active
from alerter.core.rules.bars import WARM_UP, Bar, BarMethod, BarSettings, Series
from alerter.core.rules.season import season_bar

RATIO_WINDOW = 28


def absolute(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Return the configured area as every day's bar; what is usual is told beside it."""
    reason = "the configured area" if settings.at_least is not None else "a share of the cap, and no cap is known"
    return {
        day: replace(bar, bar=settings.at_least, method="absolute", reason=reason)
        for day, bar in active(series, judged, settings).items()
    }


def ratio(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Return `ratio` times the median of the last 28 settled days, idle ones included, and a minimum excess."""
    bars = {}
    for day, usual in active(series, judged, settings).items():
        first = max(0, usual.last - RATIO_WINDOW + 1)
        window = series.values[first : usual.last + 1]
        window = window[np.isfinite(window)]
        bar = replace(usual, method="ratio", first=first, days=len(window), left_out=0)
        if len(window) < WARM_UP:
            bars[day] = replace(bar, bar=None, reason=f"baseline {len(window)}/{WARM_UP} days")
            continue
        median = statistics.median(window.tolist())
        # The minimum volume is here the least excess over the median.
        at = max(settings.ratio * median, median + float(series.floors[day]))
        reason = f"{settings.ratio:g} times the median of {RATIO_WINDOW} settled days"
        bars[day] = replace(bar, bar=at if 0 < at < math.inf else None, reason=reason)
    return bars


def season(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Return the bars by the same weeks of the previous term; no verdict where too few of them are stored."""
    return {day: season_bar(series, day, usual) for day, usual in active(series, judged, settings).items()}


def auto(series: Series, judged: Sequence[int], settings: BarSettings) -> dict[int, Bar]:
    """Pick for each day: `season` where the same weeks of the previous term are stored, else `active`; say why."""
    bars = {}
    for day, usual in active(series, judged, settings).items():
        seasonal = season_bar(series, day, usual)
        if seasonal.bar is None:
            bars[day] = replace(usual, reason=f"auto: {seasonal.reason}, so {usual.reason}")
        else:
            bars[day] = replace(seasonal, reason=f"auto: {seasonal.reason}")
    return bars


METHODS: Mapping[str, BarMethod] = MappingProxyType(
    {"auto": auto, "active": active, "season": season, "absolute": absolute, "ratio": ratio}
)
