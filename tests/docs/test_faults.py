"""docs/faults.md names the tests of each fault; this holds it against the tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alerter.core import quality

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text("utf-8")
ROWS = re.findall(r"^\| (F\d+) \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
POLLING = [f"F{number}" for number in (*range(18, 37), 43)]


def test_every_fault_of_polling_has_a_row() -> None:
    assert [row for row, _ in ROWS] == POLLING


@pytest.mark.parametrize(("row", "files"), ROWS, ids=[row for row, _ in ROWS])
def test_every_row_has_its_tests_in_every_file_it_names(row: str, files: str) -> None:
    named = re.findall(r"`([^`]+)`", files)
    assert named
    for file in named:
        assert f"def test_{row.lower()}_" in (ROOT / file).read_text("utf-8"), file


def test_every_kind_of_event_is_explained() -> None:
    assert all(f"| `{kind.value}` |" in PAGE for kind in quality.EventKind)
    assert all(f"`{what}`" in PAGE for what in quality._WORDS)
