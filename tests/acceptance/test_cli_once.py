"""One poll from the command line: what it prints, what it refuses, and what it leaves alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli_world import PASSWORD, START, World, run, world


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def test_it_says_in_a_line_each_what_was_polled_moved_and_sent(there: World) -> None:
    ran = there.once(START)
    assert ran.code == 0
    assert ran.err == ""
    tail = ran.out.splitlines()[-4:]
    assert sorted(tail[:2]) == ["prod FIELDS_BOUNDARY: polled", "prod OPERATIONS_FILE (US): polled"]
    assert tail[2].startswith("prod: 2 contracts, ")
    assert "days of history read" in tail[2]
    assert tail[3].endswith("messages sent")


def test_a_second_look_at_the_same_figures_says_nothing_new(there: World) -> None:
    first = there.once(START, "--format", "json").json
    again = there.once(START + timedelta(minutes=1), "--format", "json").json
    assert first["ok"]
    assert again["ok"]
    assert first["delivery"]["sent"] >= 3
    assert again["delivery"] == {"sent": 0, "failed": 0, "dead": 0}
    assert again["accounts"][0]["moved"] == 0
    assert again["accounts"][0]["firing"] == first["accounts"][0]["firing"]


def test_with_json_messages_of_a_console_channel_go_to_standard_error(there: World) -> None:
    ran = there.once(START, "--format", "json")
    assert ran.json["schema"] == 1
    assert "CRITICAL" in ran.err


def test_a_rehearsal_ignores_what_the_server_knows_of_later(there: World) -> None:
    there.clock.set(START + timedelta(days=6))
    ran = there.run("once", "--at", START.isoformat())
    assert ran.code == 0, ran.err
    status = there.run("status", "--at", START.isoformat(), "--format", "json").json
    assert {one["newest_day"] for one in status["contracts"]} == {"2026-03-10"}
    assert {one["data_at"][:10] for one in status["contracts"]} == {"2026-03-10"}


def test_a_rehearsal_does_not_mix_with_newer_answers(there: World) -> None:
    assert there.once(START).code == 0
    refused = there.run("once", "--at", "2026-03-09")
    assert refused.code == 2
    assert "2026-03-10 06:00 UTC" in refused.err
    assert "--database rehearsal.db" in refused.err
    assert there.run("once", "--at", "2026-03-09", "--database", str(there.folder / "rehearsal.db")).code == 0


@pytest.mark.parametrize("at", ["yesterday", "2026-02-30", "2026-13-01T00:00"])
def test_an_instant_that_is_none_is_refused(there: World, at: str) -> None:
    refused = there.run("once", "--at", at)
    assert refused.code == 2
    assert "is no date or instant" in refused.err
    assert not there.database.exists()


def test_a_wrong_password_is_one_clear_line(there: World) -> None:
    there.env["CLI_PASSWORD"] = "not-this-one-9"
    ran = there.once(START)
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("prod: ")
    assert "not-this-one-9" not in ran.err + ran.out


def standing(there: World) -> set[tuple[str, str, float]]:
    alerts = there.run("alerts", "--all", "--format", "json").json["alerts"]
    ours = [one for one in alerts if one["labels"]["kind"] != "health"]
    return {(one["fingerprint"], one["status"], one["level"]) for one in ours}


def test_a_server_that_is_not_there_is_one_clear_line_and_loses_nothing(there: World) -> None:
    assert there.once(START).code == 0
    before = standing(there)
    there.server.stop()
    try:
        ran = there.run("once", "--at", (START + timedelta(hours=1)).isoformat())
    finally:
        there.server.start()
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert PASSWORD not in ran.err
    assert standing(there) == before


def test_a_channel_that_refuses_makes_it_fail_and_says_where_to_look(there: World) -> None:
    there.config.write_text(there.config.read_text("utf-8").replace('"console://"', '"json://127.0.0.1:9/x"'), "utf-8")
    ran = there.once(START)
    assert ran.code == 1
    assert "failed, to be tried again" in ran.out
    assert "alerter outbox" in ran.err
    assert "screen" in there.run("outbox", "--state", "pending").out


def test_a_folder_that_cannot_be_written_is_one_clear_line(there: World, tmp_path: Path) -> None:
    ran = there.once(START, "--database", str(tmp_path / "no" / "such" / "folder.db"))
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1


def test_a_copy_of_the_config_elsewhere_keeps_its_own_database(there: World, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(there.config, other / "alerter.yaml")
    ran = run("once", "--config", str(other / "alerter.yaml"), "--at", START.isoformat(), env=dict(there.env))
    assert ran.code == 0, ran.err
    assert (other / "state.db").exists()
    assert not there.database.exists()
