"""What is stored, looked at: as documents, as tables of eighty columns, beside a running daemon and without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerter.store import Store
from tests.cli_world import SHOWN, START, World, run, world

NOW = "2026-03-10T07:10"
LOOKS = (("status", "--at", NOW), ("alerts",), ("alerts", "--all"), ("history",), ("outbox",))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A database after two polls, only looked at by the tests that share it."""
    with world(tmp_path_factory.mktemp("look")) as made:
        for at in (START, START + timedelta(hours=1)):
            ran = made.once(at)
            assert ran.code == 0, ran.err
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    """A database after one poll, for a test that changes it."""
    with world(tmp_path) as made:
        assert made.once(START).code == 0
        yield made


# ------------------------------------------------------------------ documents
def test_status_gives_the_figures_of_each_contract(seen: World) -> None:
    ran = seen.run("status", "--at", NOW, "--format", "json")
    assert ran.code == 0, ran.out
    document = ran.json
    assert document["schema"] == 1
    assert document["healthy"]
    assert [one["name"] for one in document["accounts"]] == ["prod"]
    ops, fields = sorted(document["contracts"], key=lambda one: one["product"], reverse=True)
    assert ops["label"] == "OPERATIONS_FILE (US)"
    assert (ops["start_on"], ops["end_on"], ops["days_left"]) == ("2026-02-09", "2026-04-10", 31)
    assert ops["overlap"] == pytest.approx(ops["used_billed"] - ops["used_unique"])
    assert ops["used_percent"] == pytest.approx(100 * ops["used_billed"] / 4000)
    assert ops["cap_source"] == "quota of the API"
    assert ops["newest_day"] == "2026-03-10"
    assert (ops["fresh"], ops["meaning"], ops["users"]) == (True, "cumulative", 5)
    assert fields["name"] == "Boundaries"
    assert fields["cap_source"] == "contracts[0].cap"
    assert fields["cap"] == pytest.approx(50000 / 0.40468564224)
    assert (fields["end_on"], fields["days_left"]) == (None, None)


def test_the_status_agrees_with_what_the_server_says(seen: World) -> None:
    document = seen.run("status", "--at", NOW, "--format", "json").json
    billed = {one["product"]: one["used_billed"] for one in document["contracts"]}
    figures = {
        one["contract"]: one
        for one in seen.run("alerts", "--format", "json").json["alerts"]
        if one["rule"] == "contract-cap"
    }
    ids = {one["id"]: one["product"] for one in document["contracts"]}
    for contract, alert in figures.items():
        assert alert["used"] == pytest.approx(billed[ids[contract]])


def test_alerts_can_be_asked_for_by_rule_contract_and_user(seen: World) -> None:
    every = seen.run("alerts", "--format", "json").json["alerts"]
    assert {one["rule"] for one in every} >= {"contract-cap", "user-cap", "term-end"}
    assert all(one["status"] in ("firing", "pending") for one in every)
    ranks = [("info", "warning", "critical").index(one["severity"]) for one in every]
    assert ranks == sorted(ranks, reverse=True), "the worst first"
    by_rule = seen.run("alerts", "--rule", "user-cap", "--format", "json").json["alerts"]
    assert {one["rule"] for one in by_rule} == {"user-cap"}
    user = by_rule[0]["user"]
    by_user = seen.run("alerts", "--user", user["id"][:8], "--format", "json").json["alerts"]
    assert {one["user"]["id"] for one in by_user} == {user["id"]}
    contract = every[0]["contract"]
    by_contract = seen.run("alerts", "--contract", contract[:10], "--format", "json").json["alerts"]
    assert {one["contract"] for one in by_contract} == {contract}
    assert seen.run("alerts", "--rule", "no-such").out == "nothing fires; --all shows what is over\n"


def test_history_names_the_reason_of_every_move_and_message(seen: World) -> None:
    events = seen.run("history", "--format", "json").json["events"]
    assert [one["at"] for one in events] == sorted((one["at"] for one in events), reverse=True)
    assert {one["reason"] for one in events if one["type"] == "transition"} == {"reached"}
    messages = [one for one in events if one["type"] == "message"]
    assert {(one["reason"], one["state"], one["recipient"]) for one in messages} == {("firing", "sent", "screen")}
    one = seen.run("alerts", "--format", "json").json["alerts"][0]["fingerprint"]
    own = seen.run("history", "--alert", one[:10], "--format", "json").json["events"]
    assert {event["type"] for event in own} == {"transition", "message"}
    assert all(one in event["fingerprints"] for event in own)
    assert len(seen.run("history", "--limit", "2", "--format", "json").json["events"]) == 2


def test_an_alert_is_named_by_the_beginning_of_its_id(seen: World) -> None:
    nobody = seen.run("history", "--alert", "zzzz")
    assert nobody.code == 2
    assert "no alert begins with 'zzzz'" in nobody.err
    many = seen.run("history", "--alert", "")
    assert many.code == 2
    assert "write more of the id" in many.err


# ------------------------------------------------------------------ tables
@pytest.mark.parametrize("columns", [60, 80, 132])
@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_tables_fit_the_terminal_and_names_are_only_text(seen: World, look: tuple[str, ...], columns: int) -> None:
    out = seen.run(*look, columns=columns).out
    assert max(len(line) for line in out.splitlines()) <= columns
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\u202e" not in out


def test_a_name_with_markup_is_shown_as_it_is(seen: World) -> None:
    assert SHOWN in seen.run("alerts", "--user", "[red]", columns=200).out


def test_json_is_plain_ascii_and_keeps_names_whole(seen: World) -> None:
    ran = seen.run("alerts", "--rule", "user-cap", "--format", "json")
    assert ran.out.isascii()
    assert "\x1b" not in ran.out
    assert "\x7f" not in ran.out
    assert any("\x1b[31m" in (one["user"]["name"] or "") for one in ran.json["alerts"])


# ------------------------------------------------------------------ which database
def test_both_kinds_of_database_show_the_same(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path) as made:
        assert made.once(START, "--database", database_url).code == 0
        for look in LOOKS:
            ran = made.run(*look, "--database", database_url, "--format", "json")
            assert ran.code == 0, ran.err
        status = made.run("status", "--at", NOW, "--database", database_url, "--format", "json").json
        assert {one["newest_day"] for one in status["contracts"]} == {"2026-03-10"}
        added = made.run("silence", "add", "rule=user-cap", "--for", "1d", "--database", database_url)
        assert added.code == 0, added.err
        assert made.run("silence", "end", "1", "--database", database_url).code == 0


def test_looking_needs_no_config_when_the_database_is_named(
    seen: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for look in LOOKS:
        ran = seen.run(*look, "--database", str(seen.database), "--format", "json", config=False)
        assert ran.code == 0, ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_looking_never_creates_a_database(tmp_path: Path, look: tuple[str, ...]) -> None:
    missing = tmp_path / "none.db"
    ran = run(*look, "--database", str(missing))
    assert ran.code == 3
    assert "there is no database at" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not missing.exists()


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    ran = run("status", "--database", str(foreign))
    assert ran.code == 3
    assert "cats" in ran.err
    text = tmp_path / "text.db"
    text.write_text("hello\n" * 400, "utf-8")
    ran = run("status", "--database", str(text))
    assert ran.code == 1
    assert "not a database" in ran.err


def test_a_running_daemon_is_not_in_the_way(fresh: World) -> None:
    daemon = Store(f"sqlite:///{fresh.database}")
    daemon.hold("the daemon")
    try:
        for look in LOOKS:
            assert fresh.run(*look).code == 0
        held = fresh.once(START + timedelta(hours=1))
    finally:
        daemon.close()
    assert held.code == 75
    assert "the daemon" in held.err


# ------------------------------------------------------------------ what is wrong
def problems(ran_world: World, at: str = NOW) -> str:
    ran = ran_world.run("status", "--at", at)
    assert ran.code == 1, ran.out
    return ran.out


def test_a_daemon_that_does_not_run_is_noticed(seen: World) -> None:
    out = problems(seen, "2026-03-11T12:00")
    assert "was not polled since 2026-03-10 07:0" in out
    assert "systemctl status alerter" in out


def test_a_login_that_fails_is_noticed_with_what_to_do(fresh: World) -> None:
    fresh.env["CLI_PASSWORD"] = "wrong"
    failed = fresh.once(START + timedelta(minutes=30))
    assert failed.code == 1
    out = problems(fresh, "2026-03-10T06:31")
    assert "account prod fails since 2026-03-10 06:30 UTC" in out
    assert "username and password" in out


def test_a_message_that_was_given_up_is_noticed_and_can_be_sent_again(fresh: World) -> None:
    with sqlite3.connect(fresh.database) as connection:
        connection.execute("UPDATE message SET state = 'dead', last_error = 'no such channel' WHERE id = 1")
    connection.close()
    assert "1 message could not be delivered and was given up" in problems(fresh, "2026-03-10T06:01")
    dead = fresh.run("outbox", "--state", "dead")
    assert "no such channel" in dead.out
    assert fresh.run("outbox", "--resend", "1").code == 0
    assert fresh.run("outbox", "--resend", "1").code == 2
    assert fresh.run("outbox", "--state", "pending", "--format", "json").json["counts"]["pending"] == 1


# ------------------------------------------------------------------ acting
def test_an_acknowledged_alert_is_shown_as_such_until_undone(fresh: World) -> None:
    alert = fresh.run("alerts", "--format", "json").json["alerts"][0]
    assert fresh.run("ack", alert["fingerprint"][:12]).code == 0
    shown = fresh.run("alerts", "--format", "json").json["alerts"][0]
    assert shown["acked_level"] == alert["level"]
    assert "acked" in fresh.run("alerts", columns=120).out
    assert fresh.run("ack", alert["fingerprint"][:12], "--undo").code == 0
    assert fresh.run("alerts", "--format", "json").json["alerts"][0]["acked_level"] is None


def test_an_acknowledgement_stops_reminders(fresh: World) -> None:
    capped = fresh.run("alerts", "--rule", "contract-cap", "--format", "json").json["alerts"]
    critical = next(one for one in capped if one["severity"] == "critical")
    assert fresh.run("ack", critical["fingerprint"]).code == 0
    later = fresh.once(START + timedelta(days=2), "--format", "json")
    assert later.code == 0, later.err
    reasons = [
        one["reason"]
        for one in fresh.run("history", "--alert", critical["fingerprint"], "--format", "json").json["events"]
    ]
    assert "reminder" not in reasons


def test_a_silence_lasts_as_long_as_said_and_can_be_ended(fresh: World) -> None:
    began = datetime.now(UTC)
    added = fresh.run(
        "silence", "add", "rule=user-cap", "user=~.*", "--for", "14d", "--comment", "import", "--author", "anna"
    )
    assert added.code == 0, added.err
    one = fresh.run("silence", "list", "--format", "json").json["silences"][0]
    assert one["matchers"] == ["rule=user-cap", "user=~.*"]
    assert (one["active"], one["author"], one["comment"]) == (True, "anna", "import")
    assert timedelta(days=14) <= datetime.fromisoformat(one["ends_at"]) - began < timedelta(days=14, minutes=5)
    assert one["matches"] >= 1
    assert fresh.run("silence", "end", str(one["id"])).code == 0
    assert fresh.run("silence", "list", "--format", "json").json["silences"] == []
    assert fresh.run("silence", "list", "--all", "--format", "json").json["silences"][0]["active"] is False
    assert fresh.run("silence", "end", str(one["id"])).code == 2


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("rule=spike", "--for", "91d"), "at most 90 days"),
        (("rule=spike", "--for", "0s"), "out of range"),
        (("rule=spike", "--for", "soon"), "is not a duration"),
        (("rule", "--for", "1d"), "is not a matcher"),
        (("rule=~[", "--for", "1d"), "not a regular expression"),
        (("--for", "1d"), "MATCHERS"),
    ],
)
def test_a_silence_that_cannot_be_is_refused_with_the_reason(seen: World, args: tuple[str, ...], told: str) -> None:
    refused = seen.run("silence", "add", *args, "--comment", "c")
    assert refused.code == 2
    assert told in refused.err


def test_the_silence_command_of_a_message_works_as_it_stands(fresh: World) -> None:
    for path in fresh.folder.glob("state.db*"):  # the lock file too: it knows that there was a database
        path.unlink()
    out = fresh.once(START).out
    line = next(line for line in out.splitlines() if line.startswith("Silence: alerter "))
    ran = fresh.run(*line.removeprefix("Silence: alerter ").split())
    assert ran.code == 0, ran.err
    assert "it fits" in ran.out
    assert "fits 0 " not in ran.out
