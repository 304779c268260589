"""`alerter doctor` in front of what it must recognise: a healthy installation, and each part broken in turn."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from alerter.store import Store
from tests.cli_world import START, Ran, World, world
from tests.plain_leaf import PlainContract, PlainLeaf
from tests.sinks import HttpSink, Reply


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A database after one poll; tests that change it take a copy."""
    with world(tmp_path_factory.mktemp("doctor")) as made:
        assert made.once(START).code == 0
        yield made


@pytest.fixture
def own(polled: World, tmp_path: Path) -> World:
    shutil.copy(polled.config, tmp_path / "alerter.yaml")
    shutil.copy(polled.database, tmp_path / "state.db")
    return World(tmp_path, polled.server, polled.clock, dict(polled.env))


def states(ran: Ran) -> dict[str, str]:
    assert ran.out, ran.err
    return {one["name"]: one["state"] for one in ran.json["checks"]}


def check(ran: Ran, name: str) -> dict[str, str]:
    found: dict[str, str] = next(one for one in ran.json["checks"] if one["name"] == name)
    return found


def test_a_healthy_installation_is_told_in_order(polled: World) -> None:
    ran = polled.run("doctor", "--format", "json")
    assert ran.code == 0, ran.out
    found = states(ran)
    assert "fail" not in found.values()
    order = ["config", "secrets", "database", "disk", "daemon", "login prod", "clock prod", "outbox", "channel screen"]
    assert [name for name in found if name in order] == order
    assert found["login prod"] == found["clock prod"] == found["channel screen"] == "ok"
    assert found["meaning prod OPERATIONS_FILE (US)"] == "ok"
    assert found["data prod Boundaries"] == "ok"
    assert all(one["do"] for one in ran.json["checks"] if one["state"] != "ok")


@pytest.mark.parametrize("columns", [60, 80])
def test_each_check_is_a_line_with_its_cure_below(polled: World, columns: int) -> None:
    out = polled.run("doctor", "--offline", columns=columns).out
    lines = out.splitlines()
    assert max(len(line) for line in lines) <= columns
    assert lines[0].startswith("ok    config: ")
    assert all(line.split()[0] in ("ok", "warn", "fail", ">") or line.startswith("      ") for line in lines)
    assert "warn  daemon: no daemon holds the database" in out
    assert "login" not in out, "offline asks nobody"


def test_nothing_is_sent_unless_asked_for(own: World) -> None:
    with closing(HttpSink()) as sink:
        address = sink.url.replace("http://", "json://")
        own.config.write_text(own.config.read_text("utf-8").replace("console://", address), "utf-8")
        assert own.run("doctor", "--offline").code == 0
        assert sink.requests == []
        ran = own.run("doctor", "--offline", "--send", "--format", "json")
        assert check(ran, "channel screen")["what"].endswith("test accepted")
        assert len(sink.requests) == 1
        sink.replies.append(Reply(status=403))
        refused = own.run("doctor", "--offline", "--send", "--format", "json")
        assert (refused.code, states(refused)["channel screen"]) == (1, "fail")


def test_a_refused_login_fails_with_what_to_do(own: World) -> None:
    own.env["CLI_PASSWORD"] = "wrong-password-1"
    ran = own.run("doctor", "--format", "json")
    assert ran.code == 1
    assert check(ran, "login prod")["state"] == "fail"
    assert "username and password" in check(ran, "login prod")["do"]
    assert "wrong-password-1" not in ran.out


def test_unreadable_secrets_leave_the_rest_to_be_checked(own: World) -> None:
    own.env["CLI_PASSWORD"] = None
    ran = own.run("doctor", "--format", "json")
    assert ran.code == 1
    found = states(ran)
    assert (found["config"], found["secrets"], found["database"], found["outbox"]) == ("ok", "fail", "ok", "ok")
    assert not any(name.startswith(("login", "channel")) for name in found)


def test_a_broken_config_does_not_hide_a_named_database(own: World) -> None:
    own.config.write_text("accounts: [", "utf-8")
    ran = own.run("doctor", "--database", str(own.database), "--format", "json")
    assert ran.code == 1
    assert (states(ran)["config"], states(ran)["database"]) == ("fail", "ok")


def test_a_damaged_database_fails(own: World) -> None:
    whole = own.database.read_bytes()
    with own.database.open("r+b") as file:
        file.seek(len(whole) // 2)
        file.write(b"\xff" * 8192)
    ran = own.run("doctor", "--offline", "--format", "json")
    assert ran.code == 1
    assert states(ran)["database"] == "fail"
    assert "backup" in check(ran, "database")["do"] + check(ran, "database")["what"]


def test_a_database_that_is_not_there_fails(own: World) -> None:
    own.database.unlink()
    ran = own.run("doctor", "--offline", "--format", "json")
    assert (ran.code, states(ran)["database"]) == (1, "fail")
    assert not own.database.exists()


def test_who_holds_the_database_is_named_without_touching_the_lock(own: World) -> None:
    store = Store(f"sqlite:///{own.database}")
    store.hold("the night shift")
    try:
        ran = own.run("doctor", "--offline", "--format", "json")
    finally:
        store.close()
    assert states(ran)["daemon"] == "ok"
    assert "the night shift" in check(ran, "daemon")["what"]
    assert states(own.run("doctor", "--offline", "--format", "json"))["daemon"] == "warn"


@pytest.mark.parametrize(("off", "state"), [(10, "ok"), (-60, "warn"), (3600, "fail")])
def test_a_clock_that_is_off_is_noticed(own: World, monkeypatch: pytest.MonkeyPatch, off: int, state: str) -> None:
    term = PlainContract("c-1", "X", START.date(), None, {})
    with PlainLeaf([term], START.date()) as leaf:

        def then(_handler: object, _at: float | None = None) -> str:
            return format_datetime(datetime.now(UTC) + timedelta(seconds=off), usegmt=True)

        monkeypatch.setattr(leaf._server.RequestHandlerClass, "date_time_string", then)
        text = own.config.read_text("utf-8").replace(own.server.url, leaf.url)
        own.config.write_text(text, "utf-8")
        own.env["CLI_PASSWORD"] = leaf.password
        ran = own.run("doctor", "--format", "json")
    assert check(ran, "clock prod")["state"] == state
    assert ran.code == (1 if state == "fail" else 0)
