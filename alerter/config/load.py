"""Reads a config file: all of its problems at once, each with line and column, or a finished Config."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path as FilePath
from urllib.parse import unquote

from pydantic import ValidationError

from alerter.config.checks import check_whole
from alerter.config.document import MAX_BYTES, Document, Path, parse
from alerter.config.explain import explain
from alerter.config.schema import Config
from alerter.config.secrets import UNREAD, Secret, Sources, carries_credentials, password_of, secret_parts
from alerter.config.values import Scalar
from alerter.errors import ConfigError, Problem

_MOST_PROBLEMS = 1000  # of a file that is no config at all


def load_config(
    path: FilePath, *, env: Mapping[str, str], credentials_dir: FilePath | None = None, secrets: bool = True
) -> Config:
    """Read, check and return the config at `path`, its secrets included; raise ConfigError with every problem.

    Without `secrets` those kept elsewhere are not looked for: who only reads the database needs none of them, and may
    not be allowed to read them.  The database's own address is read if it can be, else it is "".
    """
    return read_config(_read(path), path, env=env, credentials_dir=credentials_dir, secrets=secrets)


def read_config(
    raw: bytes,
    path: FilePath,
    *,
    env: Mapping[str, str],
    credentials_dir: FilePath | None = None,
    secrets: bool = True,
) -> Config:
    """Check `raw` as the content of `path`, to whose folder paths in it are relative; raise ConfigError."""
    document = parse(raw, str(path), env)
    config = None
    try:
        sources = Sources(env=env, folder=path.absolute().parent, credentials_dir=credentials_dir, secrets=secrets)
        config = Config.model_validate(document.root, context=sources)
    except ValidationError as error:
        explain(error, document)
    check_whole(document)
    if config is None or document.problems:
        raise ConfigError(_in_order(document.problems))
    hidden = sorted(_secrets(config) - {UNREAD}, key=lambda text: (-len(text), text))
    warnings = _in_order(_warnings(config, document))
    config.remember(path, places=document.values, secrets=tuple(hidden), warnings=tuple(warnings))
    return config


def _in_order(problems: list[Problem]) -> list[Problem]:
    found = sorted(set(problems))
    if len(found) > _MOST_PROBLEMS:
        more = Problem(found[0].file, 0, 0, "", f"and {len(found) - _MOST_PROBLEMS} problems more")
        return [*found[:_MOST_PROBLEMS], more]
    return found


def _read(path: FilePath) -> bytes:
    """Return at most a little over 1 MiB of a regular file; raise ConfigError with a sentence otherwise."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return file.read(MAX_BYTES + 1)
        message = "is not a regular file"
    except FileNotFoundError:
        message = "there is no such file; `alerter init` writes a commented example"
    except IsADirectoryError:
        message = "is a folder, not a file"
    except OSError as error:
        message = f"cannot be read: {(error.strerror or 'error').lower()}"
    except ValueError:
        message = "is no file name"
    if path.is_dir():
        message = "is a folder, not a file"
    raise ConfigError([Problem(str(path), 0, 0, "", message)])


# ------------------------------------------------------------------ secrets
def _secrets(config: Config) -> set[str]:
    """Return every text that logs must not show; a user name written in the open is none."""
    found = _passwords(config.database)
    for account in config.accounts:
        found |= {secret.reveal() for secret in (account.password, account.token) if secret}
        if account.username and account.username.origin != "literal":
            found.add(account.username.reveal())
        found |= _passwords(account.proxy or "")
    for channel in config.channels.values():
        if carries_credentials(channel.url.reveal()):
            found |= secret_parts(channel.url.reveal())
    return found - {""}


def _passwords(url: str) -> set[str]:
    password = password_of(url)
    return {password, unquote(password)}


_WRITTEN_OUT = "a secret is written out here; {env: NAME}, {file: path} or {credential: name} keep it out of the file"


def _warnings(config: Config, document: Document) -> list[Problem]:
    written_out: list[Path] = []
    for index, account in enumerate(config.accounts):
        written_out += [("accounts", index, key) for key in ("password", "token") if _literal(getattr(account, key))]
        written_out.append(("accounts", index, "proxy"))
    for name, channel in config.channels.items():
        if _literal(channel.url) and carries_credentials(channel.url.reveal()):
            written_out.append(("channels", name, "url"))
    written_out.append(("database",))
    addresses = ("proxy", "database")
    found = [document.problem(path, _WRITTEN_OUT) for path in written_out
             if path[-1] not in addresses or _has_password(document, path)]  # fmt: skip
    if config.has_default_rules:
        names = ", ".join(f"{rule.id} ({rule.kind})" for rule in config.rules)
        found.append(document.problem(("rules",), f"no rule is given, so the default ones are in force: {names}"))
    return found


def _literal(secret: Secret | None) -> bool:
    return secret is not None and secret.origin == "literal"


def _has_password(document: Document, path: Path) -> bool:
    """Say whether the address written at `path` holds a password in the open."""
    try:
        value = document.at(path)
    except KeyError:
        return False
    return isinstance(value, Scalar) and "${env:" not in value.source and password_of(value) != ""
