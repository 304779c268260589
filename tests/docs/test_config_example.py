"""The example file is what the generator writes, it is valid, and everything it offers can be taken into use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alerter.config import Config, build_routes, build_rules, example_text, json_schema, read_config
from alerter.errors import ConfigError

ROOT = Path(__file__).parents[2]
ENV = {"LEAF_USERNAME": "ops@example.com", "LEAF_PASSWORD": "s3cret", "LEAF_TOKEN": "t0ken"}
CHANNELS = ENV | {"OPS_SLACK_URL": "slack://a/b/c", "CHAT_URL": "slack://a/b/c"}

_OFFER = re.compile(r"^( *)#(?=[a-z_-][a-z_-]*:|- )", re.MULTILINE)
OFFERS = [match.start() for match in _OFFER.finditer(example_text())]


def config_of(text: str, folder: Path) -> Config:
    return read_config(text.encode(), folder / "alerter.yaml", env=CHANNELS, credentials_dir=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "finance_mail_url").write_text("mailtos://u:p@h.example?to=a@b.example\n")
    return tmp_path


def test_the_file_is_what_the_generator_writes() -> None:
    assert (ROOT / "config.example.yaml").read_text(encoding="utf-8") == example_text()


def test_the_example_is_valid_with_two_variables_set_and_warns_of_nothing() -> None:
    env = {name: ENV[name] for name in ("LEAF_USERNAME", "LEAF_PASSWORD")}
    config = read_config(example_text().encode(), ROOT / "config.example.yaml", env=env)
    assert config.warnings == ()
    assert [rule.id for rule in build_rules(config)] == ["spike", "contract-cap", "term-end"]
    assert build_routes(config)[-1].to == ("console",)


def test_the_example_without_its_variables_names_both() -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(example_text().encode(), ROOT / "config.example.yaml", env={})
    assert [problem.path for problem in caught.value.problems] == ["accounts[0].username", "accounts[0].password"]


def test_the_example_offers_every_key_of_the_schema() -> None:
    schema = json_schema()
    keys = {key for model in (schema, *schema["$defs"].values()) for key in model.get("properties", {})}
    missing = {key for key in keys if not re.search(rf"(?<![a-z_]){key}:", example_text())}
    assert not missing


# What needs another key beside it, with what is said otherwise.
NEEDS = {
    "token": "either a token or both",
    "share": "give one of the two",
    "at_least": "no effect",
    "ratio": "no effect",
}


@pytest.mark.parametrize("start", OFFERS, ids=[str(example_text()[:start].count("\n") + 1) for start in OFFERS])
def test_every_offer_is_valid_when_taken(start: int, folder: Path) -> None:
    text = example_text()
    taken = text[:start] + _OFFER.sub(r"\1", text[start:], count=1)
    for channel in ("ops-slack", "finance-mail"):  # which routes lean on
        taken = taken.replace(f"#{channel}:", f"{channel}:")
    key = re.sub(r"^[ #]*", "", text[start:].split(":")[0])
    if key in NEEDS:
        with pytest.raises(ConfigError, match=NEEDS[key]):
            config_of(taken, folder)
    else:
        config_of(taken, folder)


def test_there_are_offers_to_take() -> None:
    assert len(OFFERS) >= 35


def test_lines_fit_a_terminal_that_is_a_little_wide() -> None:
    assert max(map(len, example_text().splitlines())) <= 124
