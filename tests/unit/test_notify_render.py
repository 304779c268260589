"""What messages say, and what a broken template or payload cannot do to them."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.notify import MessageSettings, Renderer, check_templates
from alerter.notify.samples import KINDS, REASONS, item, payload, samples

RENDERER = Renderer(MessageSettings())
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def text_of(made: Any, **changes: Any) -> str:
    rendered = Renderer(MessageSettings(**changes)).render(made, "console", "x")
    assert rendered.error is None
    return rendered.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", ["console", "mail", "slack", "json", "other"])
def test_every_sample_renders_in_every_form(kind: str, service: str) -> None:
    for sample in samples(kind):
        rendered = RENDERER.render(sample, service, "x")
        assert rendered.error is None
        assert rendered.title == rendered.text.split("\n")[0]
        assert (rendered.html is not None) == (service == "mail")
        assert (rendered.slack is not None) == (service == "slack")
        assert "unknown" not in rendered.text
        assert "None" not in rendered.text.replace("none", "")


@pytest.mark.parametrize("kind", ["contract_cap", "user_cap", "contract_end", "daily_spike"])
@pytest.mark.parametrize("reason", REASONS)
def test_a_message_can_be_acted_upon_alone(kind: str, reason: str) -> None:
    text = text_of(payload([item(kind, reason)]))
    first = text.split("\n")[0]
    assert first.startswith(("WARNING", "CRITICAL", "RESOLVED", "CLOSED"))
    assert "prod · OPERATIONS_FILE (US) · " in first
    assert "Data as of Thu 14 May 06:10 UTC; newest day Thu 14 May, today so far." in text
    assert "659,000 ac billed, 612,000 ac unique, 46,800 ac counted twice (7.1 %)" in text
    assert "alerter.yaml: rules[1]" in text
    assert text.endswith("Key: 7c1e09a4b2f84d6e9a3c5b7d1f2e4a60:1:firing:100:0:ops-slack")
    silence = [line for line in text.split("\n") if line.startswith("Silence: alerter silence add rule=")]
    assert bool(silence) == (reason not in ("resolved", "closed"))
    assert not UUID.search("\n".join(line for line in text.split("\n") if line not in silence))


def test_the_words_of_each_kind() -> None:
    assert "82.4 % of cap: 659,000 of 800,000 ac billed" in text_of(samples("contract_cap")[0])
    assert "Prairie Co-op (8f3c) at 104 % of its cap: 41,600 of 40,000 ac billed" in text_of(samples("user_cap")[0])
    assert "term ends in 14 days, on Fri 1 Jan 2027, 82.4 % of the cap used" in text_of(samples("contract_end")[0])
    spike = text_of(samples("daily_spike")[0])
    assert "spike today so far (Thu 14 May): +18,400 ac billed (normal 1,150, bar 5,210)" in spike
    assert "1 of 412 users explains 91 % of the excess" in spike
    assert "410 other users" in spike


def test_the_way_a_message_came_about_is_said() -> None:
    assert "Reminder 2: still so. It has lasted 3 days" in text_of(payload([item("contract_cap", "reminder")]))
    assert "Repeats every 7 days" in text_of(payload([item("contract_cap")]))
    assert "Passed 50 % and 80 % at once." in text_of(payload([item("contract_cap", passed=["50 %", "80 %"])]))
    assert "This is not a recovery." in text_of(payload([item("contract_cap", "closed")]))
    assert "the last good ones" in text_of(payload([item("contract_cap", held=True)]))
    assert "back to 76.5 % of cap" in text_of(payload([item("contract_cap", "resolved")]))


@pytest.mark.parametrize(
    ("end_at", "left", "words"),
    [
        ("2026-05-14T00:00:00+00:00", 30.75, "ends in 31 days"),
        ("2026-05-14T00:00:00+00:00", 30.0, "ends in 30 days"),
        ("2026-05-14T00:00:00+00:00", 1.5, "ends in 2 days"),
        ("2026-05-14T00:00:00+00:00", 0.007, "ends tomorrow"),
        ("2026-05-14T23:59:59+00:00", 0.5, "ends today"),
        ("2026-05-14T00:00:00+00:00", -0.5, "ended today"),
        ("2026-05-14T00:00:00+00:00", -1.2, "ended yesterday"),
        ("2026-05-14T00:00:00+00:00", -3.0, "ended 3 days ago"),
        ("0001-01-01T00:00:00+00:00", 5.0, "ends in"),
    ],
)
def test_days_to_a_terms_end_are_those_of_the_calendar(end_at: str, left: float, words: str) -> None:
    one = item("contract_end")
    one["figures"] = {**one["figures"], "end_at": end_at, "days_left": left}
    assert f"term {words}" in text_of(payload([one]))


def test_several_of_the_daemons_own_troubles_are_named_once_and_have_no_tiers() -> None:
    said = {"message": "messages to ops cannot be delivered: gone"}
    broken = item("contract_cap") | {"kind": "channel_broken", "tier": "", "remind_for_s": None, "figures": said}
    text = text_of(payload([broken, {**broken, "fingerprint": "0" * 32}]))
    assert "2 × channel broken: messages to ops cannot be delivered: gone" in text
    assert "Sent once." in text_of(payload([broken]))


def test_settings_choose_unit_zone_digits_and_link() -> None:
    text = text_of(
        samples("contract_cap")[0], unit="hectare", zone="America/Chicago", digits=5, public_url="https://a.example/"
    )
    assert "266,780 of 323,749 ha billed" in text
    assert "Thu 14 May 01:10 CDT" in text
    assert "Status: https://a.example/" in text


def test_a_figure_never_reads_as_its_cap_before_it_is_there() -> None:
    one = item("contract_cap")
    one["figures"].update(value=799_999.6, percent=99.99995, remaining=0.4)
    assert "99.9 % of cap: 799,999.6 of 800,000 ac" in text_of(payload([one]))


def test_users_over_their_cap_are_the_top_ten_and_a_count() -> None:
    text = text_of(samples("user_cap")[5])
    assert text.count("Farm ") == 7
    assert "and 5 more users" in text
    assert "15 users at or over their cap, highest Prairie Co-op (8f3c) at 104 %" in text


def test_the_worst_item_leads_a_mixed_message() -> None:
    text = text_of(samples("mixed")[0])
    assert text.startswith("CRITICAL · prod · OPERATIONS_FILE (US) · Prairie Co-op (8f3c) at 104 %")
    assert text.count("659,000 ac billed, 612,000") == 1


def test_a_silence_command_survives_a_shell() -> None:
    made = payload([item("contract_cap", rule="a b; rm -rf $HOME")])
    assert "'rule=a b; rm -rf $HOME'" in text_of(made)


FIGURE = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30) | st.just([]) | st.just({"a": [1]})
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.randoms(use_true_random=False), st.lists(FIGURE, min_size=12, max_size=12))
def test_no_payload_can_suppress_its_message(kind: str, random: Any, values: list[Any]) -> None:
    made = copy.deepcopy(random.choice(samples(kind)))
    places = [made, *made["items"], *(one["figures"] for one in made["items"])]
    for value in values:
        place = random.choice(places)
        if place:
            place[random.choice(sorted(place))] = value
    for service in ("console", "mail", "slack"):
        rendered = RENDERER.render(made, service, "x")
        assert rendered.title
        assert rendered.text


def test_a_payload_of_nothing_is_still_a_message() -> None:
    for service in ("console", "mail", "slack"):
        assert RENDERER.render({}, service, "x").text
        assert RENDERER.render({"items": [{"reason": 3}], "kind": None}, service, "x").text


# ------------------------------------------------------------------ the user's templates
def write(folder: Path, name: str, source: str) -> Renderer:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")
    return Renderer(MessageSettings(), folder)


def test_a_users_template_replaces_ours_and_may_use_it(tmp_path: Path) -> None:
    renderer = write(tmp_path, "contract_cap.text.j2", "{{ figures.value | area }} of {{ account }}\n{{ builtin }}")
    rendered = renderer.render(samples("contract_cap")[0], "mail", "x")
    assert rendered.error is None
    assert rendered.text.startswith("659,000 ac of prod\nWARNING · prod")
    assert "82.4 % of cap" in str(rendered.html)
    assert renderer.render(samples("user_cap")[0], "console", "x").text.startswith("CRITICAL")


def test_a_channels_own_template_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "contract_cap.title.j2", "for all")
    renderer = write(tmp_path, "ops/contract_cap.title.j2", "for ops")
    assert renderer.render(samples("contract_cap")[0], "console", "ops").title == "for ops"
    assert renderer.render(samples("contract_cap")[0], "console", "dev").title == "for all"


def test_values_are_escaped_in_a_users_template_too(tmp_path: Path) -> None:
    write(tmp_path, "user_cap.html.j2", "{{ items[0].user.name }}")
    renderer = write(tmp_path, "user_cap.slack.j2", "<!here> {{ items[0].user.name }}")
    made = payload([item("user_cap", user={"id": "u", "name": "<!channel> <b> *x* {{7*7}}"})])
    assert renderer.render(made, "mail", "x").html == "&lt;!channel&gt; &lt;b&gt; *x* {{7*7}}"
    slack = renderer.render(made, "slack", "x").slack
    assert slack is not None
    assert "<!here> &lt;!channel&gt; &lt;b&gt; \u2217x\u2217 {{7\u22177}}" in slack["text"]


BAD = {
    "undefined": "\n{{ nothing_of_the_kind }}",
    "division": "\n{{ 1 / 0 }}",
    "syntax": "\n{% if %}",
    "escape": "\n{{ ''.__class__.__mro__ }}",
    "format": "\n{{ '{0.__class__}'.format(1) }}",
    "wide": "\n{{ 'a'.ljust(1000000000) }}",
    "mutation": "\n{{ items.append(1) }}",
    "repeat": "\n{{ ('a' * 1000000000) | length }}",
    "power": "\n{{ 9 ** 9 ** 9 }}",
    "loop": "\n{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "flood": "\n{% for a in range(9000) %}{{ 'x' * 9000 }}{% endfor %}",
    "recursion": "\n{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    "padding": "\n{{ '%1000000000d' % 1 }}",
    "include": "\n{% include '../../etc/passwd' %}",
}


@pytest.mark.parametrize("source", BAD.values(), ids=BAD.keys())
def test_a_bad_template_is_named_and_loses_nothing(tmp_path: Path, source: str) -> None:
    renderer = write(tmp_path, "contract_cap.text.j2", source)
    rendered = renderer.render(samples("contract_cap")[0], "mail", "x")
    assert rendered.error is not None
    assert "contract_cap.text.j2:2" in rendered.error
    assert "Your template failed (contract_cap.text.j2:2" in rendered.text
    assert "82.4 % of cap" in rendered.text
    (problem,) = check_templates(tmp_path)
    assert (problem.file, problem.line) == (str(tmp_path / "contract_cap.text.j2"), 2)


def test_the_check_knows_names_kinds_and_good_templates(tmp_path: Path) -> None:
    write(tmp_path, "contract_cap.text.j2", "{{ headline }} {{ figures.percent | percent }}")
    write(tmp_path, "ops/storm.slack.j2", "{{ headline }}")
    assert check_templates(tmp_path) == []
    write(tmp_path, "contract_cap.pdf.j2", "")
    write(tmp_path, "contract_capp.text.j2", "")
    messages = [problem.message for problem in check_templates(tmp_path)]
    assert len(messages) == 2
    assert "<kind>.<form>.j2" in messages[0]
    assert "contract_capp" in messages[1]
    assert check_templates(tmp_path / "nowhere")[0].message == "there is no such folder of templates"
