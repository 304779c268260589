"""Secrets: a type that never shows itself, and the three places they are read from.

`{env: NAME}`, `{file: path}` (relative to the config file, private to its owner), `{credential: name}` (systemd).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from alerter.config.values import Scalar, closest, wrong

MASK = "**********"
UNREAD = "unread://"  # in place of a secret that was not looked for; has the shape of an address
_MAX_BYTES = 64 * 1024
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SOURCES = ("env", "file", "credential")


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that prints as asterisks; `origin` says where it came from: literal, env, file, credential or unread."""

    _text: str
    origin: str = "literal"

    def reveal(self) -> str:
        """Return the secret itself: for the one who logs in or sends with it, and nobody else."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK


@dataclass(frozen=True, slots=True)
class Sources:
    """Where secrets and relative paths are looked up while a config is validated."""

    env: Mapping[str, str] = field(repr=False)
    folder: Path
    credentials_dir: Path | None = None
    secrets: bool = True  # False: references are checked but not followed, for whoever needs none of them


def read_secret(value: object, info: ValidationInfo) -> Secret:
    """Read a plain text or one of the three references; the message of an error never repeats what it read."""
    return secret_of(value, info.context if isinstance(info.context, Sources) else None)


def secret_of(value: object, sources: Sources | None) -> Secret:
    """Do the same with the given sources, None: no reference can be followed."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, dict):
        return _referred(value, sources)
    if value is None or isinstance(value, (list, tuple)):
        raise wrong("expected a text, {env: NAME}, {file: path} or {credential: name}")
    if not str(value).strip():
        raise wrong("is empty, expected a text, {env: NAME}, {file: path} or {credential: name}")
    filled_in = isinstance(value, Scalar) and "${env:" in value.source
    return Secret(str(value), "env" if filled_in else "literal")


def _referred(value: dict[str, object], sources: Sources | None) -> Secret:
    if len(value) != 1:
        raise wrong("expected exactly one of {env: NAME}, {file: path} or {credential: name}")
    source, name = next(iter(value.items()))
    if source not in _SOURCES:
        raise wrong(f"unknown source {source[:40]!r}, expected env, file or credential{closest(source, _SOURCES)}")
    if not isinstance(name, str) or not name.strip():
        raise wrong(f"{{{source}: …}} needs a {'path' if source == 'file' else 'name'}")
    if sources is None:
        raise wrong(f"{{{source}: …}} can be read from a config file only")
    _check_name(source, str(name))
    if not sources.secrets:
        return Secret(UNREAD, "unread")
    read = {"env": _from_env, "file": _from_file, "credential": _from_credential}[source]
    return Secret(_whole(read(str(name), sources), source), source)


def _check_name(source: str, name: str) -> None:
    if source == "env" and not _ENV_NAME.fullmatch(name):  # most likely the secret itself: do not repeat it
        raise wrong("{env: …} takes the name of an environment variable, not its value")
    if source == "credential" and not _CREDENTIAL_NAME.fullmatch(name):
        raise wrong("{credential: …} takes the name of a systemd credential: letters, digits, - _ and .")


def _whole(text: str, source: str) -> str:
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise wrong(f"the secret read from {source} is empty")
    if not text.isprintable():
        raise wrong(f"the secret read from {source} holds a line break or another control character")
    return text


def _from_env(name: str, sources: Sources) -> str:
    text = sources.env.get(name)
    if text is None:
        raise wrong(f"the environment variable {name} is not set")
    if not text:
        raise wrong(f"the environment variable {name} is empty")
    return text


def _from_file(name: str, sources: Sources) -> str:
    path = sources.folder / name
    text, mode = _read_regular(path)
    if mode & 0o077:
        raise wrong(f"{path} can be read by others (mode {mode:04o}); run: chmod 600 {path}")
    return text


def _from_credential(name: str, sources: Sources) -> str:
    if sources.credentials_dir is None:
        raise wrong(
            f"there are no systemd credentials here ($CREDENTIALS_DIRECTORY is not set); start the service with "
            f"LoadCredential={name}:/path, or use {{file: path}}"
        )
    return _read_regular(sources.credentials_dir / name)[0]


def _read_regular(path: Path) -> tuple[str, int]:
    """Return the text and the permission bits of a file; never wait for a pipe or a device."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            raw = file.read(_MAX_BYTES + 1) if stat.S_ISREG(status.st_mode) else None
    except OSError as error:
        raise wrong(f"cannot read {path}: {(error.strerror or 'error').lower()}") from None
    if raw is None:
        raise wrong(f"{path} is not a regular file")
    if len(raw) > _MAX_BYTES:
        raise wrong(f"{path} is larger than 64 KiB; this cannot be a secret")
    try:
        return raw.decode("utf-8"), stat.S_IMODE(status.st_mode)
    except UnicodeDecodeError:
        raise wrong(f"{path} is not UTF-8 text") from None


# ------------------------------------------------------------------ what is secret within an address
_OPEN_SCHEMES = frozenset({"console", "mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms", "syslog"})


def carries_credentials(url: str) -> bool:
    """Say whether a channel's address holds a password or a token (for most services the path is the token)."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in _OPEN_SCHEMES:
        return True
    return password_of(url) != "" or "+" in rest.partition("?")[2] or "pass=" in rest.partition("?")[2]


def password_of(url: str) -> str:
    """Return the password within an address as it is written, or nothing."""
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def secret_parts(url: str) -> set[str]:
    """Return what logs must not show of an address: itself, its password, and pieces that look like tokens."""
    password = password_of(url)
    pieces = {piece for piece in re.split(r"[/?&=@:]", url.partition("://")[2]) if _looks_random(piece)}
    return {part for part in (url, password, unquote(password), *pieces) if part}


def _looks_random(piece: str) -> bool:
    return len(piece) >= 8 and "." not in piece and bool(re.search("[0-9]", piece) and re.search("[A-Za-z]", piece))


def _reference(source: str) -> dict[str, Any]:
    properties = {source: {"type": "string"}}
    return {"type": "object", "properties": properties, "required": [source], "additionalProperties": False}


_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string"}, *map(_reference, _SOURCES)]}
SecretText = Annotated[Secret, PlainValidator(read_secret), WithJsonSchema(_SCHEMA), PlainSerializer(lambda _: MASK)]
