"""Scenario files: what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerter.core.area import Area, Unit
from alerter.errors import ConfigError
from alerter.sandbox import load_scenario

GOOD = """\
start: 2026-03-02
users: {count: 3, named: [{name: Ann}]}
contracts:
  - name: ops
    product: OPERATIONS_FILE
    start: -90
    end: 2026-10-01
    quota: 5,000 ha
events:
  - {kind: spike, contract: ops, user: Ann, day: 12, factor: 10}
"""


def broken(tmp_path: Path, old: str, new: str) -> list[str]:
    path = tmp_path / "scenario.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(GOOD)
    scenario = load_scenario(path)
    assert scenario.contracts[0].quota == Area(5000, Unit.HECTARE)
    assert scenario.day(scenario.contracts[0].start).isoformat() == "2025-12-02"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("quota: 5,000 ha", "quota: 5000 miles", "8:12 contracts[0].quota: unknown unit 'miles'"),
        ("product: OPERATIONS_FILE", "prodcut: X", "4:5 contracts[0].product: is missing"),
        ("product: OPERATIONS_FILE", "product: X\n    colour: red", "6:13 contracts[0].colour: is not known here"),
        ("end: 2026-10-01", "end: someday", "7:10 contracts[0].end: write a date"),
        ("end: 2026-10-01", "end: 2020-10-01", "4:5 contracts[0]: the end is not after the start"),
        ("kind: spike", "kind: spook", "10:5 events[0]: Input tag 'spook'"),
        ("factor: 10", "factor: -1", "10:62 events[0].factor: Input should be greater than 0"),
        (", factor: 10", "", "10:5 events[0]: a spike needs either area or factor"),
        ("contract: ops", "contract: oops", "10:5 events[0]: no contract is named 'oops'; there are ops"),
        ("user: Ann", "user: Bob", "10:5 events[0]: no named user is 'Bob'"),
        ("start: 2026-03-02", "start: 2026-03-02\nstart: 2026-03-03", "2:1 start: is there twice"),
        ("count: 3", "count: [", "is not YAML"),
        ("start: 2026-03-02", "start: 2026-02-31", "holds something impossible"),
        ("count: 3", "count: 0", "2:16 users.count: Input should be greater than or equal to 1"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert any(told in line for line in broken(tmp_path, old, new)), broken(tmp_path, old, new)


def test_all_mistakes_are_told_in_one_go(tmp_path: Path) -> None:
    assert len(broken(tmp_path, "quota: 5,000 ha", "quota: x\n    region: 5\n    nonsense: 1")) == 3


@pytest.mark.parametrize("content", [b"", b"- 1", b"\xff\xfe\x00", b"just text"])
def test_what_is_no_scenario_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"scenario\.yaml"):
        load_scenario(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_scenario(tmp_path / "nowhere.yaml")
