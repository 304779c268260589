"""Reading a scenario from YAML, with every mistake named by line, column and path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from alerter.errors import ConfigError, Problem
from alerter.sandbox.scenario import Scenario

_SIZE_CAP = 4 * 1024 * 1024
_ELSEWHERE = re.compile(r"(contracts|events)\[(\d+)\]: (.*)", re.DOTALL)
_SENTENCES = {"missing": "is missing", "extra_forbidden": "is not known here"}


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file; raise ConfigError naming everything that is wrong with it."""
    try:
        text = path.read_bytes()[: _SIZE_CAP + 1].decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", "is not UTF-8 text")]) from error
    return parse_scenario(text, name=str(path))


def demo_scenario() -> Scenario:
    """Return the story that the demo tells; it starts at its `start` and is over after its `days`."""
    source = files("alerter.sandbox").joinpath("demo.yaml")
    return parse_scenario(source.read_text(encoding="utf-8"), name="demo.yaml")


def parse_scenario(text: str, *, name: str) -> Scenario:
    """Read a scenario from YAML text that is called `name` in errors; raise ConfigError."""
    if len(text) > _SIZE_CAP:
        raise ConfigError([Problem(name, 0, 0, "", "is larger than 4 MiB")])
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        twice = list(_repeated_keys(root, name, ())) if root else []
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([_yaml_problem(error, name)]) from error
    except ValueError as error:  # PyYAML lets dates such as 2026-02-31 through to datetime
        raise ConfigError([Problem(name, 0, 0, "", f"holds something impossible: {error}")]) from error
    if twice:
        raise ConfigError(twice)
    if not isinstance(document, dict):
        raise ConfigError([Problem(name, 1, 1, "", "is not a scenario: write keys such as start: and contracts:")])
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        problems = [_problem(each, root, name) for each in error.errors()]
        raise ConfigError(sorted(problems)) from error


def _yaml_problem(error: yaml.YAMLError, name: str) -> Problem:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    said = error.problem if isinstance(error, yaml.MarkedYAMLError) and error.problem else str(error)
    return Problem(name, line, column, "", f"is not YAML: {said}")


def _repeated_keys(node: Any, name: str, path: tuple[Any, ...]) -> Iterator[Problem]:
    """Yield a problem for each key that is there twice, which YAML forbids and PyYAML lets through."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                mark = key.start_mark
                yield Problem(name, mark.line + 1, mark.column + 1, _written((*path, key.value)), "is there twice")
            seen.add(key.value)
            yield from _repeated_keys(value, name, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _repeated_keys(value, name, (*path, number))


def _problem(error: Any, root: Any, name: str) -> Problem:
    """Turn pydantic's error into ours, at the place of the deepest part of its path that the file has."""
    node: Any = root
    path: list[str | int] = []
    message = error["msg"].removeprefix("Value error, ")
    steps = list(error["loc"])
    if match := _ELSEWHERE.fullmatch(message):  # what only the whole scenario can tell names its part itself
        steps, message = [match[1], int(match[2])], match[3]
    for step in steps:
        found = _child(node, step)
        if found is not None:
            node = found
            path.append(step)
        elif error["type"] == "missing" and step == steps[-1]:
            path.append(step)
    message = _SENTENCES.get(error["type"], message)
    return Problem(name, node.start_mark.line + 1, node.start_mark.column + 1, _written(path), message)


def _child(node: Any, step: Any) -> Any:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    return None


def _written(path: Any) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
