"""Units convert exactly and change no verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.area import Area, Unit, factor, parse_area, parse_unit, reaches

amounts = st.floats(1e-6, 1e12)


def test_an_acre_is_exactly_the_international_one():
    assert Area(1, Unit.ACRE).to(Unit.HECTARE).value == 0.40468564224
    assert factor(Unit.ACRE, Unit.ACRE) == 1


@given(amounts, amounts)
def test_no_verdict_depends_on_the_unit(value, bar):
    by = factor(Unit.ACRE, Unit.HECTARE)
    apart = abs(value - bar) / max(value, bar)
    if not 0.9e-9 < apart < 1.1e-9:  # on the tolerance itself rounding may decide
        assert reaches(value, bar) == reaches(value * by, bar * by)


@given(amounts)
def test_a_round_trip_through_the_other_unit_reaches_itself(value):
    there = Area(value, Unit.ACRE).to(Unit.HECTARE).to(Unit.ACRE).value
    assert reaches(there, value)
    assert reaches(value, there)


def test_mixed_units_add_and_subtract():
    whole = Area(1, Unit.ACRE) + Area(0.40468564224, Unit.HECTARE)
    assert whole.value == pytest.approx(2)
    assert (whole - Area(1, Unit.ACRE)).value == pytest.approx(1)
    assert Area(1, Unit.ACRE).share_of(Area(0.40468564224, Unit.HECTARE)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("800000 acre", 800000, Unit.ACRE),
        ("5,000 ac", 5000, Unit.ACRE),
        ("320.5ha", 320.5, Unit.HECTARE),
        ("1e3 Hectares", 1000, Unit.HECTARE),
        ("1_000 ACRES", 1000, Unit.ACRE),
    ],
)
def test_areas_are_read_as_people_write_them(text, value, unit):
    assert parse_area(text) == Area(value, unit)


@pytest.mark.parametrize("text", ["", "5000", "acre", "-5 acre", "5 miles", "1e999 acre", "5 acre ha"])
def test_a_text_that_is_no_area_is_refused(text):
    with pytest.raises(ValueError, match=r"area|unit"):
        parse_area(text)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unknown unit"):
        parse_unit("rood")
