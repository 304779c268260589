"""Where the bar lies: worked by hand, and never by looking ahead."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.area import HECTARES_PER_ACRE, reaches
from alerter.core.rules.bars import METHODS, BarSettings, Series, absolute, active, ratio

NAN = float("nan")


def series(values, *, settled: int | None = None, floor: float = 0.0, ready: int = 0) -> Series:
    axis = np.array(values, dtype=np.float64)
    last = len(axis) - 1 if settled is None else settled
    return Series(values=axis, settled=last, floors=np.full(len(axis), floor), ready=ready)


def bar_of(values, day: int | None = None, *, method=active, config: BarSettings | None = None, **more):
    judged = len(values) - 1 if day is None else day
    return method(series(values, **more), [judged], config or BarSettings())[judged]


def test_steady_use_has_its_bar_at_the_least_spread():
    # mean 100, sd floor 15: 100 + 5 * 15
    bar = bar_of([100.0] * 57)
    assert bar.bar == pytest.approx(175)
    assert (bar.mean, bar.sd, bar.days, bar.active_days, bar.left_out) == (100, 0, 56, 56, 2)
    assert (bar.first, bar.last) == (0, 55)


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
    bar = bar_of([0.0, 0.0, 0.0, 100.0] * 14 + [0.0])
    assert (bar.active_days, bar.mean) == (14, 100)
    assert bar.bar == pytest.approx(175)


def test_only_the_last_56_days_count():
    bar = bar_of([900.0] * 20 + [100.0] * 56 + [0.0])
    assert (bar.mean, bar.first, bar.last) == (100, 20, 75)


def test_days_that_are_not_settled_make_no_bar():
    bar = bar_of([100.0] * 30 + [800.0, 800.0, 0.0], settled=29)
    assert (bar.mean, bar.last) == (100, 29)


def test_few_days_with_use_are_judged_by_the_highest_of_the_last_ten():
    values = [500.0] + [10.0] * 3 + [40.0] + [20.0] * 6 + [0.0] * 60
    bar = bar_of(values)
    assert bar.bar == pytest.approx(1.5 * 40)  # the 500 is the eleventh
    assert "highest" in bar.reason


def test_fewer_than_four_days_with_use_ever_give_no_verdict():
    assert bar_of([5.0, 0.0] + [0.0] * 20 + [5.0, 5.0, 0.0]).bar is None
    assert bar_of([5.0, 5.0] + [0.0] * 20 + [5.0, 5.0, 0.0]).bar == pytest.approx(8.75)


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
    assert bar.reason.startswith("auto: days with use")


# ------------------------------------------------------------------ properties
days = st.one_of(st.just(0.0), st.just(NAN), st.floats(1, 200), st.floats(500, 5000))
axes = st.lists(days, min_size=20, max_size=110)


def plain(values: list[float], day: int, settled: int, sigma: float = 5.0) -> float | None:
    """The active bar from its definition, without any bookkeeping."""
    out: set[int] = set()
    alarms: list[int] = []

    def bar(last: int) -> float | None:
        if sum(not math.isnan(value) for value in values[: last + 1]) < 14:
            return None
        used = [index for index in range(last + 1) if values[index] > 0]
        window = sorted(values[index] for index in used if index > last - 56 and index not in out)
        if len(used) < 4:
            return None
        if len(window) < 4:
            return 1.5 * max(values[index] for index in used[-10:])
        kept = window[: len(window) - max(1, int(0.05 * len(window)))]
        mean = statistics.fmean(kept)
        return max(mean + sigma * max(statistics.pstdev(kept), 0.15 * mean), 1.5 * mean)

    for index in range(min(day - 1, settled) + 1):
        at = bar(index - 1)
        if at is not None and values[index] > 0 and reaches(values[index], at):
            alarms.append(index)
            out.add(index)
            recent = {alarm for alarm in alarms if alarm > index - 7}
            if len(recent) >= 3:
                out -= recent
    return bar(min(day - 1, settled))


@settings(max_examples=60, deadline=None)
@given(axes, st.integers(0, 6), st.data())
def test_the_fold_equals_its_definition(values, lag, data):
    judged = data.draw(st.lists(st.integers(1, len(values) - 1), min_size=1, max_size=9, unique=True))
    settled = len(values) - 1 - lag
    bars = active(series(values, settled=settled), judged, BarSettings())
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
