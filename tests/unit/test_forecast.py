"""What a term's use will come to: worked by hand, and what must hold for any series."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.area import HECTARES_PER_ACRE
from alerter.core.forecast import LEAST, Forecast, forecast
from alerter.core.scoring import detect, forecast_term

NOTHING = np.zeros(0)


def of(daily, before=NOTHING, *, term_days: int = 365, cap: float | None = None) -> Forecast:
    return forecast(np.array(daily, float), np.array(before, float), term_days=term_days, cap=cap)


def test_steady_use_goes_on_and_has_the_narrowest_interval():
    # spread 0.05 of four sums: 0.05 * (1 + 2 / 4); 245 days left
    found = of([10.0] * 120)
    spread = 0.05 * 1.5
    variance = 0.31 * (1.6 * spread) ** 2 + 0.5 * spread**2 * 28 / 245 + LEAST**2
    assert found.total == pytest.approx(1200 + 2450 * math.exp(-0.25 * variance))
    assert found.p10 == pytest.approx(1200 + 2450 * math.exp(-1.2816 * math.sqrt(variance)))
    assert found.p90 == pytest.approx(1200 + 2450 * math.exp(1.2816 * math.sqrt(variance)))
    assert (found.exhaust_day, found.p_exhausted, found.with_last_term) == (None, None, False)


def test_the_cap_is_reached_on_the_day_that_brings_the_use_to_it():
    assert of([10.0] * 120, cap=2000).exhaust_day == 199  # the 200th day
    assert of([10.0] * 120, cap=1000).exhaust_day == 99
    assert of([10.0] * 120, cap=4000).exhaust_day == 399  # beyond the term
    assert of([0.0] * 120, cap=4000).exhaust_day is None


def test_the_probability_is_one_half_where_the_likely_total_is_the_cap():
    assert of([10.0] * 120, cap=3650).p_exhausted == pytest.approx(0.5, abs=0.02)
    assert of([10.0] * 120, cap=1200).p_exhausted == 1
    assert of([0.0] * 120, cap=1).p_exhausted == 0


def test_last_terms_shape_is_a_third_of_the_forecast():
    # last term: 100 a day in its first half, nothing later; this term the same so far
    before = [100.0] * 182 + [0.0] * 183
    found = of([100.0] * 182, before)
    flat = of([100.0] * 182)
    assert found.with_last_term
    assert found.total < flat.total


def test_a_year_that_lacks_a_few_days_still_counts_and_half_a_year_does_not():
    assert of([1.0] * 50, [1.0] * 361).with_last_term
    assert not of([1.0] * 50, [1.0] * 359).with_last_term


def test_nothing_left_is_what_was_used():
    found = of([2.0] * 365, cap=1000)
    assert found.total == found.p10 == found.p90 == 730
    assert found.p_exhausted == 0


areas = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(areas, st.sampled_from([0, 100, 365]), st.floats(1, 1e8))
def test_the_parts_fit_together(daily, years, cap):
    before = [daily[n % len(daily)] for n in range(years)]
    found = of(daily, before, cap=cap)
    assert found.used <= found.p10 <= found.total + 1e-6 * found.total
    assert found.total <= found.p90 * (1 + 1e-12)
    assert 0 <= found.p_exhausted <= 1
    more = of(daily, before, cap=2 * cap)
    assert more.p_exhausted <= found.p_exhausted
    assert more.exhaust_day is None or found.exhaust_day <= more.exhaust_day


@settings(max_examples=40, deadline=None)
@given(areas, st.floats(1, 1e8))
def test_the_unit_does_not_matter(daily, cap):
    one = of(daily, cap=cap)
    other = of([value * HECTARES_PER_ACRE for value in daily], cap=cap * HECTARES_PER_ACRE)
    assert other.total == pytest.approx(one.total * HECTARES_PER_ACRE, rel=1e-9)
    assert other.p_exhausted == pytest.approx(one.p_exhausted, abs=1e-9)


def test_scoring_forecasts_the_term_that_it_is_told_of():
    history = [1.0] * 365 + [10.0] * 120
    found = forecast_term(history, term_start=365, term_days=365, cap=3650)
    plain = of([10.0] * 120, [1.0] * 365, cap=3650)
    assert found == {"total": plain.total, "p10": plain.p10, "p90": plain.p90, "exhaust_day": plain.exhaust_day,
                     "p_exhaust": plain.p_exhausted}  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, 50.0]), min_size=30, max_size=120), st.data())
def test_scored_alarms_follow_from_the_values_before_alone(values, data):
    cut = data.draw(st.integers(1, len(values)))
    assert detect(values[:cut]) == [day for day in detect(values) if day < cut]
