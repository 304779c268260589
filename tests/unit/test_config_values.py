"""Durations, percents, areas and words mean what people mean by them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from alerter.config import addresses, values
from alerter.core.area import Area, Unit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15m", 900),
        ("2d", 172800),
        ("1h30m", 5400),
        ("90s", 90),
        ("1w", 604800),
        ("1.5h", 5400),
        ("0s", 0),
        (" 1 H ", 3600),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert values.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "m", "1m1h", "-1h", "1.2.3h", "1y", "1h 30", "h1", "1e3s", "٣m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="duration"):
        values.parse_duration(text)


@given(st.integers(0, 10_000_000))
def test_a_duration_written_and_read_is_the_same(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert values.parse_duration(values.duration_text(duration)) == duration


@pytest.mark.parametrize(
    ("text", "points"), [("50%", 50), ("50 %", 50), ("50", 50), (50, 50), ("12.5%", 12.5), ("1e2", 100)]
)
def test_percents_are_read_as_points(text: object, points: float) -> None:
    assert values.parse_percent(text) == points


@pytest.mark.parametrize("text", ["", "%", "half", "-5%", "0", "1e999", "nan", "50%%", "1,5%"])
def test_what_is_no_percent_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        values.parse_percent(text)


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("800000 acre", Area(800000, Unit.ACRE)), ("5,000 ac", Area(5000, Unit.ACRE)),
        ("320.5 ha", Area(320.5, Unit.HECTARE)), ("1,234,567.5 Acres", Area(1234567.5, Unit.ACRE)),
        ("5000acre", Area(5000, Unit.ACRE)),
        ("1e6 hectares", Area(1e6, Unit.HECTARE)), ("10_000 ha", Area(10000, Unit.HECTARE)),
    ],
)  # fmt: skip
def test_areas_are_read_with_their_unit(text: str, area: Area) -> None:
    assert values.parse_some_area(text) == area


@pytest.mark.parametrize(
    "text", ["5,5 ha", "5,50 ac", "1,2345 ha", "1.000,5 ha", "5000", "5000 m2", "acre", "-1 ha", "1e999 ha", "0 ha"]
)
def test_areas_that_could_mean_something_else_are_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        values.parse_some_area(text)


@given(st.floats(0.001, 1e12), st.sampled_from(Unit))
def test_an_area_written_and_read_is_the_same(value: float, unit: Unit) -> None:
    read = values.parse_some_area(str(Area(value, unit)))
    assert read.unit is unit
    assert math.isclose(read.value, value, rel_tol=1e-9)


def test_a_bar_is_an_area_or_a_share() -> None:
    assert values.parse_bar("2%") == 0.02
    assert values.parse_bar("2 ha") == Area(2, Unit.HECTARE)
    with pytest.raises(PydanticCustomError, match="unit is missing"):
        values.parse_bar("2")


@pytest.mark.parametrize("glob", ["*", "A*", "[abc]x", "[!a]*", "[]]", "[!]]", "[[]x", "a-b"])
def test_good_globs_pass(glob: str) -> None:
    assert values.parse_globs(glob) == (glob,)


@pytest.mark.parametrize(
    ("outer", "inner", "covered"),
    [
        ((), (), True), ((), ("a",), True), (("*",), (), True), (("a",), (), False), (("a", "b"), ("a",), True),
        (("a*",), ("ab",), True), (("a*",), ("ab*",), False), (("a*",), ("a*",), True), (("a",), ("a", "b"), False),
    ],
)  # fmt: skip
def test_only_what_is_surely_covered_counts_as_covered(
    outer: tuple[str, ...], inner: tuple[str, ...], covered: bool
) -> None:
    assert values.globs_cover(outer, inner) is covered


@pytest.mark.parametrize("text", ["UTC", "America/Chicago", "Europe/Berlin"])
def test_zones_are_checked_by_name(text: str) -> None:
    assert values.parse_zone(text) == text


@pytest.mark.parametrize("text", ["", "../etc/passwd", "/etc/localtime", "America", "CET+1", "a\\b"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        values.parse_zone(text)


@pytest.mark.parametrize(
    "text", ["https://api.withleaf.io", "http://127.0.0.1:8080", "http://localhost:1/base", "http://[::1]:8080"]
)
def test_good_servers_pass(text: str) -> None:
    assert addresses.parse_server(text + "/") == text


@pytest.mark.parametrize(
    "text",
    [
        "http://10.0.0.1", "http://127.0.0.1.evil.example", "http://localhost.evil.example", "ftp://x", "https://", "x",
        "https://u@x", "https://x?a=b", "https://x#y", "https://x:99999", "https://[::1", "https://a b", "http://127.0.0.1@evil.example",
    ],
)  # fmt: skip
def test_bad_servers_are_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        addresses.parse_server(text)
