"""Jinja environments, one per form, that escape for their sink and give a template's author no way out.

The sandbox hands out plain data only, refuses attributes that lead anywhere, and bounds what one rendering may
count, repeat and write.
"""

from __future__ import annotations

import contextvars
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    pass_context,
)
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerter.notify.filters import format as words
from alerter.notify.filters.clean import clean, clean_lines, pad, slack_code, slack_text, width

FORMS = ("title", "text", "html", "slack")
BUILT_IN = Path(__file__).with_name("templates")
OUTPUT_LIMIT = 200_000  # characters that one template may write
_RANGE_BUDGET = 10_000  # steps of all ranges of one rendering
_REPEAT_LIMIT = 10_000  # characters or items made by one multiplication
_POWER_LIMIT = 64
_budget: contextvars.ContextVar[int] = contextvars.ContextVar("range budget", default=_RANGE_BUDGET)
_DENIED_METHODS = frozenset({
    "center", "encode", "expandtabs", "format", "format_map", "ljust", "rjust", "to_bytes", "translate", "zfill",
})  # fmt: skip
_KEPT_FILTERS = frozenset({
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby", "int",
    "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
    "reverse", "round", "select", "selectattr", "sort", "string", "sum", "title", "trim", "truncate", "unique", "upper",
})  # fmt: skip


class Safe(str):
    """Text that is escaped for its sink already."""

    __slots__ = ()


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox with bounds on what is cheap to write and dear to run."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Do one arithmetic operation; raise SecurityError where its result could be huge."""
        numeric = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "**" and not (numeric and abs(right) <= _POWER_LIMIT and abs(left) < 1e6):
            raise SecurityError("a power is out of bounds")
        if operator == "%" and not numeric:
            raise SecurityError("% formats no text here, use a filter")
        if operator == "*" and not numeric:
            text, by = (left, right) if isinstance(right, int) else (right, left)
            if not isinstance(by, int) or by * len(text) > _REPEAT_LIMIT:
                raise SecurityError("a repetition is out of bounds")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse what the sandbox refuses, and the methods that pad or format without bounds."""
        return attr not in _DENIED_METHODS and super().is_safe_attribute(obj, attr, value)


def _bounded_range(*arguments: int) -> range:
    """Count like `range`, within one budget for the whole rendering."""
    steps = range(*arguments)
    left = _budget.get() - len(steps)
    if left < 0:
        raise SecurityError(f"ranges may count {_RANGE_BUDGET:,} steps in one message")
    _budget.set(left)
    return steps


def _with_words(name: str) -> Callable[..., str]:
    """Make the filter `name` of `Words`, bound to the message at hand."""

    @pass_context
    def apply(context: Context, value: Any, *arguments: Any, **options: Any) -> str:
        made: str = getattr(context["words"], name)(value, *arguments, **options)
        return made

    return apply


def table_lines(table: Mapping[str, Any], narrow: bool = False) -> list[str]:
    """Lay out a table in a monospaced font, columns that are too much for a `narrow` place left out."""
    keep = [index for index, column in enumerate(table["columns"]) if not (narrow and column["wide"])]
    columns = [table["columns"][index] for index in keep]
    grid = [[column["name"] for column in columns], *([row[index] for index in keep] for row in table["rows"])]
    widths = [max(width(row[index]) for row in grid) for index in range(len(columns))]
    lines = [
        "  ".join(
            pad(cell, (columns[index]["right"] and widths[index]) or widths[index], right=columns[index]["right"])
            for index, cell in enumerate(row)
        ).rstrip()
        for row in grid
    ]
    return [*lines, table["more"]] if table["more"] else lines


def _finalizer(escape: Callable[[object], str]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, Safe) else escape(value)


def _plain(value: object) -> str:
    return clean_lines(str(value))


def environment(form: str, folder: Path | None = None) -> Environment:
    """Make the environment of one form, its templates from `folder` or the built-in ones."""
    html = form == "html"
    escape = slack_text if form == "slack" else _plain
    loader: BaseLoader = FileSystemLoader(folder or BUILT_IN, encoding="utf-8")
    made = _Sandbox(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=html,
        finalize=None if html else _finalizer(escape),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=(),
    )
    made.filters = {name: made.filters[name] for name in _KEPT_FILTERS if html or name not in ("e", "escape")}
    for name in ("area", "bare_area", "limit", "day", "date", "instant"):
        made.filters[name] = _with_words(name)
    made.filters |= {
        "number": words.number, "percent": words.percent, "times": words.times, "span": words.span,
        "user": words.user_label, "clean": clean, "pad": pad, "lines": table_lines,
        "code": lambda value: Safe(slack_code(value)) if form == "slack" else value,
    }  # fmt: skip
    made.globals = {"range": _bounded_range}
    return made


def run(template: Template, context: Mapping[str, Any]) -> str:
    """Render within the bounds; raise whatever the template raises, SecurityError when it writes too much."""
    token = _budget.set(_RANGE_BUDGET)
    parts: list[str] = []
    written = 0
    output = template.generate(context)
    try:
        for part in output:
            written += len(part)
            if written > OUTPUT_LIMIT:  # raised inside the template, so that its line is known
                output.throw(SecurityError(f"a message may be {OUTPUT_LIMIT:,} characters long"))  # type: ignore[attr-defined]
            parts.append(part)
    finally:
        _budget.reset(token)
    return "".join(parts)


def line_of(error: BaseException, file: Path) -> int:
    """Find the template's line that an error came from; 0 when it is not known."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno or 0
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return (frames[-1].lineno or 0) if frames else 0
