"""From a thousand users to a hundred thousand (H10): time and memory of polls, each size in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.polling import polling
from bench.rows import Row, median_cost
from bench.server import serving
from bench.world import Size

STATUS = Path("/proc/self/status")
MIB = 1024  # of the kilobytes that the kernel counts


def run(size: Size) -> Iterator[Row]:
    """Measure one contract of every size."""
    found = {users: _child(users, size) for users in size.growth}
    smallest = min(found)
    for users, said in found.items():
        scale = users / smallest
        for name, what in (("changed", "a poll with 1 % changed"), ("quiet", "a quiet poll")):
            yield Row(
                part="growth", what=f"processor time of {what}, {users:,} users", unit="ms", ours=said[name],
                floor=found[smallest][name] * scale if users > smallest else None,
                floor_is=f"{scale:g} times the figure of {smallest:,} users" if users > smallest else "",
                target="≤ 1 ×" if users > smallest else "",
            )  # fmt: skip
        yield Row(
            part="growth", what=f"peak memory above idle of polls with 1 % changed, {users:,} users", unit="MiB",
            ours=said["peak"], target="≤ 150",
            note=f"idle {said['idle']:.0f} MiB, first fill of {size.growth_days} days {said['fill']:.0f} above it,"
            f" resting afterwards {said['rest']:.0f} above it",
        )  # fmt: skip


def _child(users: int, size: Size) -> dict[str, Any]:
    wanted = json.dumps({"users": users, "days": size.growth_days, "runs": min(3, size.runs)})
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "bench.growth", wanted], stdout=subprocess.PIPE, check=True, text=True, timeout=900
    )
    return dict(json.loads(done.stdout))


def _kilobytes(name: str) -> int:
    line = next(line for line in STATUS.read_text("ascii").splitlines() if line.startswith(name))
    return int(line.split()[1])


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", "ascii")


def measure(*, users: int, days: int, runs: int) -> dict[str, float]:
    """Fill, then poll; memory in MiB above what the open program takes, times in milliseconds of the processor."""
    with (
        tempfile.TemporaryDirectory(prefix="alerter-bench-") as folder,
        serving(contracts=1, users=users, days=days) as server,
        polling(Path(folder), server) as ours,
    ):
        idle = _kilobytes("VmRSS")
        _forget_peak()
        ours.poll()
        fill = _kilobytes("VmHWM")
        ours.poll()
        rest = _kilobytes("VmRSS")
        _forget_peak()
        changed = median_cost(ours.poll, runs, ours.move)
        peak = _kilobytes("VmHWM")
        quiet = median_cost(ours.poll, runs)
    return {
        "idle": idle / MIB, "fill": (fill - idle) / MIB, "rest": (rest - idle) / MIB, "peak": (peak - idle) / MIB,
        "changed": changed.cpu * 1e3, "quiet": quiet.cpu * 1e3,
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(**json.loads(sys.argv[1]))))
