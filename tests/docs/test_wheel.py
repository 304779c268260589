"""The wheel, not the checkout, is what people run: build it, install it beside the locked dependencies, use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_", "COV_"))}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT)
    run(*build, cwd=out, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; the dependencies are borrowed, so that no network is needed."""
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", home / "venv", cwd=home)
    python = home / "venv/bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "-q", "--no-deps", "--no-index", wheel, cwd=home, timeout=120)
    (packages,) = (home / "venv/lib").glob("python3*/site-packages")
    # Only this folder is added, not what the .pth files in it name: the checkout stays out of sight.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def inside(bin_folder: Path, code: str, cwd: Path) -> str:
    return run(bin_folder / "python", "-c", code, cwd=cwd).stdout.strip()


def test_the_wheel_holds_the_program_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "alerter",
        next(n for n in names if "dist-info" in n).partition("/")[0],
    }
    assert [name for name in names if "__pycache__" in name or "test" in Path(name).name] == []
    assert [name for name in names if name.endswith("licenses/LICENSE")] != []


def test_every_committed_file_of_the_program_is_in_the_wheel(wheel: Path):
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = run("git", "ls-files", "alerter", "migrations", cwd=ROOT).stdout.split()
    wanted = {re.sub("^migrations/", "alerter/migrations/", name) for name in listed if (ROOT / name).is_file()}
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_installed_program_is_the_wheel_and_not_the_checkout(bin_folder: Path, tmp_path: Path):
    path = Path(inside(bin_folder, "import alerter; print(alerter.__file__)", tmp_path))
    assert path.is_relative_to(bin_folder.parent)


def test_the_installed_program_says_what_it_can_do(bin_folder: Path, tmp_path: Path):
    shown = run(bin_folder / "alerter", "--help", cwd=tmp_path).stdout
    assert "run" in shown
    assert "demo" in shown


def test_the_installed_program_finds_its_migrations(bin_folder: Path, tmp_path: Path):
    code = (
        "from alerter.store.migrate import check, upgrade\n"
        "upgrade('sqlite:///new.db'); print(check('sqlite:///new.db').state)"
    )
    assert inside(bin_folder, code, tmp_path).endswith("current")


def test_the_installed_program_finds_its_templates(bin_folder: Path, tmp_path: Path):
    code = (
        "from pathlib import Path; import alerter.notify as notify\n"
        "print(len([path for path in Path(notify.__file__).parent.joinpath('templates').rglob('*') if path.is_file()]))"
    )
    assert int(inside(bin_folder, code, tmp_path)) > 0


def test_the_installed_program_finds_its_demo_scenario(bin_folder: Path, tmp_path: Path):
    code = "from alerter.sandbox import demo_scenario; print(type(demo_scenario()).__name__)"
    assert inside(bin_folder, code, tmp_path) == "Scenario"


def test_the_installed_program_knows_its_example_config(bin_folder: Path, tmp_path: Path):
    code = "from alerter.config import example_text; print(len(example_text().splitlines()))"
    assert int(inside(bin_folder, code, tmp_path)) > 10
