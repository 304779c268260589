"""From nothing to a working config: init, check, send-test, db, schema, sandbox, demo."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerter.config import example_text
from tests.cli_world import PASSWORD, START, World, run, world
from tests.sinks import HttpSink, Reply


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


# ------------------------------------------------------------------ init
def test_init_writes_the_example_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    ran = run("init", str(path))
    assert ran.code == 0
    assert f"alerter check --config {path}" in ran.out
    assert path.read_text("utf-8") == example_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_init_overwrites_nothing_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine", "utf-8")
    refused = run("init", str(path))
    assert refused.code == 2
    assert "--force" in refused.err
    assert path.read_text("utf-8") == "mine"
    assert run("init", str(path), "--force").code == 0
    assert path.read_text("utf-8") == example_text()
    assert [one.name for one in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("where", ["no/such/folder/a.yaml", "."])
def test_init_says_why_it_cannot_write(tmp_path: Path, where: str) -> None:
    refused = run("init", str(tmp_path / where))
    assert refused.code in (1, 2)
    assert len(refused.err.splitlines()) == 1


# ------------------------------------------------------------------ check
def test_check_offline_asks_nobody_and_sums_the_config_up(there: World) -> None:
    ran = there.run("check", "--offline")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == f"ok: {there.config}"
    for word in (
        "account   prod",
        "1 entry, 1 with a cap",
        "user-cap: user_cap",
        "screen: console",
        "everything -> screen",
    ):
        assert word in ran.out
    assert there.server.requests == []
    assert not there.database.exists()


def test_check_says_which_cap_and_rules_apply_to_each_contract(there: World) -> None:
    ran = there.run("check")
    assert ran.code == 0, ran.err
    assert "account prod: logged in, 2 contracts" in ran.out
    assert "cap   4,000 ac (quota of the API)" in ran.out
    assert "cap   50,000 ha (contracts[0].cap)" in ran.out
    assert ran.out.count("rules contract-cap, user-cap, term-end") == 2
    assert not there.database.exists()


def test_check_fails_in_one_line_when_the_login_does(there: World) -> None:
    there.env["CLI_PASSWORD"] = "wrong-secret-7"
    ran = there.run("check")
    assert ran.code == 1
    assert ran.err.startswith("account prod: ")
    assert len(ran.err.splitlines()) == 1
    assert "wrong-secret-7" not in ran.err + ran.out


def test_check_warns_of_secrets_written_out_and_still_passes(there: World) -> None:
    text = there.config.read_text("utf-8").replace("{env: CLI_PASSWORD}", PASSWORD)
    there.config.write_text(text, "utf-8")
    ran = there.run("check", "--offline")
    assert ran.code == 0
    assert f"warning: {there.config}:5:" in ran.err
    assert PASSWORD not in ran.err + ran.out


def test_check_shows_channels_without_their_secrets(there: World) -> None:
    secret = "TIiajkdnlazkcOXrIdevi7FQ"
    text = there.config.read_text("utf-8").replace('"console://"', f'"slack://T1JJ3T3L2/A1BRTD4JD/{secret}"')
    there.config.write_text(text, "utf-8")
    ran = there.run("check", "--offline")
    assert ran.code == 0
    assert "screen: slack" in ran.out
    assert secret not in ran.out + ran.err


# ------------------------------------------------------------------ send-test
def test_send_test_reaches_the_channel_and_stores_nothing(there: World) -> None:
    sink = HttpSink()
    try:
        url = sink.url.replace("http://", "json://")
        there.config.write_text(there.config.read_text("utf-8").replace('"console://"', f'"{url}/hook"'), "utf-8")
        ran = there.run("send-test", "screen")
    finally:
        sink.close()
    assert ran.code == 0, ran.err
    assert ran.out.rstrip().endswith(": accepted")
    assert len(sink.requests) == 1
    assert b"test" in sink.requests[0].body.lower()
    assert not there.database.exists()


def test_send_test_says_why_a_recipient_refused(there: World) -> None:
    sink = HttpSink()
    sink.replies = [Reply(status=404)]
    try:
        url = sink.url.replace("http://", "json://")
        there.config.write_text(there.config.read_text("utf-8").replace('"console://"', f'"{url}/hook"'), "utf-8")
        ran = there.run("send-test", "screen")
    finally:
        sink.close()
    assert ran.code == 1
    assert "404" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_send_test_names_the_channels_there_are(there: World) -> None:
    refused = there.run("send-test", "scren")
    assert refused.code == 2
    assert "no channel is named 'scren'; there is screen" in refused.err


# ------------------------------------------------------------------ db and schema
def test_db_check_and_upgrade_agree(there: World) -> None:
    before = there.run("db", "check")
    assert before.code == 3
    assert ": none (" in before.out
    assert not there.database.exists(), "looking creates nothing"
    assert there.run("db", "upgrade").code == 0
    assert stat.S_IMODE(there.database.stat().st_mode) == 0o600
    after = there.run("db", "check")
    assert after.code == 0
    assert ": current (" in after.out
    assert there.run("db", "upgrade").code == 0


def test_db_never_shows_a_password() -> None:
    ran = run("db", "check", "--database", "postgresql://someone:p4ssw0rd-x@127.0.0.1:9/nothing")
    assert ran.code == 1
    assert "p4ssw0rd-x" not in ran.err + ran.out
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///"])
def test_a_database_that_is_neither_is_refused(url: str) -> None:
    refused = run("status", "--database", url)
    assert refused.code == 2
    assert refused.err.startswith("error: --database: ")


def test_the_schema_is_json_schema_of_every_section() -> None:
    schema = run("schema").json
    assert schema["type"] == "object"
    assert {"accounts", "poll", "contracts", "rules", "channels", "routes"} <= set(schema["properties"])


# ------------------------------------------------------------------ sandbox and demo
def test_the_sandbox_prints_a_config_that_works_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "alerter", "sandbox", "--port", "0", "--at", START.isoformat()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    try:
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(running.stdout.readline())
            assert lines[-1], running.communicate()
        config = tmp_path / "alerter.yaml"
        config.write_text("".join(line[2:] for line in lines if line.startswith("  ")), "utf-8")
        checked = run("check", "--config", str(config))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
    finally:
        running.kill()
    assert checked.code == 0, checked.err
    assert "logged in" in checked.out
    assert (running.returncode, out, err) == (0, "stopped\n", "")


def test_a_port_that_is_taken_is_one_clear_line(there: World) -> None:
    port = there.server.url.rpartition(":")[2]
    refused = run("sandbox", "--port", port)
    assert refused.code == 1
    assert refused.err == f"error: cannot listen on 127.0.0.1:{port}: address already in use\n"


def test_a_broken_scenario_is_told_with_its_place(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("start: 2026-01-01\ndays: none\n", "utf-8")
    refused = run("sandbox", "--scenario", str(bad))
    assert refused.code == 2
    assert f"{bad}:2:" in refused.err


def test_the_demo_prints_messages_and_what_was_found_and_its_database_can_be_looked_at(tmp_path: Path) -> None:
    ran = run("demo", "--folder", str(tmp_path / "demo"), "--days", "2")
    assert ran.code == 0, ran.err
    assert "Key: " in ran.out, "messages are printed as they are sent"
    assert "What was found" in ran.out
    database = tmp_path / "demo" / "demo.db"
    assert f"alerter alerts --all --database {database}" in ran.out
    looked = run("alerts", "--all", "--database", str(database), "--format", "json")
    assert looked.code == 0
    assert json.loads(looked.out)["alerts"]


def test_a_demo_that_is_kept_goes_on_until_ctrl_c(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    running = subprocess.Popen(
        [sys.executable, "-m", "alerter", "demo", "--folder", str(folder), "--days", "1", "--keep"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    try:
        while not (line := running.stdout.readline()).startswith("The season is over"):
            assert line, running.communicate()
        looked = run("alerts", "--all", "--database", str(folder / "demo.db"))
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=30)
    finally:
        running.kill()
    assert looked.code == 0, looked.err
    assert running.returncode == 0
    assert "What was found" in out
