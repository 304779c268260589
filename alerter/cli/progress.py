"""Progress of long work: on standard error, only where that is a terminal, and gone when the work is done."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from alerter.cli.frame import words_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from alerter.app.settings import Filled


@contextmanager
def shown_fills() -> Iterator[Callable[[Filled], None]]:
    """Give a function that shows how far each contract's history is read: a bar per contract from its first call."""
    if not sys.stderr.isatty():
        yield lambda _filled: None
        return
    bars = _Bars()
    try:
        yield bars.show
    finally:
        bars.stop()


class _Bars:
    """Bars below what is printed meanwhile; made when the first is needed, for most polls fill nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}

    def show(self, filled: Filled) -> None:
        with self._lock:
            if self._progress is None:
                self._progress = _progress()
                self._progress.start()
            contract = filled.contract
            if contract.period not in self._tasks:
                label = words_of(f"{contract.account} {contract.label}: history", 44)
                self._tasks[contract.period] = self._progress.add_task(label)
            task = self._tasks[contract.period]
            self._progress.update(task, completed=filled.read, total=filled.of)

    def stop(self) -> None:
        with self._lock:
            if self._progress is not None:
                self._progress.stop()


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeRemainingColumn(),
        console=Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True),
        transient=True,
        # What is printed meanwhile is put above the bars, unless it goes elsewhere.
        redirect_stdout=sys.stdout.isatty(),
    )


def working(what: str) -> AbstractContextManager[object]:
    """Show that `what` is being done while the block runs."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.text import Text

    return Console(stderr=True, markup=False, emoji=False, highlight=False).status(Text(words_of(what)))
