"""Current boundary area may fall: that is read, is no contradiction and no error, and ends a cap alert."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.plain_leaf import PlainContract, PlainLeaf
from tests.program import Program

START = date(2026, 3, 1)
TODAY = date(2026, 5, 14)

CONFIG = """\
accounts:
  - {{name: prod, base_url: "{url}", username: owner@example.com, password: {{env: LEAF_PASSWORD}}}}
contracts:
  - {{match: {{}}, cap: 1000 acre}}
rules:
  - {{id: contract-cap, kind: contract_cap, tiers: [{{at: 80%, severity: warning}}]}}
channels:
  screen: {{url: "console://"}}
database: state.db
"""


@pytest.fixture
def leaf() -> Iterator[PlainLeaf]:
    days = {START + timedelta(days=n): 12.0 for n in range((TODAY - START).days + 1)}
    contract = PlainContract("c-1", "AUDIT_FIELDS_BOUNDARY", START, date(2027, 3, 1), {"u-1": days})
    with PlainLeaf([contract], TODAY) as server:
        yield server


def test_a_fall_of_current_boundaries_is_read_and_ends_the_alert(tmp_path: Path, leaf: PlainLeaf) -> None:
    program = Program(tmp_path, {"LEAF_PASSWORD": leaf.password})
    program.write(CONFIG.format(url=leaf.url))
    assert program.run("once", "--at", "2026-05-14T12:00:00Z").code == 0
    usage = leaf.contracts["c-1"].usage["u-1"]
    outputs = []
    for n in (1, 2):
        leaf.today = TODAY + timedelta(days=n)
        usage[leaf.today] = -200.0 if n == 1 else 0.0
        ran = program.run("once", "--at", f"{leaf.today}T12:00:00Z")
        assert ran.code == 0, ran.err
        outputs.append(ran.out)
    (contract,) = program.json("status", "--at", f"{leaf.today}T12:01:00Z")["contracts"]
    assert contract["used_billed"] == pytest.approx(75 * 12 - 200)
    assert "RESOLVED" in "".join(outputs)
    assert "contradict" not in "".join(outputs)
