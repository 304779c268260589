"""Accounts: who may poll which one now, until when, and how their polls went."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from alerter.store.part import Part
from alerter.store.rows import AccountState, Claim, PollRecord, StaleClaim
from alerter.store.tables import account
from alerter.store.types import UtcDateTime

_C = account.c
_STILL_MINE = (
    sa.select(_C.key)
    .where(_C.key == sa.bindparam("key"), _C.epoch == sa.bindparam("epoch"))
    .with_for_update(key_share=True)
)


class Accounts(Part):
    """The accounts of one transaction."""

    def sync(self, names: Iterable[str], now: datetime) -> None:
        """Add the accounts that are new, due at once; an account that is gone keeps its row and its history."""
        rows = [
            {
                "name": name,
                "next_poll_at": now,
                "epoch": 0,
                "reason": "",
                "message": "",
                "calls_last": 0,
                "calls_total": 0,
                "polls": 0,
            }
            for name in dict.fromkeys(names)
        ]
        self._run(self._insert(account).on_conflict_do_nothing(index_elements=[_C.name]), rows)

    def free(self) -> None:
        """Take every claim away, for whoever knows that no other daemon lives: a dead one's lease holds nobody up."""
        self._run(sa.update(account).where(_C.lease_until.is_not(None)).values(owner=None, lease_until=None))

    def make_due(self, names: Collection[str], now: datetime) -> None:
        """Let the named accounts be polled at once; who holds one keeps it."""
        later = (_C.name.in_(list(names)), _C.next_poll_at > now)
        self._run(sa.update(account).where(*later).values(next_poll_at=now))

    def claim(self, owner: str, now: datetime, lease: timedelta, names: Collection[str], limit: int) -> list[Claim]:
        """Claim up to `limit` of the named accounts that are due and nobody's, the longest due first."""
        due = (
            sa.select(_C.key)
            .where(_C.name.in_(list(names)), _C.next_poll_at <= now)
            .where(sa.or_(_C.lease_until.is_(None), _C.lease_until <= now))
            .order_by(_C.next_poll_at, _C.key)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        # Two statements: within one UPDATE Postgres may run a locking subquery more than once and pass the limit.
        keys = [row.key for row in self._all(due)]
        claimed = (
            sa.update(account)
            .where(_C.key.in_(keys))
            .values(owner=owner, lease_until=now + lease, epoch=_C.epoch + 1)
            .returning(_C.key, _C.name, _C.epoch, _C.next_poll_at)
        )
        claims = [
            Claim(account=row.name, account_key=row.key, epoch=row.epoch, due_at=row.next_poll_at)
            for row in (self._all(claimed) if keys else ())
        ]
        return sorted(claims, key=lambda one: (one.due_at, one.account_key))

    def renew(self, claim: Claim, now: datetime, lease: timedelta) -> bool:
        """Prolong the lease; False when the claim was lost."""
        renewed = sa.update(account).where(*self._mine(claim)).values(lease_until=now + lease)
        return self._run(renewed) == 1

    def check(self, claim: Claim, now: datetime) -> None:  # noqa: ARG002 - the agreed signature; epochs decide
        """Raise StaleClaim if somebody else claimed the account since; until the transaction ends nobody can.

        A lease that ran out unclaimed still counts: nobody else has done the work.
        """
        row = self._first(_STILL_MINE, key=claim.account_key, epoch=claim.epoch)
        if row is None:
            raise StaleClaim(f"the account {claim.account!r} was claimed by another daemon; nothing was written")

    def release(self, claim: Claim, now: datetime, next_poll_at: datetime) -> None:  # noqa: ARG002 - as above
        """Give the account back, due again at `next_poll_at`; a lost claim is left alone."""
        self._run(
            sa.update(account).where(*self._mine(claim)).values(owner=None, lease_until=None, next_poll_at=next_poll_at)
        )

    @staticmethod
    def _mine(claim: Claim) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return _C.key == claim.account_key, _C.epoch == claim.epoch

    def record_poll(self, claim: Claim, record: PollRecord) -> None:
        """Keep how a poll went; the first failure in a row marks `failing_since`, a success clears it."""
        calls = sum(record.calls.values())
        values: dict[str, Any] = {
            "last_poll_at": record.ended_at,
            "reason": record.reason,
            "message": record.message,
            "calls_last": calls,
            "calls_total": _C.calls_total + calls,
            "polls": _C.polls + 1,
            "failing_since": None
            if record.ok
            else sa.func.coalesce(_C.failing_since, sa.literal(record.ended_at, UtcDateTime)),
        }
        if record.ok:
            values["last_ok_at"] = record.ended_at
        self._run(sa.update(account).where(*self._mine(claim)).values(**values))

    def states(self) -> list[AccountState]:
        """Return every account's state, by name."""
        columns = [_C[name] for name in AccountState.__dataclass_fields__]
        return [AccountState(**row._asdict()) for row in self._all(sa.select(*columns).order_by(_C.name))]
