"""Looking at the database from a shell that may not read the daemon's secrets, or beside a broken config."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli_world import START, World, world

LOOKS = (("status",), ("alerts",), ("history",), ("outbox",), ("silence", "list"), ("db", "check"))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A database after a poll, and a shell without the daemon's secrets."""
    with world(tmp_path_factory.mktemp("secretless")) as made:
        assert made.once(START).code == 0
        made.env.clear()
        made.env["CLI_PASSWORD"] = None
        yield made


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_command_that_looks_at_the_database_needs_no_secret(seen: World, look: tuple[str, ...]) -> None:
    ran = seen.run(*look)
    assert ran.code in (0, 1), ran.err
    assert ran.err == ""


def test_caps_and_names_of_the_config_are_known_without_its_secrets(seen: World) -> None:
    contracts = seen.run("status", "--format", "json").json["contracts"]
    assert {one["name"] for one in contracts} == {"Boundaries", None}
    assert {one["cap_source"] for one in contracts} == {"contracts[0].cap", "quota of the API"}


def test_whoever_logs_in_still_needs_them(seen: World) -> None:
    refused = seen.run("check", "--offline")
    assert refused.code == 2
    assert "CLI_PASSWORD is not set" in refused.err


def test_a_broken_config_keeps_nobody_from_a_named_database(seen: World) -> None:
    broken = seen.folder / "broken.yaml"
    broken.write_text("accounts: [", "utf-8")
    ran = seen.run("status", "--config", str(broken), "--database", str(seen.database))
    assert "OPERATIONS_FILE" in ran.out
    assert ran.err.startswith("the config is not used")
    assert len(ran.err.splitlines()) == 1
    alone = seen.run("status", "--config", str(broken))
    assert alone.code == 2


def test_a_file_that_is_not_there_is_told_with_a_colon(seen: World) -> None:
    ran = seen.run("check", "--config", "nope.yaml")
    assert ran.err == "nope.yaml: there is no such file; `alerter init` writes a commented example\n"
