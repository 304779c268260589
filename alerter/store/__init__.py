"""Keep what was said and decided: the only part that knows SQLAlchemy, on SQLite and on Postgres."""

from alerter.store.rows import (
    AccountState,
    BadAnswer,
    Claim,
    DataEvent,
    MeaningRow,
    OutboxMessage,
    PollRecord,
    SchemaState,
    SnapshotRow,
    StaleClaim,
    StoredContract,
    StoredUsage,
    SummaryState,
)
from alerter.store.store import Store, Tx

__all__ = [
    "AccountState",
    "BadAnswer",
    "Claim",
    "DataEvent",
    "MeaningRow",
    "OutboxMessage",
    "PollRecord",
    "SchemaState",
    "SnapshotRow",
    "StaleClaim",
    "Store",
    "StoredContract",
    "StoredUsage",
    "SummaryState",
    "Tx",
]
