"""The config's keys as a table, made from its JSON Schema: what docs/interface.md shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
Row = tuple[str, str, str, str]  # path, type, default, meaning


def key_table(schema: Schema) -> str:
    """Return a Markdown table with a line per key: path, type, default and meaning."""
    lines = ["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for path, kind, default, meaning in key_rows(schema):
        lines.append(f"| `{path}` | {_escaped(kind)} | {_escaped(default)} | {_escaped(meaning)} |")
    return "\n".join(lines)


def key_rows(schema: Schema) -> Iterator[Row]:
    """Yield every key, depth first, in the order of the schema.

    `[]` stands for an item of a list, `NAME` for a key of one's own, `rules[KIND]` for rules of one kind only.
    """
    yield from _properties(schema, "", schema)


def _properties(node: Schema, path: str, root: Schema) -> Iterator[Row]:
    required = node.get("required", ())
    for name, raw in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        field = _resolved(raw, root)
        default = "required" if name in required else _default(raw, field)
        yield here, _type(field, root), default, str(raw.get("description") or field.get("description") or "")
        yield from _below(field, here, root)


def _below(field: Schema, path: str, root: Schema) -> Iterator[Row]:
    """Yield the keys of what a key holds: a mapping, a list of mappings, or mappings under names of one's own."""
    for option in _options(field, root):
        inner = option.get("additionalProperties")
        if option.get("properties"):
            yield from _properties(option, path, root)
        elif "items" in option:
            yield from _items(_resolved(option["items"], root), path, root)
        elif isinstance(inner, Mapping):
            yield from _properties(_resolved(inner, root), f"{path}.NAME", root)


def _items(item: Schema, path: str, root: Schema) -> Iterator[Row]:
    """Yield the keys of a list's items; where these are of several kinds, first what all kinds share."""
    options = [option for option in _options(item, root) if option.get("properties")]
    kinds = {
        str(_resolved(option["properties"]["kind"], root).get("const")): option
        for option in options
        if "kind" in option["properties"]
    }
    if len(kinds) < 2:
        for option in options:
            yield from _properties(option, f"{path}[]", root)
        return
    rows = {kind: list(_properties(option, "", root)) for kind, option in kinds.items()}
    rows = {kind: [row for row in of_kind if row[0] != "kind"] for kind, of_kind in rows.items()}
    shared = [row for row in next(iter(rows.values())) if all(row in others for others in rows.values())]
    what = "; ".join(
        f"{kind}: {str(option['properties']['kind'].get('description', '')).rstrip('.')}"
        for kind, option in kinds.items()
    )
    yield f"{path}[].kind", " / ".join(kinds), "required", what
    for row in shared:
        yield f"{path}[].{row[0]}", *row[1:]
    for kind, of_kind in rows.items():
        for row in of_kind:
            if row not in shared:
                yield f"{path}[{kind}].{row[0]}", *row[1:]


def _options(field: Schema, root: Schema) -> list[Schema]:
    several = field.get("anyOf") or field.get("oneOf")
    options = [_resolved(one, root) for one in several] if several else [field]
    # {env: …}, {file: …} and {credential: …} are ways to write a secret, not keys to explain at each of them.
    return [one for one in options if one.get("type") != "null" and not _is_reference(one) and not _is_filled_in(one)]


def _is_reference(option: Schema) -> bool:
    return set(option.get("properties", ())) in ({"env"}, {"file"}, {"credential"})


def _is_filled_in(option: Schema) -> bool:
    """Say whether this is the text with ${env:…} in it that every key may be."""
    return "env:" in option.get("pattern", "")


def _resolved(node: Schema, root: Schema) -> Schema:
    while "$ref" in node:
        found: Any = root
        for step in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[step]
        node = {**found, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _type(field: Schema, root: Schema) -> str:
    if any(_is_reference(_resolved(one, root)) for one in field.get("anyOf", ())):
        return "text or secret"
    words: list[str] = []
    for option in _options(field, root):
        word = _one_type(option)
        if word and word not in words:
            words.append(word)
    return " or ".join(words)


def _one_type(option: Schema) -> str:
    if "enum" in option:
        return " / ".join(str(one) for one in option["enum"])
    if "const" in option:
        return str(option["const"])
    if "items" in option:
        return "list"
    if "properties" in option or option.get("type") == "object":
        return "mapping"
    example = option.get("examples")
    if example:
        return f"like `{example[0]}`"
    kinds = option.get("type", "")
    words = [_KINDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(words) or "text"


_KINDS = {"string": "text", "integer": "whole number", "boolean": "yes or no", "object": "mapping", "": "text"}


def _default(raw: Schema, field: Schema) -> str:
    default = raw.get("default", field.get("default"))
    if default in (None, [], {}, ""):
        return "–"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default, ensure_ascii=False)}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
