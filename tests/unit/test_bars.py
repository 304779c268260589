"""Where the bar lies: worked by hand, and never by looking ahead."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.area import HECTARES_PER_ACRE, reaches
from alerter.core.rules.active import active
from alerter.core.rules.bars import BarSettings, LastYear, Series
from alerter.core.rules.methods import METHODS, absolute, ratio, season

NAN = float("nan")
SIGMA_5 = BarSettings(sigma=5)


def series(values, *, settled: int | None = None, floor: float = 0.0, ready: int = 0) -> Series:
    axis = np.array(values, dtype=np.float64)
    last = len(axis) - 1 if settled is None else settled
    return Series(values=axis, settled=last, floors=np.full(len(axis), floor), ready=ready)


def bar_of(values, day: int | None = None, *, method=active, config: BarSettings | None = None, **more):
    judged = len(values) - 1 if day is None else day
    return method(series(values, **more), [judged], config or SIGMA_5)[judged]


def test_steady_use_has_its_bar_at_the_least_spread():
    # mean 100, sd floor 15: 100 + 5 * 15
    bar = bar_of([100.0] * 57)
    assert bar.bar == pytest.approx(175)
    assert (bar.mean, bar.sd, bar.days, bar.active_days, bar.left_out) == (100, 0, 56, 56, 2)
    assert (bar.first, bar.last, bar.factor, bar.lift) == (0, 55, 1, 0)


@pytest.mark.parametrize(("sigma", "bar"), [(6, 190), (5, 175), (4, 160), (1, 150)])
def test_sensitivity_moves_the_bar_but_never_below_one_and_a_half_means(sigma, bar):
    assert bar_of([100.0] * 57, config=BarSettings(sigma=sigma)).bar == pytest.approx(bar)


def test_a_wide_spread_counts_as_it_is():
    # 40 days: 20 of 50 and 20 of 150, the busiest two left out
    values = [50.0, 150.0] * 20 + [0.0]
    usual = sorted(values[:-1])[:-2]
    bar = bar_of(values)
    assert bar.bar == pytest.approx(statistics.fmean(usual) + 5 * statistics.pstdev(usual))
    assert bar.left_out == 2


def test_idle_days_are_not_part_of_what_is_usual():
    bar = bar_of([0.0, 100.0, 100.0] * 28 + [0.0])
    assert (bar.active_days, bar.mean) == (38, 100)
    assert bar.bar == pytest.approx(175)


def test_rare_use_is_judged_by_its_mean_day():
    # use on a quarter of the days: 0.79 * 5 = 3.95 times the mean of the 14 days with use among 56
    bar = bar_of([0.0, 0.0, 0.0, 100.0] * 20 + [0.0])
    assert (bar.active_days, bar.mean) == (14, 100)
    assert bar.bar == pytest.approx(395)
    assert bar.reason.startswith("rare use: 3.95 times")


def test_in_rare_use_one_busy_day_does_not_hide_the_next():
    # the busiest counts as three times the second busiest: (10 + 10 + 10 + 30) / 4
    quiet = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0]
    bar = bar_of([*quiet * 3, *[0.0] * 7, 25.0, 0.0])
    assert bar.bar == pytest.approx(3.95 * (30 + 25) / 4)
    bar = bar_of([*quiet * 3, *[0.0] * 7, 9000.0, 0.0])
    assert bar.mean == pytest.approx((30 + 30) / 4)
    alarmed = bar_of([*quiet * 4, *[0.0] * 7, 9000.0, 0.0])
    assert "1 that alarmed" in alarmed.reason


def test_only_the_last_56_days_count():
    bar = bar_of([900.0] * 20 + [100.0] * 56 + [0.0])
    assert (bar.mean, bar.first, bar.last) == (100, 20, 75)
    bar = bar_of([0.0, 0.0, 0.0, 900.0] * 5 + [0.0, 0.0, 0.0, 100.0] * 14 + [0.0])
    assert (bar.mean, bar.first, bar.last) == (100, 20, 75)


def test_weekdays_are_told_apart_where_they_matter():
    week = [100.0] * 5 + [20.0] * 2
    values = week * 8
    mean = (40 * 100 + 16 * 20) / 56
    workday, weekend = bar_of([*values, 0.0]), bar_of([*values, *week[:5], 0.0])
    assert workday.factor == pytest.approx((8 * 100 + 4 * mean) / 12 / mean)
    assert weekend.factor == pytest.approx(0.52, abs=0.02)
    assert workday.bar > 2 * weekend.bar
    assert "this weekday" in workday.reason
    noise = [100.0, 80.0, 120.0, 90.0, 110.0] * 12
    assert bar_of([*noise, 0.0]).factor == 1


def test_a_rising_fortnight_pulls_the_mean_up():
    # 42 days at 100, 14 at 140; of all 56 the busiest two are left out, of the fortnight its busiest
    bar = bar_of([100.0] * 60 + [140.0] * 14 + [0.0])
    mean = (42 * 100 + 12 * 140) / 54
    assert bar.mean == pytest.approx(mean)
    assert bar.lift == pytest.approx(0.7 * (140 - mean))
    assert "last two weeks" in bar.reason
    assert bar_of([100.0] * 60 + [60.0] * 14 + [0.0]).lift == 0


def test_days_that_are_not_settled_make_no_bar():
    bar = bar_of([100.0] * 30 + [800.0, 800.0, 0.0], settled=29)
    assert (bar.mean, bar.last) == (100, 29)


def test_few_days_with_use_are_judged_by_the_highest_of_the_last_ten():
    values = [500.0] + [10.0] * 3 + [40.0] + [20.0] * 6 + [0.0] * 60
    bar = bar_of(values)
    assert bar.bar == pytest.approx(1.5 * 40)  # the 500 is the eleventh
    assert bar_of([0.0] * 14 + [10.0, 10.0, 10.0, 10.0] + [0.0] * 54 + [0.0]).bar == pytest.approx(15)
    assert "highest" in bar.reason


def test_fewer_than_four_days_with_use_ever_give_no_verdict():
    assert bar_of([5.0, 0.0] + [0.0] * 20 + [5.0, 5.0, 0.0]).bar is None
    assert bar_of([5.0, 5.0] + [0.0] * 20 + [5.0, 5.0, 0.0]).bar == pytest.approx(3.95 * 5)


def test_a_baseline_warms_up_for_14_known_days():
    assert bar_of([10.0] * 14).bar is None
    assert bar_of([10.0] * 14).reason == "baseline 13/14 days"
    assert bar_of([10.0] * 15).bar == pytest.approx(17.5)
    assert bar_of([NAN] * 5 + [10.0] * 14).reason == "baseline 13/14 days"


def test_unknown_days_leave_the_window():
    bar = bar_of([100.0] * 20 + [NAN] * 10 + [100.0] * 20 + [0.0])
    assert (bar.days, bar.active_days, bar.mean) == (40, 40, 100)


def test_a_day_that_alarmed_stays_out_of_the_baseline():
    quiet = [100.0] * 56
    bar = bar_of([*quiet, 1000.0, 100.0, 0.0])
    assert (bar.mean, bar.left_out) == (100, 3)
    assert bar.bar == pytest.approx(175)


def test_three_alarms_in_seven_days_are_the_new_level():
    jumped = [100.0] * 56 + [400.0, 400.0]
    assert bar_of([*jumped, 0.0]).left_out == 2 + 2
    bar = bar_of([*jumped, 400.0, 0.0])
    assert bar.left_out == 2  # the busiest two of 56; the third is part of the level
    assert bar.mean == pytest.approx((53 * 100 + 400) / 54)
    assert "new level" in bar.reason
    apart = [100.0] * 56 + [400.0, *[100.0] * 3, 400.0, *[100.0] * 3, 400.0]
    assert "new level" not in bar_of([*apart, 0.0]).reason


def test_days_below_the_minimum_volume_never_alarm_and_stay_in():
    values = [100.0] * 56 + [1000.0, 0.0]
    assert bar_of(values, floor=2000.0).left_out == 2
    assert bar_of(values, floor=1000.0).left_out == 3


def test_before_it_is_ready_nothing_alarms():
    values = [100.0] * 56 + [1000.0, 0.0]
    assert bar_of(values, ready=57).left_out == 2


def test_the_ratio_bar_is_a_multiple_of_the_median_and_a_minimum_excess():
    values = [0.0, 100.0, 200.0] * 10 + [0.0]
    config = BarSettings(ratio=3)
    assert bar_of(values, method=ratio, config=config).bar == pytest.approx(300)
    assert bar_of(values, method=ratio, config=config, floor=500.0).bar == pytest.approx(600)
    assert bar_of([0.0] * 30, method=ratio, config=config).bar is None
    assert bar_of([1.0] * 14, method=ratio, config=config).reason == "baseline 13/14 days"


def test_the_absolute_bar_is_what_the_config_says_from_the_first_day():
    bar = bar_of([5.0], method=absolute, config=BarSettings(at_least=700))
    assert (bar.bar, bar.method) == (700, "absolute")
    assert bar_of([5.0], method=absolute).bar is None


def test_auto_says_what_it_picked():
    bar = bar_of([100.0] * 57, method=METHODS["auto"])
    assert bar.method == "active"
    assert bar.reason.startswith("auto: no previous term is stored, so days with use")


# ------------------------------------------------------------------ season
def seasonal(values, before, *, method=season, settled=None, term: int | None = None):
    """Judge the last day of a term whose first day follows on the last of `before`."""
    axis = np.array(values, dtype=np.float64)
    year = LastYear(
        values=np.concatenate((np.array(before, dtype=np.float64), axis)), offset=len(before), term=len(before)
    )
    last = len(axis) - 1
    one = Series(values=axis, settled=last if settled is None else settled, floors=np.zeros(len(axis)), last_year=year)
    return method(one, [last], BarSettings())[last]


PLANTING = [0.0] * 90 + [1000.0] * 20 + [10.0] * 255  # a term's days: nothing, planting, then little


def test_the_season_bar_is_last_years_largest_day_scaled_by_growth():
    # on day 95 of a term exactly like the last: growth 1, largest 1000
    bar = seasonal(PLANTING[:96], PLANTING)
    assert bar.bar == pytest.approx(1250)
    assert bar.season == {"largest": 1000, "largest_at": 90 - 365, "growth": 1, "days": 57}
    # twice the use so far (5 days of 2000 against 5 of 1000); 15 % of 22,550 steadies both
    steady = 0.15 * sum(PLANTING)
    double = seasonal([2 * value for value in PLANTING[:96]], PLANTING)
    assert double.bar == pytest.approx(1250 * (10_000 + steady) / (5_000 + steady))


def test_planting_alarms_the_active_bar_and_not_the_season_bar():
    days = [5.0] * 90 + [1000.0]
    assert bar_of(days).bar == pytest.approx(8.75)
    assert seasonal(days, [5.0] * 90 + [1000.0] * 20 + [5.0] * 255).bar > 1000


def test_growth_is_clipped_to_a_third_and_three():
    assert seasonal([100 * value for value in PLANTING[:96]], PLANTING).season["growth"] == 3
    assert seasonal([0.0] * 300, PLANTING[:299] + [9e9] * 66).season["growth"] == pytest.approx(1, rel=0.7)


def test_a_season_needs_four_fifths_of_the_same_days():
    holes = list(PLANTING)
    holes[70:83] = [NAN] * 13
    bar = seasonal(PLANTING[:96], holes)
    assert bar.bar is None
    assert bar.reason == "44 of 57 days around the same day of the previous term are stored"
    holes[70:73] = [0.0] * 3
    assert seasonal(PLANTING[:96], holes).bar is not None
    assert seasonal(PLANTING[:96], PLANTING[200:]).bar is None


def test_auto_takes_the_season_where_it_is_stored_and_says_so():
    bar = seasonal(PLANTING[:96], PLANTING, method=METHODS["auto"])
    assert (bar.method, bar.bar) == ("season", pytest.approx(1250))
    assert bar.reason.startswith("auto: 1.25 times the largest day")
    idle = seasonal([10.0] * 30, [0.0] * 365, method=METHODS["auto"])
    assert idle.method == "active"
    assert "nothing was used around the same day" in idle.reason


def test_the_terms_first_days_are_judged_by_the_weeks_after_the_same_day():
    bar = seasonal([5.0], [1000.0] * 40 + [0.0] * 325)
    assert bar.season["days"] == 29


# ------------------------------------------------------------------ properties
days = st.one_of(st.just(0.0), st.just(NAN), st.floats(1, 200), st.floats(500, 5000))
axes = st.lists(days, min_size=20, max_size=110)


def plain(values: list[float], day: int, settled: int, sigma: float = 5.0) -> float | None:  # noqa: C901 - it is one definition, written out
    """The active bar from its definition, without any bookkeeping."""
    out: set[int] = set()
    alarms: list[int] = []
    counted = list(values)

    def weekdays(kept: list[int]) -> dict[int, float]:
        edge = sorted(values[index] for index in kept)[-max(1, int(0.05 * len(kept))) - 1]
        clipped = {index: min(values[index], edge) for index in kept}
        mean = statistics.fmean(clipped.values())
        means = {}
        for weekday in range(7):
            own = [value for index, value in clipped.items() if index % 7 == weekday]
            means[weekday] = (sum(own) + 4 * mean) / (len(own) + 4)
        left = sum((value - means[index % 7]) ** 2 for index, value in clipped.items())
        there = sum((value - mean) ** 2 for value in clipped.values())
        matter = len(kept) >= 14 and there > 0 and left <= 0.6 * there
        return {weekday: means[weekday] / mean if matter else 1.0 for weekday in range(7)}

    def regular(wanted: int, last: int, used: list[int]) -> float:
        window = [index for index in used if index > last - 56]
        kept = [index for index in window if index not in out]
        kept = kept if len(kept) >= 7 else window
        factor = weekdays(kept)
        even = {index: values[index] / factor[index % 7] for index in kept}
        usual = sorted(even.values())[: len(kept) - max(1, int(0.05 * len(kept)))]
        mean, sd = statistics.fmean(usual), statistics.pstdev(usual)
        recent = sorted(value for index, value in even.items() if index > last - 14)
        if len(recent) >= 4:
            mean += max(0.0, 0.7 * (statistics.fmean(recent[:-1]) - mean))
        return factor[wanted % 7] * max(mean + sigma * max(sd, 0.15 * mean), 1.5 * mean)

    def bar(wanted: int, last: int) -> float | None:
        if sum(not math.isnan(value) for value in values[: last + 1]) < 14:
            return None
        used = [index for index in range(last + 1) if values[index] > 0]
        window = [index for index in used if index > last - 56]
        known = sum(not math.isnan(value) for value in values[max(0, last - 55) : last + 1])
        if len(used) < 4:
            return None
        if len(window) < 3:
            return 1.5 * max(counted[index] for index in used[-10:])
        if len(window) >= max(4, 0.65 * known):
            return regular(wanted, last, used)
        few = sorted(counted[index] for index in window)
        few[-1] = min(few[-1], 3 * few[-2])
        return max(1.5, 0.79 * sigma) * statistics.fmean(few)

    for index in range(min(day - 1, settled) + 1):
        at = bar(index, index - 1)
        if at is not None and values[index] > 0 and reaches(values[index], at):
            counted[index] = min(values[index], 1.6 * at)
            alarms.append(index)
            out.add(index)
            recent = {alarm for alarm in alarms if alarm > index - 7}
            if len(recent) >= 3:
                out -= recent
    return bar(day, min(day - 1, settled))


@settings(max_examples=60, deadline=None)
@given(axes, st.integers(0, 6), st.data())
def test_the_fold_equals_its_definition(values, lag, data):
    judged = data.draw(st.lists(st.integers(1, len(values) - 1), min_size=1, max_size=9, unique=True))
    settled = len(values) - 1 - lag
    bars = active(series(values, settled=settled), judged, SIGMA_5)
    for day in judged:
        want = plain(values, day, settled)
        assert bars[day].bar == (None if want is None else pytest.approx(want, rel=1e-12))


@settings(max_examples=60, deadline=None)
@given(axes, st.lists(days, max_size=20), st.data(), st.sampled_from(sorted(METHODS)))
def test_no_bar_looks_at_its_own_day_or_later(values, later, data, method):
    day = data.draw(st.integers(1, len(values) - 1))
    short, long = series([*values[:day], 7.0]), series([*values[:day], 9e9, *later])
    config = BarSettings(at_least=5.0)
    assert METHODS[method](short, [day], config)[day].bar == METHODS[method](long, [day], config)[day].bar


@settings(max_examples=60, deadline=None)
@given(axes)
def test_no_bar_depends_on_the_unit(values):
    judged = range(1, len(values))
    acres = active(series(values), judged, BarSettings())
    hectares = active(series([value * HECTARES_PER_ACRE for value in values]), judged, BarSettings())
    for day in judged:
        one, other = acres[day].bar, hectares[day].bar
        assert (one is None) == (other is None)
        if one is not None:
            assert other == pytest.approx(one * HECTARES_PER_ACRE, rel=1e-12)
