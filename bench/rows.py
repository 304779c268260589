"""A measured row: what was done, the floor or peer it is held against, ours, and the ratio; as a table and as JSON."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rich.box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement; `floor` and `ours` in `unit`, `target` in words, `note` says what the floor is and the sizes."""

    part: str
    what: str
    unit: str
    ours: float
    floor: float | None = None
    floor_is: str = ""
    target: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the floor ours is."""
        return self.ours / self.floor if self.floor else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run cost: seconds on the wall and of the processor."""

    wall: float
    cpu: float


def cost(work: Callable[[], object]) -> Cost:
    """Run `work` once and return what it cost this process, all threads together."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def median_cost(work: Callable[[], object], runs: int, before: Callable[[], object] = lambda: None) -> Cost:
    """Return the medians of several runs; `before` each run is not counted."""
    costs = []
    for _ in range(runs):
        before()
        costs.append(cost(work))
    return Cost(wall=statistics.median(one.wall for one in costs), cpu=statistics.median(one.cpu for one in costs))


def machine() -> dict[str, Any]:
    """Describe where the figures come from: sizes only, no names."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def number(value: float | None) -> str:
    """Write a figure with three digits that matter."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def show(console: Console, rows: Iterable[Row]) -> None:
    """Print rows as a table."""
    table = Table(box=rich.box.SIMPLE, pad_edge=False)
    for name in ("what", "floor", "ours", "unit", "ratio", "target"):
        table.add_column(name, justify="right" if name in {"floor", "ours", "ratio"} else "left", overflow="fold")
    for row in rows:
        floor = f"{number(row.floor)}" if row.floor is not None else "–"
        ratio = f"{number(row.ratio)} ×" if row.ratio is not None else "–"
        what = (
            row.what + (f"\n  floor: {row.floor_is}" if row.floor_is else "") + (f"\n  {row.note}" if row.note else "")
        )
        table.add_row(what, floor, number(row.ours), row.unit, ratio, row.target)
    console.print(table)


def write_json(path: Path, rows: Iterable[Row], *, size: str) -> None:
    """Write every row with its ratio, and the machine, as one document."""
    measured = [{**asdict(row), "ratio": row.ratio} for row in rows]
    document = {"schema": 1, "machine": machine(), "size": size, "rows": measured}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
