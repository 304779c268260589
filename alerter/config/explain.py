"""Turns pydantic's errors into problems with a place in the file and words for people."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from alerter.config.document import Document, Path
from alerter.config.rule_schema import RULE_KINDS
from alerter.config.schema import Config
from alerter.config.values import Complaint, closest, listed, shown

# What people call a key that is named otherwise here.
_OTHER_NAMES = {
    "type": "kind", "name": "id", "limit": "cap", "quota": "cap", "threshold": "tiers", "thresholds": "tiers",
    "percent": "at", "interval": "every", "repeat": "remind", "channel": "to", "receivers": "to", "receiver": "to",
    "timezone": "zone", "tz": "zone", "filter": "match", "matchers": "match", "user": "username", "webhook": "url",
    "address": "url", "disabled": "enabled", "email": "username", "when": "match", "window": "per", "db": "database",
}  # fmt: skip
_SUGGESTIONS = 200  # unknown keys that get a suggestion: comparing words is slow, and nobody reads more


def explain(error: ValidationError, document: Document, under: Path = ()) -> None:
    """Add every problem of a validation (of the part at `under`) to the document's, in words and with positions."""
    suggested = 0
    for one in error.errors(include_input=False, include_url=False):
        path = (*under, *one["loc"]) if under else _path_of(one["loc"])
        if one["type"] == "extra_forbidden":
            suggested += 1
            document.complain(path, _unknown_key(path, document, suggest=suggested <= _SUGGESTIONS), key=True)
        elif one["type"] == "wrong" and "complaints" in one["ctx"]:
            _complain_all(document, path, one["ctx"]["complaints"])
        elif one["type"] == "union_tag_invalid":
            _unknown_kind(path, document)
        else:
            _complain(document, path, _message(one, path, document))


def _complain_all(document: Document, path: Path, complaints: Iterable[Complaint]) -> None:
    moved: set[Path] = set()  # one word about each place that stands in for others
    for steps, message, instead in complaints:
        place = _down(path, steps)
        if instead is not None and place not in document.values:
            place = _down(path, instead)
            if place in moved:
                continue
            moved.add(place)
        _complain(document, place, message)


def _unknown_kind(path: Path, document: Document) -> None:
    """Name the kind that was meant, and go on checking the rule as if it were of that kind."""
    rule = document.at(path)
    kind = rule["kind"]
    if not isinstance(kind, str):
        document.complain((*path, "kind"), f"expected one of {', '.join(RULE_KINDS)}")
        return
    near = closest(kind, RULE_KINDS) or f", expected one of {', '.join(RULE_KINDS)}"
    document.complain((*path, "kind"), f"unknown kind {shown(kind)}{near}")
    model = kind_meant(rule)
    if model is not None:
        try:
            model.model_validate({**rule, "kind": next(name for name, one in RULE_KINDS.items() if one is model)})
        except ValidationError as error:
            explain(error, document, path)


def _complain(document: Document, path: Path, message: str) -> None:
    if path and path[-1] == "[key]":
        document.complain(path[:-1], message, key=True)
    else:
        document.complain(path, message)


def _path_of(loc: tuple[str | int, ...]) -> Path:
    """Return the place in the file for a location in the model: without the tag of the rule's kind."""
    if len(loc) > 2 and loc[0] == "rules" and loc[2] in RULE_KINDS:
        return (*loc[:2], *loc[3:])
    return loc


def _down(path: Path, steps: Path) -> Path:
    for step in steps:
        path = path[:-1] if step == ".." else (*path, step)
    return path


# ------------------------------------------------------------------ words
_SHAPES = {
    "model_type": "a mapping of keys", "model_attributes_type": "a mapping of keys", "dict_type": "a mapping",
    "tuple_type": "a list", "list_type": "a list", "string_type": "text",
}  # fmt: skip


def _message(error: Any, path: Path, document: Document) -> str:
    kind = error["type"]
    if kind == "wrong":
        return str(error["ctx"]["message"])
    if kind == "missing":
        return "is missing"
    if kind in _SHAPES:
        return f"expected {_SHAPES[kind]}, found {_shape_of(path, document)}"
    if kind == "union_tag_not_found":
        return _missing_kind(path, document)
    return str(error["msg"])


def _shape_of(path: Path, document: Document) -> str:
    try:
        value = document.at(path)
    except KeyError:
        return "nothing"
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value), "a single value")


def _missing_kind(path: Path, document: Document) -> str:
    if _shape_of(path, document) != "a mapping":
        return f"expected a mapping with id and kind, found {_shape_of(path, document)}"
    return f"kind is missing, expected one of {', '.join(RULE_KINDS)}"


def _unknown_key(path: Path, document: Document, *, suggest: bool) -> str:
    key = str(path[-1])
    if not suggest:
        return "unknown key"
    allowed = list(_keys_at(path[:-1], document))
    kinds = [kind for kind, model in RULE_KINDS.items() if key in model.model_fields]
    if path[0] == "rules" and len(path) == 3 and kinds:
        return f"unknown key here; {key} belongs to rules of kind {' or '.join(kinds)}"
    by_name = _OTHER_NAMES.get(key.lower(), "")
    near = f", did you mean {by_name!r}?" if by_name in allowed else closest(key, allowed)
    if near:
        return f"unknown key{near}"
    return f"unknown key, expected {'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}"


def _keys_at(path: Path, document: Document) -> Iterator[str]:
    """Yield the keys that the mapping at `path` may have."""
    at: Any = Config
    for index, step in enumerate(path):
        at = _step_into(at, step, path[: index + 1], document)
    model = _bare(at)
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            yield field.alias or name


def _step_into(annotation: Any, step: str | int, path: Path, document: Document) -> Any:
    at = _bare(annotation)
    if isinstance(at, type) and issubclass(at, BaseModel):
        return next(field.annotation for name, field in at.model_fields.items() if (field.alias or name) == step)
    inner = get_args(at)[1 if get_origin(at) is dict else 0]
    if path[0] == "rules" and len(path) == 2:
        return kind_meant(document.at(path))
    return inner


def kind_meant(rule: dict[str, Any]) -> type[BaseModel] | None:
    """Return the model of a rule's kind, or of the kind that its misspelt one is nearest to."""
    near = difflib.get_close_matches(str(rule.get("kind")), RULE_KINDS, n=1)
    return RULE_KINDS[near[0]] if near else None


def _bare(annotation: Any) -> Any:
    """Return an annotation without Annotated and without `| None`."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def unknown(word: object, words: list[str], what: str) -> str:
    """Return the sentence for a name that nothing has: with a near one, or with all there are."""
    near = closest(str(word), words)
    if near or not words:
        return f"no {what} is named {shown(word)}{near}"
    return f"no {what} is named {shown(word)}; there {'are' if len(words) > 1 else 'is'} {listed(words)}"
