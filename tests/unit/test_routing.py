"""Who hears of an alert is decided by labels alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerter.core.routing import Matcher, Route, Silence, routed, why_suppressed

NOW = datetime(2026, 5, 14, 6, tzinfo=UTC)
LABELS = {"severity": "critical", "rule": "cap", "user": "8f3c", "region": ""}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("severity=critical", True),
        ("severity = critical", True),
        ('severity="critical"', True),
        ("severity!=critical", False),
        ("severity!=warning", True),
        ("user=~8f.*", True),
        ("user=~8f", False),
        ("user!~8f", True),
        ("user!~8f.*", False),
        ("team=", True),
        ("team!=a", True),
        ("region=~.+", False),
        ("rule=~cap|spike", True),
    ],
)
def test_matchers_compare_whole_values_and_an_absent_label_is_empty(text, fits):
    assert Matcher.parse(text).matches(LABELS) is fits


@pytest.mark.parametrize("text", ["", "severity", "=critical", "a b=c", "user=~("])
def test_a_text_that_is_no_matcher_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match="is not a"):
        Matcher.parse(text)


@pytest.mark.parametrize("text", ["severity=critical", "user=~8f.*", "user!~a=b", "rule!=x"])
def test_a_matcher_is_written_as_it_is_read(text):
    assert str(Matcher.parse(text)) == text
    assert Matcher.parse(str(Matcher.parse(text))) == Matcher.parse(text)


def route(*to: str, match: str = "", go_on: bool = False) -> Route:
    return Route(matchers=(Matcher.parse(match),) if match else (), to=to, go_on=go_on)


def test_the_first_fitting_route_takes_the_alert():
    routes = [route("low", match="severity=info"), route("pager", match="severity=critical"), route("mail")]
    assert routed(routes, LABELS) == ("pager",)


def test_a_route_that_goes_on_adds_to_the_next_and_each_channel_comes_once():
    routes = [route("pager", "mail", match="severity=critical", go_on=True), route("mail", "log"), route("never")]
    assert routed(routes, LABELS) == ("pager", "mail", "log")


def test_without_a_fitting_route_nobody_hears():
    assert routed([route("low", match="severity=info")], LABELS) == ()


SILENCE = Silence(
    id=3,
    matchers=(Matcher.parse("rule=cap"),),
    starts_at=NOW,
    ends_at=NOW + timedelta(hours=1),
    author="ann",
    comment="harvest",
)


def test_a_silence_holds_from_its_start_until_before_its_end():
    assert why_suppressed(LABELS, 80, [SILENCE], NOW) == "silence 3"
    assert why_suppressed(LABELS, 80, [SILENCE], NOW + timedelta(minutes=59)) == "silence 3"
    assert why_suppressed(LABELS, 80, [SILENCE], NOW + timedelta(hours=1)) == ""
    assert why_suppressed(LABELS, 80, [SILENCE], NOW - timedelta(seconds=1)) == ""


def test_a_silence_needs_every_matcher_and_one_without_any_mutes_nothing():
    both = replace(SILENCE, matchers=(*SILENCE.matchers, Matcher.parse("severity=info")))
    assert why_suppressed(LABELS, 80, [both], NOW) == ""
    assert why_suppressed(LABELS, 80, [replace(SILENCE, matchers=())], NOW) == ""


def test_a_silence_up_to_a_level_lets_a_higher_one_through():
    capped = replace(SILENCE, up_to=80.0)
    assert why_suppressed(LABELS, 80, [capped], NOW) == "silence 3"
    assert why_suppressed(LABELS, 100, [capped], NOW) == ""


def test_the_oldest_of_several_silences_is_named():
    assert why_suppressed(LABELS, 80, [replace(SILENCE, id=9), SILENCE], NOW) == "silence 3"
