"""docs/interface.md says of the program what is true; UPDATE_DOCS=1 rewrites the parts that are made from it."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from alerter import errors
from alerter.cli import exits
from alerter.cli.keys import key_table
from alerter.cli.main import COMMANDS, cli
from alerter.config import json_schema
from tests.cli_world import START, World, world

PAGE = Path(__file__).parents[2] / "docs" / "interface.md"
FREE = ("alerts[].labels", "alerts[].figures")  # mappings whose keys are data
UNSHOWN = {"--help", "--debug"}  # every command has them
DOCUMENTS = {
    "status": ("status", "--at", "2026-03-11T06:10"),
    "contracts": ("contracts", "--all"),
    "usage": ("usage", "OPERATIONS_FILE", "--user", "Prairie"),
    "doctor": ("doctor", "--offline"),
    "alerts": ("alerts", "--all"),
    "history": ("history",),
    "outbox": ("outbox",),
    "silence list": ("silence", "list"),
}


# ------------------------------------------------------------------ the parts made from the program
def command_table() -> str:
    lines = ["| Command | Options |", "| --- | --- |"]
    for name, command in commands():
        words = [
            name,
            *(argument.make_metavar(click.Context(command)) for argument in of_kind(command, click.Argument)),
        ]
        options = sorted(max(one.opts, key=len) for one in of_kind(command, click.Option))
        shown = ", ".join(f"`{option}`" for option in options if option not in UNSHOWN)
        lines.append(f"| `{' '.join(words)}` | {shown or '–'} |")
    return "\n".join(lines)


def of_kind(command: click.Command, kind: type[click.Parameter]) -> list[Any]:
    return [one for one in command.params if isinstance(one, kind)]


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", sub) for inner, sub in command.commands.items())
        elif command is not None:
            yield name, command


def exit_table() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in exits.MEANINGS.items()]
    return "\n".join(["| Code | Meaning |", "| --- | --- |", *rows])


MADE = {"commands": command_table, "exit-codes": exit_table, "config-keys": lambda: key_table(json_schema())}


@pytest.mark.parametrize("part", MADE)
def test_what_is_made_from_the_program_is_up_to_date(part: str) -> None:
    text = PAGE.read_text("utf-8")
    begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
    assert text.count(begin) == text.count(end) == 1
    before, _, rest = text.partition(begin)
    written, _, after = rest.partition(end)
    made = MADE[part]() + "\n"
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(before + begin + made + end + after, "utf-8")
        written = made
    assert written == made, "run: UPDATE_DOCS=1 pytest tests/docs/test_interface.py, and read what it changed"


# ------------------------------------------------------------------ exit codes
def test_every_error_ends_with_a_documented_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AlerterError)]
    assert len(kinds) > 10
    assert {kind.exit_code for kind in kinds} <= set(exits.MEANINGS)


# ------------------------------------------------------------------ environment variables
def test_every_environment_variable_that_is_read_is_listed() -> None:
    listed = set(re.findall(r"`([A-Z_]{6,})`", section("Environment variables")))
    read = set()
    for file in (PAGE.parents[1] / "alerter").rglob("*.py"):
        if file.name == "demo.py":  # its variables carry the demo's own config
            continue
        text = file.read_text("utf-8")
        read |= set(re.findall(r"""env(?:iron)?(?:\.get\(|\[)\s*["']([A-Z_]{6,})["']""", text))
        read |= set(re.findall(r"""(?:envvar=|VARIABLE = )["']([A-Z_]{6,})["']""", text))
    assert {"ALERTER_CONFIG", "ALERTER_DATABASE", "STATE_DIRECTORY", "NOTIFY_SOCKET"} <= read
    assert read <= listed


# ------------------------------------------------------------------ documents
@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An account with everything in its database: alerts of users and contracts, messages in all states, silences."""
    with world(tmp_path_factory.mktemp("interface")) as made:
        assert made.once(START).code == 0
        assert made.once(START + timedelta(days=1)).code == 0
        assert made.run("silence", "add", "rule=user-cap", "--for", "1d", "--comment", "c").code == 0
        with sqlite3.connect(made.database) as connection:
            connection.execute("UPDATE message SET state = 'dead', last_error = 'no' WHERE id = 1")
            connection.execute("UPDATE message SET state = 'pending' WHERE id = 2")
            connection.execute(
                "INSERT INTO journal (key, value, at) SELECT 'config', ?, at FROM journal LIMIT 1",
                ('{"rejected": ["alerter.yaml:1:1 wrong"]}',),
            )
        connection.close()
        yield made


def section(title: str) -> str:
    text = PAGE.read_text("utf-8")
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def documented(title: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE))


def fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every leaf of a document; keys that are data are NAME."""
    if path in FREE:
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            name = "NAME" if path.endswith(".told") else key
            yield from fields(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, f"{path}[]")
    else:
        yield path


def compare(title: str, document: Mapping[str, Any]) -> None:
    assert document["schema"] == 1
    # None stands for a mapping too, where there is none: `user` instead of `user.id`
    listed = documented(title)
    parents = {path.rpartition(".")[0] for path in listed}
    real = {path for path in fields(document) if path not in parents}
    assert real == listed


@pytest.mark.parametrize("title", DOCUMENTS)
def test_each_document_has_the_documented_fields_and_no_others(lived: World, title: str) -> None:
    compare(title, lived.run(*DOCUMENTS[title], "--format", "json").json)


def test_the_document_of_once_has_the_documented_fields_and_no_others(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        compare("once", made.once(START, "--format", "json").json)


def test_every_command_with_json_is_documented() -> None:
    asked = {name for name, command in commands() for one in of_kind(command, click.Option)
             if "--format" in one.opts and "json" in one.type.choices and name != "schema"}  # fmt: skip
    assert asked == {*DOCUMENTS, "once"}


# ------------------------------------------------------------------ delivery keys
def test_a_delivery_key_is_made_as_documented(lived: World) -> None:
    shape = re.compile(r"[0-9a-f]{32}:\d+:(firing|escalated|reminder|resolved|closed):[0-9.e+]+:\d+:.+")
    messages = lived.run("outbox", "--format", "json").json["messages"]
    assert messages
    for message in messages:
        assert shape.fullmatch(message["key"])
        assert message["key"].endswith(f":{message['recipient']}")
    alerts = {one["fingerprint"] for one in lived.run("alerts", "--all", "--format", "json").json["alerts"]}
    assert {message["key"].partition(":")[0] for message in messages} <= alerts
