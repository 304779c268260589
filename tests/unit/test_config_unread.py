"""A config read by somebody who may not read the daemon's secrets: everything but these is checked as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerter.config import Config, read_config
from alerter.errors import ConfigError

TEXT = """\
accounts:
  - {name: prod, username: {env: LEAF_USER}, password: {credential: leaf}}
  - {name: test, token: {file: token}}
channels:
  ops: {url: {file: slack}}
  screen: {url: "console://"}
contracts:
  - {match: {product: X}, cap: 5000 acre, name: Ops}
"""


def unread(text: str, *, env: dict[str, str] | None = None, folder: Path = Path("/etc")) -> Config:
    return read_config(text.encode(), folder / "alerter.yaml", env=env or {}, credentials_dir=None, secrets=False)


def test_secrets_that_cannot_be_read_here_stand_in_nobodys_way() -> None:
    config = unread(TEXT)
    assert [account.name for account in config.accounts] == ["prod", "test"]
    assert config.contracts[0].name == "Ops"
    origins = {account.name: (account.password or account.token) for account in config.accounts}
    assert {secret.origin for secret in origins.values() if secret} == {"unread"}
    assert config.secrets == ()


def test_secrets_are_not_even_looked_for(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-token-1")
    (tmp_path / "token").chmod(0o644)  # refused where it is read
    config = unread(TEXT, env={"LEAF_USER": "u"}, folder=tmp_path)
    token = config.accounts[1].token
    assert token is not None
    assert token.reveal() != "s3cret-token-1"


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (("{env: LEAF_USER}", "{env: not a name}"), "name of an environment variable"),
        (("{file: token}", "{fil: token}"), "unknown source 'fil'"),
        (("{credential: leaf}", "{credential: ../leaf}"), "name of a systemd credential"),
        (("cap: 5000 acre", "cap: 5000 acres of land"), "acres of land"),
        (("contracts:", "contractz:"), "contractz"),
    ],
)
def test_everything_else_is_checked_as_before(change: tuple[str, str], fragment: str) -> None:
    with pytest.raises(ConfigError, match=fragment):
        unread(TEXT.replace(*change))


def test_the_databases_address_is_read_where_it_can_be() -> None:
    text = TEXT + "database: {env: DB}\n"
    assert unread(text, env={"DB": "postgresql://a:pw-12345@h/x"}).database == "postgresql://a:pw-12345@h/x"
    assert unread(text).database == ""
    with pytest.raises(ConfigError, match="DB is not set"):
        read_config(text.encode(), Path("/etc/a.yaml"), env={"LEAF_USER": "u"}, credentials_dir=None)
