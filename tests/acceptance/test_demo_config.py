"""The demo's config is the user's to play with."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerter.app.demo import prepare
from alerter.errors import ConfigError


def test_a_changed_config_is_kept_and_only_its_address_is_renewed(tmp_path: Path) -> None:
    first = prepare(tmp_path, "http://127.0.0.1:4000")
    assert first.accounts[0].base_url == "http://127.0.0.1:4000"
    path = tmp_path / "alerter.yaml"
    path.write_text(path.read_text().replace("20000 acre", "21000 acre"))
    again = prepare(tmp_path, "http://127.0.0.1:5000")
    assert again.accounts[0].base_url == "http://127.0.0.1:5000"
    assert "21000 acre" in path.read_text()


def test_a_config_changed_into_nonsense_says_where(tmp_path: Path) -> None:
    prepare(tmp_path, "http://127.0.0.1:4000")
    path = tmp_path / "alerter.yaml"
    path.write_text(path.read_text().replace("20000 acre", "20000 acers"))
    with pytest.raises(ConfigError, match=r"alerter\.yaml:28:10 .*acers"):
        prepare(tmp_path, "http://127.0.0.1:4000")
