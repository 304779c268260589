"""No traceback, no secret and no terminal escape leaves the command line, and `--help` is quick and helpful."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from alerter.cli.commands import version
from alerter.cli.main import COMMANDS, cli
from tests.cli_world import PASSWORD, START, World, run, world

HEAVY = ("sqlalchemy", "alembic", "apprise", "numpy", "pydantic", "apscheduler", "requests", "rich", "yaml", "jinja2")


def program(*args: str, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "alerter", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more,  # type: ignore[call-overload]
    )  # fmt: skip


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("boundary")) as made:
        yield made


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from alerter.cli.main import cli
try:
    cli.main(["--help"])
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr.strip() == "[]"


def test_help_answers_at_once() -> None:
    def took() -> float:
        """Processor time: what it takes on a machine that is not busy with other tests."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "alerter", "--help"], capture_output=True, check=True, timeout=30)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(took() for _ in range(5)) <= 0.25


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", sub) for inner, sub in command.commands.items())


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_says_what_it_does_with_an_example_and_a_word_on_each_option(name: str) -> None:
    command = dict(commands())[name]
    shown = run(*name.split(), "--help")
    assert shown.code == 0
    assert f"alerter {name.split(maxsplit=1)[0]}" in shown.out.partition("Example")[2], "an example that can be typed"
    assert max(len(line) for line in shown.out.splitlines()) <= 100
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts[0]} has no help"


def test_the_list_of_commands_is_whole_and_fits() -> None:
    shown = run("--help").out
    for name in COMMANDS:
        assert f"\n  {name} " in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "..." not in shown.partition("Try it:")[2], "a summary was cut short"


def test_without_a_command_the_help_is_shown() -> None:
    shown = run()
    assert shown.code == 2
    assert "alerter demo" in shown.out


def test_a_mistyped_command_is_answered_with_the_nearest_one() -> None:
    refused = run("statsu")
    assert refused.code == 2
    assert "Did you mean 'status'?" in refused.err


def test_each_problem_of_a_config_stands_on_its_own_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("accounts:\n  - {name: a, usernme: x}\npoll: {every: soon}\nchannels: {}\n", "utf-8")
    refused = run("check", "--config", str(bad), "--offline")
    assert refused.code == 2
    lines = refused.err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith(f"{bad}:") for line in lines)
    assert any("did you mean 'username'" in line for line in lines)


def test_without_any_config_it_says_where_one_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALERTER_CONFIG", raising=False)
    refused = run("status")
    assert refused.code == 2
    assert "/etc/alerter/alerter.yaml" in refused.err
    assert "alerter init" in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_bug_is_one_line_and_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ValueError("two\nlines \x1b[31m")

    monkeypatch.setattr(version, "version_line", broken)
    told = run("version")
    assert told.code == 70
    assert len(told.err.splitlines()) == 1
    assert "internal error: ValueError: two lines [31m; please report it; run with --debug" in told.err
    for args in (("--debug", "version"), ("version", "--debug")):
        shown = run(*args)
        assert shown.code == 70
        assert "test_cli_boundary.py" in shown.err
        assert "\x1b" not in shown.err


def test_a_traceback_holds_no_secret(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(f"login with {PASSWORD} failed")

    monkeypatch.setattr("alerter.app.plan.build_plan", broken)
    for args in (("check",), ("check", "--debug")):
        told = there.run(*args)
        assert told.code == 70
        assert PASSWORD not in told.err
        assert "login with" in told.err


def test_a_reader_that_goes_away_is_no_error() -> None:
    with program("schema") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.wait(timeout=30) == 141
        assert running.stderr.read() == ""


def test_a_terminal_without_the_letters_ends_nothing(there: World) -> None:
    assert there.once(START).code == 0
    done = subprocess.run(
        [sys.executable, "-m", "alerter", "status", "--database", str(there.database)],
        capture_output=True, timeout=30, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode in (0, 1)
    assert done.stderr == b""
    assert b"OPERATIONS_FILE" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_is_interrupted_in_the_middle_of_a_call_that_never_ends(tmp_path: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = tmp_path / "alerter.yaml"
        config.write_text(
            f"accounts: [{{name: a, base_url: 'http://127.0.0.1:{port}', token: {PASSWORD}}}]\n"
            "channels: {s: {url: 'console://'}}\nrules: [{id: e, kind: contract_end}]\n",
            "utf-8",
        )
        running = program("once", "--config", str(config))
        silent.settimeout(20)
        call, _ = silent.accept()
        with call:
            running.send_signal(number)
            out, err = running.communicate(timeout=10)
    assert running.returncode == 130
    assert "Traceback" not in out + err
