"""Run migrations in the transaction that alerter.store.migrate has opened; developers name a database by -x url=."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext

from alerter.store.migrate import VERSION_TABLE, concerns, migrating
from alerter.store.tables import metadata


def render_item(type_: str, item: Any, _context: AutogenContext) -> str | bool:
    """Write a column's plain type into a new revision: a revision must not change with the program's own types."""
    if type_ == "type" and isinstance(item, sa.types.TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


def run(connection: sa.Connection) -> None:
    """Run what alembic was asked for, in the connection's transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,
        render_item=render_item,
        compare_type=True,
        compare_server_default=True,
        include_object=concerns(connection.dialect.name),
        on_version_apply=context.config.attributes.get("on_version_apply"),
    )
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with migrating(context.get_x_argument(as_dictionary=True)["url"]) as opened:
        run(opened)
