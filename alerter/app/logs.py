"""Log lines that cannot be forged and hold no secret: one line each, logfmt or JSON, with an `action` key.

Who logs passes a constant `action=...` as the event and everything else, hostile text above all, in
`extra={"fields": {...}}`.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from alerter.app.redact import Redactor

_ACTION = re.compile(r"action=([a-z0-9_.-]+)")
_BARE = re.compile(r"[A-Za-z0-9_.:/@+*#%~-]+")  # needs no quotes in logfmt
_RESERVED = frozenset({"ts", "level", "logger", "action", "msg", "error", "trace", "cut"})
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG_PRIORITY = 7
_VALUE_LENGTH = 1000
_TRACE_LENGTH = 8000
# journald splits lines of more than 48 KiB and reads a priority at the start of every piece.
_LINE_LENGTH = 32_000
# Chatty below WARNING, and at DEBUG some print what they send with the credentials in it.
_FOREIGN = ("apprise", "urllib3", "requests", "requests_oauthlib", "apscheduler", "alembic", "sqlalchemy", "markdown")


class RedactingFilter(logging.Filter):
    """Take secrets out of a record before any handler it is attached to formats it; tracebacks become text."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record in place; always True."""
        record.msg, record.args = self.redactor.text(_message(record)), ()
        fields = getattr(record, "fields", None)
        if fields is not None:
            # A record without its fields says more than a lost record.
            record.fields = self.redactor.value(dict(fields)) if isinstance(fields, Mapping) else {}
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, trace = record.exc_info
            record.error = self.redactor.text(f"{kind.__name__}: {error}")
            record.exc_text = self.redactor.text("".join(traceback.format_exception(kind, error, trace)).rstrip())
            record.exc_info = None  # or the next handler would print it unmasked
        elif record.exc_text:
            record.exc_text = self.redactor.text(record.exc_text)
        if record.stack_info:
            record.stack_info = self.redactor.text(record.stack_info)
        return True


class LineFormatter(logging.Formatter):
    """Write a record as one printable line: `style` is `logfmt` or `json`.

    For the `journal` the line starts with its priority and has no time, for the journal keeps its own.
    """

    def __init__(self, style: str, *, journal: bool = False) -> None:
        super().__init__()
        self._json = style == "json"
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line feed."""
        if self._json:
            parts = _rendered(self._items(record), _json_value)
            line = "{" + ", ".join(f'"{key}": {text}' for key, text in parts.items()) + "}"
        else:
            parts = _rendered(self._items(record), _logfmt_value)
            line = " ".join(f"{key}={text}" for key, text in parts.items())
        return f"<{_priority(record.levelno)}>{line}" if self._journal else line

    def _items(self, record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
        if not self._journal:
            yield "ts", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        yield "level", record.levelname.lower()
        yield "logger", record.name
        message = _message(record)
        action = _ACTION.fullmatch(message)
        yield ("action", action[1]) if action else ("msg", message)
        error, trace = _exception(record)
        if error:
            yield "error", error
        fields = getattr(record, "fields", None)
        for key, value in fields.items() if isinstance(fields, Mapping) else ():
            name = re.sub(r"[^A-Za-z0-9_.]", "_", str(key))[:60] or "_"
            yield (f"field_{name}" if name in _RESERVED else name), value
        if trace:
            yield "trace", trace[-_TRACE_LENGTH:]  # the end of a traceback says what happened


class LineHandler(logging.StreamHandler[TextIO]):
    """Write lines to a stream; a stream that fails loses lines and nothing else."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Swallow it: the default prints the record, unmasked, to the very stream that failed."""


def configure(
    level: str,
    style: str,
    secrets: Iterable[str],
    *,
    stream: TextIO | None = None,
    env: Mapping[str, str] = os.environ,
) -> Callable[[], None]:
    """Send all logging of this process, masked, to `stream` (standard error) and return what undoes that.

    `level` is debug, info, warning or error; `style` logfmt or json.  Calling it again, after a reload, replaces
    the former settings.  Other loggers' own handlers are masked too; what threads raise is logged, not printed.
    """
    stream = stream or sys.stderr
    redacting = RedactingFilter(Redactor(secrets))
    handler = LineHandler(stream)
    handler.setFormatter(LineFormatter(style, journal=_is_journal(stream, env)))
    handler.addFilter(redacting)
    undo = _remember()
    root = logging.getLogger()
    root.handlers = [handler]
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(number)
    for name in _FOREIGN:
        logging.getLogger(name).setLevel(max(number, logging.WARNING if number > logging.DEBUG else logging.INFO))
    for foreign in _handlers_elsewhere():
        foreign.filters = [one for one in foreign.filters if not isinstance(one, RedactingFilter)] + [redacting]
    logging.captureWarnings(capture=True)
    sys.excepthook, threading.excepthook = _log_exception, _log_thread_exception
    return undo


def _remember() -> Callable[[], None]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = root.handlers, root.level
    levels = {name: logging.getLogger(name).level for name in _FOREIGN}

    def undo() -> None:
        logging.captureWarnings(capture=False)
        sys.excepthook, threading.excepthook = hooks
        root.handlers = handlers
        root.setLevel(level)
        for foreign in _handlers_elsewhere():
            foreign.filters = [one for one in foreign.filters if not isinstance(one, RedactingFilter)]
        for name, former in levels.items():
            logging.getLogger(name).setLevel(former)

    return undo


def _handlers_elsewhere() -> Iterator[logging.Handler]:
    for name in list(logging.root.manager.loggerDict):
        yield from logging.getLogger(name).handlers


def _log_exception(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("alerter").critical("action=crashed", exc_info=(kind, error, trace))


def _log_thread_exception(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is not None:
        fields = {"thread": caught.thread.name if caught.thread else ""}
        info = (caught.exc_type, caught.exc_value, caught.exc_traceback)
        logging.getLogger("alerter").critical("action=thread_crashed", exc_info=info, extra={"fields": fields})


def _is_journal(stream: TextIO, env: Mapping[str, str]) -> bool:
    # $JOURNAL_STREAM names device and inode of the journal's socket: a child's redirected output must have no prefix.
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return env.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _priority(level: int) -> int:
    return next((priority for floor, priority in _PRIORITIES if level >= floor), _DEBUG_PRIORITY)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit the text: a foreign library's mistake
        return f"{record.msg} {record.args!r}"


def _exception(record: logging.LogRecord) -> tuple[str, str]:
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        return f"{kind.__name__}: {error}", "".join(traceback.format_exception(kind, error, trace)).rstrip()
    return getattr(record, "error", ""), record.exc_text or ""


def _rendered(items: Iterable[tuple[str, Any]], render: Callable[[Any], str]) -> dict[str, str]:
    """Render the values, shortened; leave out what would make the line too long and say how many under `cut`."""
    parts: dict[str, str] = {}
    left, cut = _LINE_LENGTH, 0
    for key, value in items:
        text = render(_plain(value, _TRACE_LENGTH if key == "trace" else _VALUE_LENGTH))
        size = len(key) + len(text.encode("utf-8", "replace")) + 6
        if size <= left:
            parts[key], left = text, left - size
        else:
            cut += 1
    return parts | {"cut": str(cut)} if cut else parts


def _plain(value: Any, length: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**30 else "a huge number"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has no NaN
    if isinstance(value, list | tuple | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = str(value)
    return text if len(text) <= length else f"{text[:length]}… ({len(text) - length} more)"


def _json_value(value: Any) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")


def _logfmt_value(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _BARE.fullmatch(value) else f'"{_escape(value)}"'


def _escape(text: str) -> str:
    """Keep what prints, in any script; spell out controls, line separators, direction marks and surrogates."""
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    return "".join(short.get(char) or (char if char.isprintable() else _code(ord(char))) for char in text)


def _code(point: int) -> str:
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
