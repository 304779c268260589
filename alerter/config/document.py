"""YAML as a tree of plain values in which every place knows its line and column.

The syntax is YAML 1.2 as people read it: scalars stay text (`no`, `on`, `12:30`, `010`, `1e6` mean what the key they
stand under makes of them), only an empty value, `~` and `null` are null.  Refused, each with its place: anchors,
aliases, merge keys, tags, duplicate keys, several documents, control characters, more than 1 MiB or 20 levels.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from alerter.config.values import Scalar
from alerter.errors import ConfigError, Problem

Path = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, from 1

MAX_BYTES = 1 << 20
MAX_DEPTH = 20

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster; both make the same events
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_NULL = ("", "~", "null", "Null", "NULL")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}|\$\{")


@dataclass(slots=True)
class Document:
    """A parsed file: `root` holds dicts, lists, Scalars and None; `problems` what is wrong with it so far.

    `broken` are the places whose value is lost already, so that nobody complains about them twice.
    """

    file: str
    root: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    broken: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Return where the value (or the key) at `path` is written, or the nearest place around it."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (0, 0))

    def complain(self, path: Path, message: str, *, key: bool = False) -> None:
        """Add a problem at `path`, unless what stands there is broken already."""
        if not any(path[:length] in self.broken for length in range(len(path) + 1)):
            self.problems.append(self.problem(path, message, key=key))

    def problem(self, path: Path, message: str, *, key: bool = False) -> Problem:
        """Return a problem at `path`; the path it names may go on below what is written."""
        line, column = self.place(path, key=key)
        for length in range(1, len(path)):
            if isinstance(self._written(path[:length]), Scalar):  # a plain value in place of a mapping or a list
                path = path[:length]
                break
        return Problem(self.file, line, column, path_text(path), message)

    def _written(self, path: Path) -> Any:
        try:
            return self.at(path)
        except KeyError:
            return None

    def at(self, path: Path) -> Any:
        """Return the value at `path`; raise KeyError where nothing is written."""
        value = self.root
        for step in path:
            if not isinstance(value, (dict, list)):
                raise KeyError(step)
            try:
                value = value[step]  # type: ignore[index]  # a list takes the int, a dict the str
            except (IndexError, TypeError):
                raise KeyError(step) from None
        return value


def path_text(path: Path) -> str:
    """Write a path the way people do: `rules[0].cap`; strange keys come quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _NAME.fullmatch(step):
            text += f".{step}" if text else step
        else:
            short = step if len(step) <= 60 else step[:57] + "…"
            text += f"[{short!a}]"
    return text


def parse(raw: bytes, file: str, env: Mapping[str, str]) -> Document:
    """Parse a whole file; raise ConfigError when its syntax, size or characters leave nothing to go on with."""
    text = _decode(raw, file)
    document = Document(file)
    try:
        _Reader(document, text, env).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise ConfigError([Problem(file, line, column, "", _syntax_words(error, text, line))]) from None
    except yaml.YAMLError:
        raise ConfigError([Problem(file, 0, 0, "", "is not YAML")]) from None
    return document


def _decode(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(file, 0, 0, "", "is larger than 1 MiB; this cannot be a config")])
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line, column = _place_of(raw[: error.start].decode("utf-8"))
        message = f"is not UTF-8 text (byte 0x{raw[error.start]:02x}); save the file as UTF-8"
        raise ConfigError([Problem(file, line, column, "", message)]) from None
    found = [Problem(file, *_place_of(text[: hit.start()]), "", _unwritable_words(hit[0]))
             for hit, _ in zip(_UNWRITABLE.finditer(text), range(20), strict=False)]  # fmt: skip
    if found:
        raise ConfigError(found)
    return text


def _place_of(before: str) -> Place:
    lines = re.split(r"\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1


def _unwritable_words(character: str) -> str:
    name = unicodedata.name(character, "control character")
    return f"holds the character U+{ord(character):04X} ({name.lower()}), which does not belong in a config"


def _syntax_words(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = re.split(r"\r\n|\r|\n", text)
    hint = ""
    if 0 < line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]:
        hint = "; indent with spaces, not with tabs"
    since = f" ({error.context} that starts at line {error.context_mark.line + 1})" if error.context_mark else ""
    return f"the YAML syntax is broken: {error.problem}{since}{hint}"


class _Reader:
    """Turns the parser's events into a Document's tree."""

    def __init__(self, document: Document, text: str, env: Mapping[str, str]) -> None:
        self._document = document
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._env = env

    def read(self) -> None:
        """Fill the document; raise ConfigError for an empty file, another root than a mapping, or a second document."""
        document = self._document
        event = self._next(yaml.StreamStartEvent)
        if isinstance(event, yaml.StreamEndEvent):
            raise ConfigError([Problem(document.file, 1, 1, "", "is empty; `alerter init` writes a commented example")])
        first = next(self._events)
        if not isinstance(first, yaml.MappingStartEvent):
            what = {yaml.SequenceStartEvent: "a list", yaml.AliasEvent: "an alias"}.get(type(first), "a single value")
            raise ConfigError([Problem(document.file, *_start(first), "", f"must be a mapping of keys, found {what}")])
        document.root = self._node(first, ())
        event = self._next(yaml.DocumentEndEvent)
        if not isinstance(event, yaml.StreamEndEvent):
            message = "a second YAML document starts here; one file is one config"
            document.problems.append(Problem(document.file, *_start(event), "", message))

    def _next(self, *skip: type) -> Any:
        event = next(self._events)
        return next(self._events) if isinstance(event, skip) else event

    def _node(self, event: Any, path: Path) -> Any:
        document = self._document
        document.values[path] = _start(event)
        if len(path) > MAX_DEPTH:
            raise ConfigError([*document.problems, document.problem(path, "is nested deeper than 20 levels")])
        if isinstance(event, yaml.AliasEvent):
            self._lost(path, f"aliases (*{event.anchor}) are not allowed; write the value out")
            return None
        if event.anchor is not None:
            document.complain(path, f"anchors (&{event.anchor}) are not allowed; write each value where it is used")
        if event.tag is not None:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            document.complain(path, f"tags ({ascii(shown)[1:-1][:60]}) are not allowed; write the plain value")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event, path)

    def _lost(self, path: Path, message: str) -> None:
        self._document.complain(path, message)
        self._document.broken.add(path)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        document = self._document
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = _start(event)
            key, message = self._key(event)
            if not message and key in pairs:
                message = f"duplicate key {key!r} (first at line {document.keys[(*path, key)][0]})"
            if message:
                document.problems.append(Problem(document.file, *place, path_text((*path, key)), message))
                self._skip(next(self._events))
                continue
            document.keys[(*path, key)] = place
            pairs[key] = None  # so that a duplicate inside the value finds the key taken
            pairs[key] = self._node(next(self._events), (*path, key))
        return pairs

    def _key(self, event: Any) -> tuple[str, str]:
        """Return the key and, where it cannot be one, what is wrong with it."""
        if isinstance(event, yaml.AliasEvent):
            return f"*{event.anchor}", "aliases are not allowed; write the key out"
        if not isinstance(event, yaml.ScalarEvent):
            self._skip(event)
            return "?", "a key must be a single word, found a list or a mapping"
        key = event.value
        if event.implicit[0] and key == "<<":
            return key, "merge keys (<<) are not allowed; write the values out"
        if event.anchor is not None or event.tag is not None:
            return key, "anchors and tags are not allowed"
        if why := _why_unfit(key):
            return key, f"the key {why}"
        return key, "" if key.strip() else "a key is missing before the colon"

    def _skip(self, event: Any) -> None:
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth <= 0:
                return
            event = next(self._events)

    def _scalar(self, event: Any, path: Path) -> Scalar | None:
        text: str = event.value
        if event.implicit[0] and text in _NULL:
            return None
        try:
            value = _REFERENCE.sub(self._fill, text)
        except LookupError as error:
            self._lost(path, str(error.args[0]))
            return None
        if why := _why_unfit(value):
            self._lost(path, f"the value {why}")
            return None
        return Scalar(value, text)

    def _fill(self, match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name = (match[1] or "").removeprefix("env:")
        if not (match[1] or "").startswith("env:") or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise LookupError("only ${env:NAME} can be filled in here; write $$ for a dollar sign")
        value = self._env.get(name)
        if value is None:
            raise LookupError(f"the environment variable {name} is not set")
        return value


def _start(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


_UNFIT = {"Cc": "a control character", "Zl": "a line break", "Zp": "a line break", "Cs": "half a character"}
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _why_unfit(text: str) -> str:
    """Say which character of a string does not belong in it: controls, line breaks, writing-direction marks."""
    if text.isascii() and text.isprintable():
        return ""
    for character in text:
        if character in "\r\n":
            return "holds a line break"
        kind = _UNFIT.get(unicodedata.category(character), "")
        if kind or character in _BIDI:
            return f"holds {kind or 'a mark that turns the writing direction'} (U+{ord(character):04X})"
    return ""
