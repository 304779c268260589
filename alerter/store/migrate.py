"""Bring a database's schema up to date, under a lock, whole or not at all; refuse what is newer than this program.

Alembic is imported only when there is something to do.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from alerter.errors import SchemaError
from alerter.store.engine import begin, open_engine, parse_url, sqlite_path
from alerter.store.rows import SchemaState
from alerter.store.tables import metadata

if TYPE_CHECKING:  # alembic costs a second and 15 MB
    from alembic.config import Config

log = logging.getLogger("alerter.store")

VERSION_TABLE = "alerter_schema"
_LOCK = 0x616C7273  # the number of the advisory lock under which Postgres migrations run
_WAIT = 60.0  # seconds that one migration waits for another's end
_REVISION = re.compile(r'^(revision|down_revision)\b[^=]*= *(?:"([^"]+)"|None)', re.MULTILINE)


def script_dir() -> Path:
    """Return the folder of the migrations: inside the installed package, or beside it in a checkout."""
    installed = Path(__file__).parents[1] / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "migrations"


def revisions() -> tuple[str, ...]:
    """Return every revision this program knows, oldest first, without importing alembic."""
    after: dict[str | None, str] = {}
    for file in sorted((script_dir() / "versions").glob("*.py")):
        found = {name: value or None for name, value in _REVISION.findall(file.read_text(encoding="utf-8"))}
        after[found["down_revision"]] = str(found["revision"])
    ordered = []
    at: str | None = None
    while (at := after.get(at)) is not None:
        ordered.append(at)
    return tuple(ordered)


def check(url: str) -> SchemaState:
    """Say where the database's schema stands; a missing SQLite file is state `none` and is not created.

    Raises SchemaError for a database that is somebody else's, StoreBusy or StoreError when it cannot be read.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None and not path.exists():
        return _state(None)
    engine = open_engine(parsed)
    try:
        with begin(engine, writes=False) as connection:
            return _state(_current(connection))
    finally:
        engine.dispose()


def upgrade(url: str, progress: Callable[[str], None] | None = None) -> SchemaState:
    """Create the database or bring it up to date; `progress` is told each revision before it is applied.

    Several processes may do so at once: one works, the others wait.  All revisions are one transaction.  Raises
    SchemaError when the schema is newer than this program or the database is somebody else's.
    """
    state = check(url)
    if state.state == "newer":
        raise _newer(state)
    if state.state != "current":
        with migrating(url) as connection:
            if _refuse_newer(connection):
                _run(connection, "upgrade", "head", progress)
    return check(url)


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to `revision` (`base`: none at all), for tests and emergencies."""
    with migrating(url) as connection:
        _run(connection, "downgrade", revision, None)


def drift(url: str) -> list[str]:
    """Return what differs between the database's schema and `tables.py`, as sentences; empty when they agree."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - costs a second, only tests and releases ask
    from alembic.migration import MigrationContext  # noqa: PLC0415 - as above

    with migrating(url) as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "version_table": VERSION_TABLE,
            "include_object": concerns(connection.dialect.name),
        }
        context = MigrationContext.configure(connection, opts=options)
        return [str(one) for one in compare_metadata(context, metadata)]


def concerns(dialect: str) -> Callable[..., bool]:
    """Return alembic's filter for what this dialect has: some indexes are for one database only."""

    def _is_here(thing: Any, *_: object) -> bool:
        return bool(thing.info.get("only", dialect) == dialect)

    return _is_here


def _state(current: str | None) -> SchemaState:
    known = revisions()
    head = known[-1]
    if current is None:
        state = "none"
    elif current == head:
        state = "current"
    else:
        state = "older" if current in known else "newer"
    return SchemaState(current=current, head=head, state=state)


def _current(connection: Connection) -> str | None:
    """Return the revision the database is at, None for an empty one; refuse somebody else's."""
    there = set(sa.inspect(connection).get_table_names())
    if VERSION_TABLE in there:
        version = sa.table(VERSION_TABLE, sa.column("version_num"))
        return connection.scalar(sa.select(version.c.version_num))
    foreign = there if connection.dialect.name == "sqlite" else there & set(metadata.tables)
    if foreign:
        raise SchemaError(f"this is no alerter database: it has tables of its own ({', '.join(sorted(foreign)[:3])})")
    return None


def _newer(state: SchemaState) -> SchemaError:
    return SchemaError(
        f"the database was written by a newer alerter (schema {state.current}, this one knows {state.head}): "
        "install that version again, or restore a backup"
    )


def _refuse_newer(connection: Connection) -> bool:
    """Look again under the lock; False when another process has done the work meanwhile."""
    state = _state(_current(connection))
    if state.state == "newer":
        raise _newer(state)
    return state.state != "current"


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """Run one transaction that nobody else migrates in.

    SQLite: foreign keys are off before it begins, because rebuilding a parent table would delete its children's rows,
    and are checked before it commits.
    """
    engine = open_engine(parse_url(url), create=True, foreign_keys=False, busy=_WAIT)
    try:
        with begin(engine, writes=True) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection
            _check_references(connection, engine)
    finally:
        engine.dispose()


def _check_references(connection: Connection, engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise SchemaError(
            f"the migration would leave rows of {broken[0]} without their {broken[2]}; nothing was changed"
        )


def _run(connection: Connection, direction: str, target: str, progress: Callable[[str], None] | None) -> None:
    from alembic import command  # noqa: PLC0415 - costs a second, only migrations need it

    def tell(*, step: Any, **_: Any) -> None:
        log.info("action=schema_migrated", extra={"fields": {"revision": step.up_revision_id, "direction": direction}})
        if progress is not None:
            progress(f"{step.up_revision_id}: {step.up_revision.doc}")

    config = alembic_config()
    config.attributes["connection"] = connection
    config.attributes["on_version_apply"] = tell
    (command.upgrade if direction == "upgrade" else command.downgrade)(config, target)


def alembic_config() -> Config:
    """Return alembic's configuration, made here so that an installed package needs no file for it."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(script_dir()).replace("%", "%%"))
    return config
