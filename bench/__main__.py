"""`python -m bench [PART …]`: measure, print floor, ours and ratio, and write them as JSON."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from rich.console import Console

from bench.rows import Row, machine, show, write_json
from bench.world import TINY, Size

PARTS = ("storing", "quiet", "calls", "growth", "start", "evaluate")
RESULTS = Path(__file__).parent / "results.json"


def main(arguments: list[str]) -> int:
    """Run the parts that were asked for, all without any, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go (bench/results.json)")
    parser.add_argument("--tiny", action="store_true", help="sizes that prove that it works and measure nothing")
    asked = parser.parse_args(arguments)
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    size = TINY if asked.tiny else Size()
    console = Console(width=None if sys.stdout.isatty() else 120)
    here = machine()
    console.print(f"{here['cores']} cores, {here['memory_gib']} GiB, Python {here['python']}; {size}", style="dim")
    rows: list[Row] = []
    for part in asked.parts or PARTS:
        console.print(f"[bold]{part}[/bold]")
        found = list(importlib.import_module(f"bench.{part}").run(size))
        show(console, found)
        rows += found
    write_json(asked.json, rows, size=str(size))
    console.print(f"written to {asked.json}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
