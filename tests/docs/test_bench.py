from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("storing", "quiet", "calls", "growth", "start", "evaluate")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_every_part_measures_a_floor_and_ours_and_writes_them_down(part: str, tmp_path: Path) -> None:
    ran = bench(part, "--tiny", "--json", str(tmp_path / "out.json"))
    assert ran.returncode == 0, ran.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    rows = document["rows"]
    assert document["machine"]["cores"] >= 1
    assert {row["part"] for row in rows} == {part}
    assert any(row["floor"] for row in rows)
    for row in rows:
        assert row["ours"] > 0, row
        assert row["what"].split(":")[0].split(",")[0][:20] in ran.stdout


def test_an_unknown_part_is_refused_and_the_parts_are_named() -> None:
    ran = bench("storings")
    assert ran.returncode == 2
    assert "storing, quiet" in ran.stderr
