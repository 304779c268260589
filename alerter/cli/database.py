"""Open the database for a command: of the config, or named by --database; never create one to look at it."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alerter.cli.frame import find_config, read_config
from alerter.cli.output import say
from alerter.errors import ConfigError, SchemaError, UsageError

if TYPE_CHECKING:
    from alerter.app.status import StatusSettings
    from alerter.config import Config
    from alerter.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open database, with the config it belongs to where one was read."""

    store: Store
    url: str  # without its password
    config: Config | None
    now: datetime


def database_url(text: str) -> str:
    """Return the URL for what a person writes: a URL, or the path of an SQLite file."""
    if "://" not in text:
        return f"sqlite:///{Path(text).absolute()}"
    scheme, _, rest = text.partition("://")
    if scheme not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise UsageError(f"--database: {scheme}:// is neither sqlite:/// nor postgresql://, nor the path of a file")
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if not path:
            raise UsageError("--database: name a file: sqlite:///alerter.db")
        return f"sqlite:///{Path(path).absolute()}"
    return text


def public_url(url: str) -> str:
    """Return a database URL without its user and password: what may be shown."""
    scheme, found, rest = url.partition("://")
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if found and "@" in rest else url


def with_database(config: Config, database: str | None) -> Config:
    """Return the config with another database, if one is named."""
    return config.model_copy(update={"database": database_url(database)}) if database else config


@contextmanager
def opened(config: Path | None, database: str | None) -> Iterator[Opened]:
    """Open the config's database, or the named one without needing a config; raise SchemaError if it is not ours."""
    from alerter.app.clock import SystemClock
    from alerter.store import Store

    loaded = _config_if_needed(config, database)
    url = chosen_url(loaded, database)
    refuse_foreign(url)
    store = Store(url)
    try:
        yield Opened(store=store, url=public_url(url), config=loaded, now=SystemClock().now())
    finally:
        store.close()


def chosen_url(config: Config | None, database: str | None) -> str:
    """Return the named database, else the config's; raise UsageError where its address cannot be read here."""
    url = database_url(database) if database else config.database if config else ""
    if not url:
        raise UsageError("the database's address is a secret that cannot be read here; name it with --database URL")
    return url


def _config_if_needed(config: Path | None, database: str | None) -> Config | None:
    """Read the config but none of its secrets, which may be the daemon's; with --database do without a broken one."""
    try:
        path = find_config(config)
    except UsageError:
        if not database:
            raise
        return None
    try:
        return read_config(path, secrets=False)
    except ConfigError as error:
        if not database:
            raise
        say(f"the config is not used, so caps and names in it are unknown: {str(error).splitlines()[0]}", err=True)
        return None


def refuse_foreign(url: str) -> None:
    """Raise SchemaError with what to do unless there is a database of this program's schema at `url`."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise SchemaError(
            f"there is no database at {url} yet: the daemon makes it at its first start (alerter run, alerter once). "
            "A service keeps it in $STATE_DIRECTORY: name it with --database /var/lib/alerter/alerter.db"
        )
    from alerter.store import migrate

    state = migrate.check(url)
    if state.state == "current":
        return
    what = {
        "none": "is no alerter database; is `database:` right? alerter db upgrade makes the tables",
        "older": "is of an older version; bring it up to date with: alerter db upgrade",
        "newer": "was written by a newer alerter; install that version here too",
    }
    raise SchemaError(f"the database {public_url(url)} {what[state.state]}")


def status_settings(found: Opened) -> StatusSettings:
    """Return what a look at the contracts needs of the config: caps and names; what the API says without one."""
    from alerter.app.entries import cap_of, name_of
    from alerter.app.status import StatusSettings

    config = found.config
    if config is None:
        return StatusSettings(database=found.url)
    return StatusSettings(
        config_path=str(config.path),
        database=found.url,
        accounts=[account.name for account in config.accounts],
        cap_of=partial(cap_of, config),
        every=config.poll.every,
        name_of=partial(name_of, config),
    )
