"""Every table, in one place; the migrations are held to be equal to this by a test.

Usage is append-only: `snapshot`, `reading`, `user_area`, `owner_day`, `owner_extra`, `contract_version`, `meaning`,
`data_event` and `transition` know INSERT alone.  Days are ordinals, users are numbers within their account, areas are
doubles.
"""

from __future__ import annotations

import sqlalchemy as sa

from alerter.store.types import AnyText, Day, Json, UtcDateTime

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Column, Integer, Text, Double = sa.Column, sa.Integer, sa.Text, sa.Double

# ------------------------------------------------------------------ accounts and their contracts
account = sa.Table(
    "account",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("name", AnyText, nullable=False, unique=True),
    Column("next_poll_at", UtcDateTime, nullable=False),
    Column("owner", AnyText),
    Column("lease_until", UtcDateTime),  # NULL: nobody's
    Column("epoch", Integer, nullable=False),  # moves with every claim: the fence against paused daemons
    Column("listed_at", UtcDateTime),  # of the newest complete contract list
    Column("last_poll_at", UtcDateTime),
    Column("last_ok_at", UtcDateTime),
    Column("failing_since", UtcDateTime),
    Column("reason", Text, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("calls_last", Integer, nullable=False),
    Column("calls_total", sa.BigInteger, nullable=False),
    Column("polls", Integer, nullable=False),
)

contract = sa.Table(
    "contract",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("account_key", sa.ForeignKey("account.key"), nullable=False),
    Column("contract_id", AnyText, nullable=False),
    Column("start_at", UtcDateTime, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column(
        "last_listed_at", UtcDateTime
    ),  # NULL: in the account's newest complete list, so a quiet poll writes nothing
    Column("missing_lists", Integer, nullable=False),
    Column("evaluated_up_to", Integer, nullable=False),
    sa.UniqueConstraint("account_key", "contract_id", "start_at"),
)

contract_version = sa.Table(
    "contract_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract_key", sa.ForeignKey("contract.key"), nullable=False, index=True),
    Column("known_from", UtcDateTime, nullable=False),
    Column("end_at", UtcDateTime),
    Column("product", AnyText, nullable=False),
    Column("region", AnyText),
    Column("quota_value", Double),
    Column("quota_unit", Text),
    Column("extra", Json, nullable=False),
)

leaf_user = sa.Table(
    "leaf_user",
    metadata,
    Column("account_key", sa.ForeignKey("account.key"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 … within the account
    Column("user_id", AnyText, nullable=False),
    Column("name", AnyText),
    Column("named_at", UtcDateTime),
    sa.UniqueConstraint("account_key", "user_id"),
)

# ------------------------------------------------------------------ what was said
snapshot = sa.Table(
    "snapshot",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract_key", sa.ForeignKey("contract.key"), nullable=False),
    Column("fetched_at", UtcDateTime, nullable=False),
    Column("today", Day, nullable=False),
    Column("complete", sa.Boolean, nullable=False),
    sa.Index(None, "contract_key", "id"),
    sqlite_autoincrement=True,  # an id is never given twice, even after housekeeping deleted the newest
)

reading = sa.Table(
    "reading",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract_key", sa.ForeignKey("contract.key"), nullable=False),
    Column("snapshot_id", sa.ForeignKey("snapshot.id"), nullable=False),
    Column("day", Day, nullable=False),
    Column("base_id", Integer),  # the reading that this one differs from; NULL: from nothing
    Column("hash", sa.LargeBinary, nullable=False),
    Column("unit", Text, nullable=False),
    Column("unique_area", Double, nullable=False),
    Column("user_sum", Double, nullable=False),
    Column("user_count", Integer, nullable=False),
    Column("difference", Integer, nullable=False),  # users in user_area: what unpacking is checked against
    Column("extra", Json),
    sa.Index(None, "contract_key", "day", "id", "snapshot_id"),
    sqlite_autoincrement=True,
)

# The only large table: in whom a reading differs from its base, see packing.py.  A table of its own, so that walking
# the readings does not read it.
user_area = sa.Table(
    "user_area",
    metadata,
    Column("reading_id", sa.ForeignKey("reading.id"), primary_key=True, autoincrement=False),
    Column("packed", sa.LargeBinary, nullable=False),
)

owner_day = sa.Table(
    "owner_day",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract_key", sa.ForeignKey("contract.key"), nullable=False),
    Column("snapshot_id", sa.ForeignKey("snapshot.id"), nullable=False),
    Column("day", Day, nullable=False),
    Column("unit", Text, nullable=False),
    Column("total_area", Double, nullable=False),
    Column("daily_area", Double, nullable=False),
    sa.Index(None, "contract_key", "day", "id", "snapshot_id"),
    sqlite_autoincrement=True,
)

# Fields of a range answer that this program does not know, kept when they change.
owner_extra = sa.Table(
    "owner_extra",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract_key", sa.ForeignKey("contract.key"), nullable=False, index=True),
    Column("snapshot_id", sa.ForeignKey("snapshot.id"), nullable=False),
    Column("extra", Json, nullable=False),
)

meaning = sa.Table(
    "meaning",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract_key", sa.ForeignKey("contract.key"), nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
)

activation = sa.Table(
    "activation",
    metadata,
    Column("contract_key", sa.ForeignKey("contract.key"), primary_key=True),
    Column("rule", AnyText, primary_key=True),
    Column("active_on", Day, nullable=False),
)

bad_answer = sa.Table(
    "bad_answer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", AnyText, nullable=False),
    Column("contract_id", AnyText, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("sample", AnyText, nullable=False),
)

# What was noticed about the data.  `standing`: true when it begins, false when it ends, NULL: it happened.
data_event = sa.Table(
    "data_event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_key", sa.ForeignKey("account.key"), nullable=False),
    Column("contract_key", sa.ForeignKey("contract.key")),  # NULL: about the account
    Column("kind", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("day", Day),
    Column("standing", sa.Boolean),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("details", Json, nullable=False),
    sa.Index(None, "account_key", "contract_key", "id"),
)

# ------------------------------------------------------------------ alerts
alert = sa.Table(
    "alert",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("rule", AnyText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("account", AnyText, nullable=False),
    Column("contract_id", AnyText, nullable=False),
    Column("user_id", AnyText, nullable=False),
    Column("period", AnyText, nullable=False),
    Column("window", Text, nullable=False),
    Column("status", Text, nullable=False, index=True),
    Column("level", Double, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("entries", Json, nullable=False),
    Column("held", sa.Boolean, nullable=False),
    Column("recovering", sa.Boolean, nullable=False),
    Column("rule_changed", sa.Boolean, nullable=False),
    Column("told", Json, nullable=False),
    Column("started_at", UtcDateTime),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("snapshot_id", Integer, nullable=False),
    Column("revision", Text, nullable=False),
    Column("acked_level", Double),
    Column("close_reason", Text, nullable=False),
    Column("severity", Text),
    Column("tiers", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("figures", Json, nullable=False),
    sa.Index(None, "account", "contract_id", "period"),
)

transition = sa.Table(
    "transition",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", Text, nullable=False, index=True),
    Column("episode", Integer, nullable=False),
    Column("snapshot_id", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("from_status", Text, nullable=False),
    Column("to_status", Text, nullable=False),
    Column("from_level", Double, nullable=False),
    Column("to_level", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", Double),
)

silence = sa.Table(
    "silence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("matchers", Json, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False, index=True),
    Column("author", AnyText, nullable=False),
    Column("comment", AnyText, nullable=False),
    Column("up_to", Double),
    Column("ended_at", UtcDateTime),  # when somebody ended it early
    sqlite_autoincrement=True,
)

# ------------------------------------------------------------------ the outbox
recipient = sa.Table(
    "recipient",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", AnyText, nullable=False, unique=True),
)

UNDELIVERED = sa.text("state IN ('pending', 'sending')")

message = sa.Table(
    "message",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", AnyText, nullable=False, unique=True),
    Column("recipient_key", sa.ForeignKey("recipient.key"), nullable=False),
    Column("channel", AnyText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("thread", AnyText, nullable=False),
    Column("payload", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),  # created_at, or when somebody had it sent again
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ambiguous", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("lease_owner", AnyText),
    Column("lease_until", UtcDateTime),
    Column("last_error", AnyText, nullable=False),
    Column("done_at", UtcDateTime),  # sent or dead
    Column("thread_ref", AnyText),
    # What claims look at: as small as the queue itself, however much was ever sent.
    sa.Index(
        "ix_message_undelivered",
        "recipient_key",
        "id",
        sqlite_where=UNDELIVERED,
        postgresql_where=UNDELIVERED,
    ),
    sa.Index(None, "recipient_key", "thread"),
    sa.Index(None, "recipient_key", "done_at"),
    sa.Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

message_item = sa.Table(
    "message_item",
    metadata,
    Column("notice_key", AnyText, primary_key=True),
    Column("message_id", sa.ForeignKey("message.id"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

# ------------------------------------------------------------------ small facts
journal = sa.Table(
    "journal",
    metadata,
    Column("key", AnyText, primary_key=True),
    Column("value", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
