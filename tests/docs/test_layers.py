from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_import_keeps_to_the_layers():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_of_the_program_has_its_layer():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = set(re.findall(r"alerter\.(\w+)", " ".join(layers)))
    parts = {path.parent.name for path in (ROOT / "alerter").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "alerter").glob("*.py")} - {"__init__", "__main__"}
    assert parts | modules <= named


def test_the_picture_of_the_layers_is_the_one_that_is_checked():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    floors = [[part.strip().removeprefix("alerter.") for part in layer.split("|")] for layer in layers]
    text = (ROOT / "docs/design.md").read_text()
    picture = re.search(r"```layers\n(.+?)```", text, re.DOTALL)
    assert picture is not None
    drawn = [re.findall(r"[a-z]+", line.partition("  #")[0]) for line in picture[1].splitlines() if line.strip(" v|")]
    assert drawn == floors
