from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from alerter.errors import ConfigError, StoreHeld

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "alerter.service"
TIMEOUT = 60


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def require(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists on every machine, for verify looks for it."""
    copy = tmp_path / "alerter.service"
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    return copy


def test_systemd_understands_every_line_of_the_unit(unit: Path):
    require("systemd-analyze")
    done = run("systemd-analyze", "verify", unit)
    assert (done.returncode, _complaints(done)) == (0, [])


def test_the_unit_is_exposed_to_at_most_1_2_of_10(unit: Path):
    require("systemd-analyze")
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=12", "--no-pager", unit)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a file (before 250)")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_starts_the_installed_program_with_the_config_of_the_readme():
    assert directives()["ExecStart"] == ["/opt/alerter/bin/alerter run --config /etc/alerter/alerter.yaml"]
    assert directives()["Type"] == ["notify"]


def test_refusals_are_not_repeated_by_a_restart():
    assert directives()["RestartPreventExitStatus"] == [f"{ConfigError.exit_code} {StoreHeld.exit_code}"]
    assert directives()["Restart"] == ["on-failure"]


def test_every_credential_comes_from_the_folder_that_only_root_may_read():
    folders = {line.split()[1]: line.split()[2:5] for line in _lines("alerter.tmpfiles.conf")}
    assert folders["/etc/alerter/credentials"] == ["0700", "root", "root"]
    texts = [
        *directives()["LoadCredential"],
        *re.findall("^LoadCredential=(.+)$", _text("credentials.conf.example"), re.MULTILINE),
    ]
    for text in texts:
        name, _, path = text.partition(":")
        assert path == f"/etc/alerter/credentials/{name}"


def test_the_user_of_the_unit_is_the_one_that_sysusers_makes(tmp_path: Path):
    require("systemd-sysusers")
    require("systemd-tmpfiles")
    (tmp_path / "etc").mkdir()
    made = run("systemd-sysusers", f"--root={tmp_path}", SYSTEMD / "alerter.sysusers.conf")
    if made.returncode and "ermission denied" in made.stderr:
        pytest.skip("only root may try this out")
    assert made.returncode == 0, made.stderr
    passwd = (tmp_path / "etc/passwd").read_text()
    assert passwd.startswith(f"{directives()['User'][0]}:")
    assert "nologin" in passwd


def test_the_drop_in_with_more_credentials_is_valid(unit: Path):
    require("systemd-analyze")
    folder = unit.with_name("alerter.service.d")
    folder.mkdir()
    (folder / "credentials.conf").write_text(_text("credentials.conf.example"))
    done = run("systemd-analyze", "verify", unit)
    assert (done.returncode, _complaints(done)) == (0, [])


def _complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    # systemd also reads the machine's own units and may complain about those.
    return [line for line in (done.stdout + done.stderr).splitlines() if "alerter" in line]


def _text(name: str) -> str:
    return (SYSTEMD / name).read_text()


def _lines(name: str) -> list[str]:
    return [line for line in _text(name).splitlines() if line and not line.startswith("#")]
