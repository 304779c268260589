"""Say how far the first reading of a term's past is: in the journal with each part, now and then in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from alerter.app.settings import Filled
from alerter.store import StoredContract, Tx

log = logging.getLogger("alerter.poll")

LOG_SHARE = 0.1  # of the days, or
LOG_SECONDS = 10.0  # since the last line: whichever comes first


def fill_fact(key: int) -> str:
    """Return the journal's key of how far a term's first fill is."""
    return f"fill/{key}"


class Filling:
    """Counts one fill: `left` days of the past are to be read of `of`; a small one is told of only if it ends a large.

    `told` hears of each part that was committed.
    """

    def __init__(
        self, stored: StoredContract, *, left: int, of: int, is_small: bool, told: Callable[[Filled], None]
    ) -> None:
        self._stored = stored
        self._left = left
        self._of = of
        self._is_quiet = is_small
        self._told = told
        self._logged: tuple[int, float] | None = None  # days left and time of the last line

    def keep(self, tx: Tx, asked: int, now: datetime) -> None:
        """Keep with a part's commit that `asked` days more were asked for."""
        self._left -= asked
        fact = fill_fact(self._stored.key)
        before = tx.journal.get(fact) if self._is_quiet else None
        if not self._is_quiet or (before is not None and before["read"] < before["of"]):
            tx.journal.put(fact, {"read": self._of - self._left, "of": self._of, "at": now.isoformat()}, now)

    def tell(self, monotonic: float) -> None:
        """Tell the listener, and the log if a tenth of the days or ten seconds have passed since the last time."""
        if self._is_quiet:
            return
        self._told(Filled(contract=self._stored.contract, read=self._of - self._left, of=self._of))
        left_then, then = self._logged or (self._of, float("-inf"))
        if self._logged and left_then - self._left < LOG_SHARE * self._of and monotonic - then < LOG_SECONDS:
            return
        self._logged = self._left, monotonic
        contract = self._stored.contract
        fields = {"account": contract.account, "contract": contract.id, "read": self._of - self._left, "of": self._of}
        log.info("action=fill_progress", extra={"fields": fields})
