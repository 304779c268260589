"""First tables: accounts, what was said, alerts, the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TABLES = (
    "account",
    "alert",
    "bad_answer",
    "journal",
    "recipient",
    "silence",
    "transition",
    "contract",
    "leaf_user",
    "message",
    "activation",
    "contract_version",
    "meaning",
    "message_item",
    "snapshot",
    "owner_day",
    "owner_extra",
    "reading",
    "data_event",
    "user_area",
)


def upgrade() -> None:
    undelivered = sa.text("state IN ('pending', 'sending')")
    op.create_table(
        "account",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_poll_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ok_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("calls_last", sa.Integer(), nullable=False),
        sa.Column("calls_total", sa.BigInteger(), nullable=False),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
    op.create_table(
        "alert",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("recovering", sa.Boolean(), nullable=False),
        sa.Column("rule_changed", sa.Boolean(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("acked_level", sa.Double(), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("tiers", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_alert"),
    )
    op.create_index("ix_alert_account_contract_id_period", "alert", ["account", "contract_id", "period"])
    op.create_index("ix_alert_status", "alert", ["status"])
    op.create_table(
        "bad_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bad_answer"),
    )
    op.create_table(
        "journal",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_journal"),
    )
    op.create_table(
        "recipient",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_recipient"),
        sa.UniqueConstraint("id", name="uq_recipient_id"),
    )
    op.create_table(
        "silence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("matchers", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("up_to", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_silence"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_silence_ends_at", "silence", ["ends_at"])
    op.create_table(
        "transition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("from_level", sa.Double(), nullable=False),
        sa.Column("to_level", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_transition"),
    )
    op.create_index("ix_transition_fingerprint", "transition", ["fingerprint"])
    op.create_table(
        "contract",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("account_key", sa.Integer(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missing_lists", sa.Integer(), nullable=False),
        sa.Column("evaluated_up_to", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_key"], ["account.key"], name="fk_contract_account_key_account"),
        sa.PrimaryKeyConstraint("key", name="pk_contract"),
        sa.UniqueConstraint(
            "account_key", "contract_id", "start_at", name="uq_contract_account_key_contract_id_start_at"
        ),
    )
    op.create_table(
        "leaf_user",
        sa.Column("account_key", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_key"], ["account.key"], name="fk_leaf_user_account_key_account"),
        sa.PrimaryKeyConstraint("account_key", "number", name="pk_leaf_user"),
        sa.UniqueConstraint("account_key", "user_id", name="uq_leaf_user_account_key_user_id"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("recipient_key", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ambiguous", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("thread_ref", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["recipient_key"], ["recipient.key"], name="fk_message_recipient_key_recipient"),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.UniqueConstraint("key", name="uq_message_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_recipient_key_done_at", "message", ["recipient_key", "done_at"])
    op.create_index("ix_message_recipient_key_thread", "message", ["recipient_key", "thread"])
    op.create_index("ix_message_state_id", "message", ["state", "id"])
    op.create_index(
        "ix_message_undelivered",
        "message",
        ["recipient_key", "id"],
        sqlite_where=undelivered,
        postgresql_where=undelivered,
    )
    op.create_table(
        "activation",
        sa.Column("contract_key", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("active_on", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_activation_contract_key_contract"),
        sa.PrimaryKeyConstraint("contract_key", "rule", name="pk_activation"),
    )
    op.create_table(
        "contract_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contract_key", sa.Integer(), nullable=False),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("quota_value", sa.Double(), nullable=True),
        sa.Column("quota_unit", sa.Text(), nullable=True),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_contract_version_contract_key_contract"),
        sa.PrimaryKeyConstraint("id", name="pk_contract_version"),
    )
    op.create_index("ix_contract_version_contract_key", "contract_version", ["contract_key"])
    op.create_table(
        "meaning",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contract_key", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_meaning_contract_key_contract"),
        sa.PrimaryKeyConstraint("id", name="pk_meaning"),
    )
    op.create_index("ix_meaning_contract_key", "meaning", ["contract_key"])
    op.create_table(
        "message_item",
        sa.Column("notice_key", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_message_item_message_id_message"),
        sa.PrimaryKeyConstraint("notice_key", name="pk_message_item"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_message_item_message_id", "message_item", ["message_id"])
    op.create_table(
        "snapshot",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contract_key", sa.Integer(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("today", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_snapshot_contract_key_contract"),
        sa.PrimaryKeyConstraint("id", name="pk_snapshot"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_snapshot_contract_key_id", "snapshot", ["contract_key", "id"])
    op.create_table(
        "owner_day",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contract_key", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("total_area", sa.Double(), nullable=False),
        sa.Column("daily_area", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_owner_day_contract_key_contract"),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name="fk_owner_day_snapshot_id_snapshot"),
        sa.PrimaryKeyConstraint("id", name="pk_owner_day"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_owner_day_contract_key_day_id_snapshot_id", "owner_day", ["contract_key", "day", "id", "snapshot_id"]
    )
    op.create_table(
        "data_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_key", sa.Integer(), nullable=False),
        sa.Column("contract_key", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=True),
        sa.Column("standing", sa.Boolean(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_key"], ["account.key"], name="fk_data_event_account_key_account"),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_data_event_contract_key_contract"),
        sa.PrimaryKeyConstraint("id", name="pk_data_event"),
    )
    op.create_index("ix_data_event_account_key_contract_key_id", "data_event", ["account_key", "contract_key", "id"])
    op.create_table(
        "owner_extra",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contract_key", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_owner_extra_contract_key_contract"),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name="fk_owner_extra_snapshot_id_snapshot"),
        sa.PrimaryKeyConstraint("id", name="pk_owner_extra"),
    )
    op.create_index("ix_owner_extra_contract_key", "owner_extra", ["contract_key"])
    op.create_table(
        "reading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contract_key", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("base_id", sa.Integer(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("unique_area", sa.Double(), nullable=False),
        sa.Column("user_sum", sa.Double(), nullable=False),
        sa.Column("user_count", sa.Integer(), nullable=False),
        sa.Column("difference", sa.Integer(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["contract_key"], ["contract.key"], name="fk_reading_contract_key_contract"),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name="fk_reading_snapshot_id_snapshot"),
        sa.PrimaryKeyConstraint("id", name="pk_reading"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_reading_contract_key_day_id_snapshot_id", "reading", ["contract_key", "day", "id", "snapshot_id"]
    )
    op.create_table(
        "user_area",
        sa.Column("reading_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["reading_id"], ["reading.id"], name="fk_user_area_reading_id_reading"),
        sa.PrimaryKeyConstraint("reading_id", name="pk_user_area"),
    )


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)
