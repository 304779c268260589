"""How values become words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.notify.filters.clean import clean, clip_lines, pad, slack_text, width
from alerter.notify.filters.format import Words, number, percent, span, user_label
from alerter.notify.message import MessageSettings


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (18_402, "18,400"), (0.4567, "0.457"), (-12.34, "-12.3"), (999.6, "1,000"), (1_234_567, "1,230,000"),
     (5, "5"), (None, "unknown"), (float("nan"), "unknown"), ("7", "unknown"), (True, "unknown")],
)  # fmt: skip
def test_numbers_have_three_significant_digits(value: object, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (82.404, "82.4 %"),
        (99.97, "99.9 %"),
        (100, "100 %"),
        (104.9, "104 %"),
        (0, "0 %"),
        (5, "5 %"),
        (None, "unknown"),
    ],
)
def test_percentages_have_one_decimal_and_never_round_up_to_a_hundred(value: object, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (604_800, "7 days"),
        (86_400, "1 day"),
        (129_600, "36 hours"),
        (3_600, "1 hour"),
        (900, "15 minutes"),
        (-1, "unknown"),
    ],
)
def test_spans_use_their_largest_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_two_areas_that_differ_look_different() -> None:
    words = Words(MessageSettings())
    assert (
        words.area(412_345.0, against=412_500.0) == "412,345 ac"
        or words.area(412_345.0, against=412_500.0) == "412,300 ac"
    )


def test_a_user_without_a_name_is_shown_by_id() -> None:
    assert user_label({"id": "8f3c1d7e", "name": "Prairie Co-op"}) == "Prairie Co-op (8f3c)"
    assert user_label({"id": "8f3c1d7e", "name": None}) == "user 8f3c1d7e"
    assert user_label(None) == "unknown user"


@given(st.text())
def test_clean_text_is_one_short_harmless_line(value: str) -> None:
    text = clean(value)
    assert len(text) <= 120
    assert text.encode() or not text
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029\u202e" for char in text)


@given(st.text())
def test_nothing_formats_in_escaped_slack_text(value: str) -> None:
    text = slack_text(value)
    assert not set("<>*~`") & set(text)
    assert not text.startswith("_")


def test_words_with_underscores_stay_readable_in_slack() -> None:
    assert slack_text("OPERATIONS_FILE") == "OPERATIONS_FILE"
    assert "_" not in slack_text("_it_").replace("\u02cd", "")


def test_wide_characters_keep_columns_straight() -> None:
    assert width("農場") == 4
    assert pad("農場", 6) == "農場  "


def test_cut_text_says_what_is_missing() -> None:
    text = clip_lines("\n".join(["line"] * 100), 100)
    assert len(text) <= 100
    assert text.endswith("more lines")


def test_an_area_at_its_cap_reads_as_its_cap_and_one_below_reads_below() -> None:
    words = Words(MessageSettings(), "ha")
    cap = 404.68564224
    assert words.bare_area(cap * (1 - 1e-12), against=cap) == words.bare_limit(cap) == "404.686"
    assert words.bare_area(cap, against=cap) == "404.686"
    assert words.bare_area(404.68, against=cap) == "404.68"
    assert words.bare_area(404.7, against=cap) == "404.7"
    assert words.bare_area(202.3, against=cap) == "202"
    assert percent(100 * (1 - 1e-12)) == "100 %"
    assert percent(99.9999) == "99.9 %"
