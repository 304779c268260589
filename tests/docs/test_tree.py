from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

# Written so that this file does not match itself.
REGISTRY_HOSTS = re.compile(r"py[p]i\.(org|python)|python[h]osted\.org|registry\.npm[j]s|crates[.]io|anaconda[.]org")
MACHINE_PATHS = re.compile(r"(?<![\w.~-])(/home/\w+/|/Users/\w+/|/roo[t]/|/wor[k]/)")


def committed() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def places(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in committed():
        text = path.read_bytes().decode("utf-8", "replace")
        lines = [text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text)]
        found += [f"{path.relative_to(ROOT)}:{line}" for line in lines]
    return found


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Return version and number of hashes by package name."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text()):
        if match := re.match(r"([a-zA-Z0-9._-]+)(?:\[[^]]*])?==([^ ;]+)", block):
            found[canonicalize_name(match[1])] = (match[2], block.count("--hash=sha256:"))
    return found


def requirements(*groups: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    texts: list[str] = list(project["project"]["dependencies"])
    waiting = list(groups)
    while waiting:
        for item in project["dependency-groups"][waiting.pop()]:
            if isinstance(item, str):
                texts.append(item)
            else:
                waiting.append(item["include-group"])
    return [Requirement(text) for text in texts]


def test_no_committed_file_names_the_host_of_a_package_registry():
    assert places(REGISTRY_HOSTS) == []


def test_no_committed_file_holds_a_path_of_somebodys_machine():
    assert places(MACHINE_PATHS) == []


def test_no_committed_file_is_a_database_a_key_or_an_environment():
    forbidden = {".db", ".sqlite", ".sqlite3", ".pem", ".key", ".pyc", ".env", ".whl"}
    assert [path.name for path in committed() if path.suffix in forbidden and "certs" not in path.parts] == []


@pytest.mark.parametrize(("lock", "group"), [("requirements.lock", "build"), ("requirements-dev.lock", "dev")])
def test_every_direct_dependency_is_locked_at_a_version_that_fits(lock: str, group: str):
    versions = locked(lock)
    for requirement in requirements(group):
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in {lock}: run make lock"
        assert requirement.specifier.contains(versions[name][0], prereleases=True), f"{name}: run make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes(lock: str):
    versions = locked(lock)
    assert len(versions) > 20
    assert [name for name, (_, hashes) in versions.items() if not hashes] == []


def test_the_two_locks_agree_on_every_version():
    base, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: (version, dev.get(name, ("missing", 0))[0]) for name, (version, _) in base.items()} == {
        name: (version, version) for name, (version, _) in base.items()
    }


def test_the_build_backend_is_the_locked_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (backend,) = (Requirement(text) for text in project["build-system"]["requires"])
    assert str(backend.specifier) == f"=={locked('requirements.lock')[canonicalize_name(backend.name)][0]}"


def test_make_lists_every_target_and_no_other():
    text = (ROOT / "Makefile").read_text()
    declared = set(re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)[1].split()) - {"help"}
    shown = set(re.findall(r"^\t@echo 'make (\S+)", text, re.MULTILINE)) | {"distclean"}
    assert shown == declared
