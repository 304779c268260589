"""Count API calls by endpoint: of the last poll and in all, kept in the journal beside the account's row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alerter.store import Tx


def _fact(account: str) -> str:
    return f"calls/{account}"


def keep_calls(tx: Tx, account: str, calls: Mapping[str, int], now: datetime) -> None:
    """Keep the calls of one poll, by endpoint, and add them to those of all polls."""
    before = tx.journal.get(_fact(account)) or {}
    total = Counter(before.get("total") or {})
    total.update(calls)
    tx.journal.put(_fact(account), {"last": dict(calls), "total": dict(total)}, now)


def calls_of(tx: Tx, account: str) -> list[dict[str, Any]]:
    """Return the calls of the last poll and in all for each endpoint ever asked, the most asked first."""
    kept = tx.journal.get(_fact(account)) or {"last": {}, "total": {}}
    last, total = kept["last"], kept["total"]
    ordered = sorted(total, key=lambda endpoint: (-total[endpoint], endpoint))
    return [{"endpoint": one, "last": last.get(one, 0), "total": total[one]} for one in ordered]
