"""The outbox: one row per message and recipient, in order per recipient, each enqueued once.

States: pending → sending (under a lease) → sent, or back to pending, or dead.  A lease that runs out means that a
daemon died between claim and mark: the message may have arrived, so the next claim counts it as ambiguous.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from alerter.core.states import Draft
from alerter.store.part import Part
from alerter.store.rows import GivenUp, OutboxMessage
from alerter.store.tables import UNDELIVERED, message, message_item, recipient
from alerter.store.types import UtcDateTime

_M, _I, _R = message.c, message_item.c, recipient.c
STATES = ("pending", "sending", "sent", "dead")
_CLAIMS = 0x616C7274  # the number of the advisory lock under which Postgres claims are made
_AT_ONCE = 500


class Outbox(Part):
    """The outbox of one transaction."""

    def enqueue(self, draft: Draft) -> bool:
        """Add a message; False, and nothing written, when its key or one of its notices is in the outbox already."""
        notices = list(dict.fromkeys(draft.notice_keys))
        if self._known(draft.key, notices):
            return False
        with self._connection.begin_nested() as savepoint:
            message_id = self._add_message(draft)
            # Another daemon may add the same keys at this moment: then nothing of ours may stay.
            if message_id is None or not self._add_items(message_id, notices):
                savepoint.rollback()
                return False
        return True

    def _known(self, key: str, notices: list[str]) -> bool:
        if self._first(sa.select(_M.id).where(_M.key == key)) is not None:
            return True
        parts = (notices[start : start + _AT_ONCE] for start in range(0, len(notices), _AT_ONCE))
        return any(self._first(sa.select(_I.message_id).where(_I.notice_key.in_(part)).limit(1)) for part in parts)

    def _add_message(self, draft: Draft) -> int | None:
        new = self._insert(message).values(
            key=draft.key,
            recipient_key=self._recipient_key(draft.recipient),
            channel=draft.channel,
            kind=draft.kind,
            thread=draft.thread,
            payload=dict(draft.payload),
            created_at=draft.created_at,
            queued_at=draft.created_at,
            next_attempt_at=draft.created_at,
            state="pending",
            attempts=0,
            ambiguous=0,
            last_error="",
        )
        added: int | None = self._connection.scalar(
            new.on_conflict_do_nothing(index_elements=[_M.key]).returning(_M.id)
        )
        return added

    def _add_items(self, message_id: int, notices: list[str]) -> bool:
        new = self._insert(message_item).on_conflict_do_nothing(index_elements=[_I.notice_key])
        self._run(new, [{"notice_key": one, "message_id": message_id} for one in notices])
        added = sa.select(sa.func.count()).select_from(message_item).where(_I.message_id == message_id)
        return self._connection.scalar(added) == len(notices)

    def _recipient_key(self, name: str) -> int:
        find = sa.select(_R.key).where(_R.id == name)
        key = self._connection.scalar(find)
        if key is None:
            self._run(self._insert(recipient).values(id=name).on_conflict_do_nothing(index_elements=[_R.id]))
            key = self._connection.execute(find).scalar_one()
        return int(key)

    # -------------------------------------------------------------- claiming
    def claim(
        self, owner: str, now: datetime, lease: timedelta, limit: int, recipients: Collection[str] | None = None
    ) -> list[OutboxMessage]:
        """Claim what may be sent now: of each recipient (among `recipients`) at most its oldest undelivered message.

        Only if it is due and nothing else is on its way to that recipient.  The attempt counts from here, so that a
        message which kills its daemon is seen to do so.
        """
        if self._on_postgres:
            # One claim at a time: the next one sees what this one took, so no two daemons serve one recipient.
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CLAIMS)))
        ready = (
            sa.select(_M.id)
            .where(_M.id.in_(self._heads(recipients)), UNDELIVERED, _M.next_attempt_at <= now, _free(now))
            .order_by(_M.next_attempt_at, _M.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = [row.id for row in self._all(ready)]
        if not ids:
            return []
        interrupted = sa.case((_M.state == "sending", 1), else_=0)
        self._run(
            sa.update(message)
            .where(_M.id.in_(ids))
            .values(
                state="sending",
                attempts=_M.attempts + 1,
                ambiguous=_M.ambiguous + interrupted,
                lease_owner=owner,
                lease_until=now + lease,
            )
        )
        thread_ref = self._newest_thread_ref()
        claimed = _messages(thread_ref).where(_M.id.in_(ids)).order_by(_M.id)
        return [OutboxMessage(**row._asdict()) for row in self._all(claimed)]

    def _heads(self, recipients: Collection[str] | None = None) -> list[int]:
        """Return the id of each recipient's oldest undelivered message."""
        rows = self._all(_head_ids(recipients))
        return [row.oldest for row in rows if row.oldest is not None]

    @staticmethod
    def _newest_thread_ref() -> sa.ScalarSelect[str | None]:
        earlier = message.alias("earlier")
        return (
            sa.select(earlier.c.thread_ref)
            .where(earlier.c.recipient_key == _M.recipient_key, earlier.c.thread == _M.thread)
            .where(earlier.c.state == "sent", earlier.c.thread_ref.is_not(None))
            .order_by(earlier.c.done_at.desc(), earlier.c.id.desc())
            .limit(1)
            .correlate(message)
            .scalar_subquery()
        )

    def next_due(self) -> datetime | None:
        """Return when `claim` may next give something, None when nothing waits."""
        at = sa.case((_M.state == "sending", _M.lease_until), else_=_M.next_attempt_at)
        first = sa.select(sa.func.min(at, type_=UtcDateTime)).where(_M.id.in_(self._heads()))
        due_at: datetime | None = self._connection.scalar(first)
        return due_at

    # -------------------------------------------------------------- marking
    def renew(self, attempts: Mapping[int, int], now: datetime, lease: timedelta) -> set[int]:
        """Prolong the leases of messages on their way, by id with the attempt each is at; return those still ours.

        The others were delivered, given up, or claimed by another daemon since.
        """
        if not attempts:
            return set()
        held = sa.select(_M.id, _M.attempts).where(_M.id.in_(list(attempts)), _M.state == "sending").with_for_update()
        ours = {row.id for row in self._all(held) if row.attempts == attempts[row.id]}
        self._run(sa.update(message).where(_M.id.in_(sorted(ours))).values(lease_until=now + lease))
        return ours

    def mark_sent(
        self,
        id: int,  # noqa: A002 - the row's id
        now: datetime,
        thread_ref: str | None = None,
        *,
        attempt: int | None = None,
    ) -> bool:
        """Say that the receiver accepted the message: one statement by key.

        With `attempt`, only if that attempt is still the running one: while another daemon tries the message again, the
        next one to this recipient has to wait for it.  False when nothing was changed.
        """
        sent = sa.update(message).where(_M.id == id, _M.state != "sent")
        if attempt is not None:
            sent = sent.where(_M.state == "sending", _M.attempts == attempt)
        done = {"state": "sent", "done_at": now, "thread_ref": thread_ref, "lease_owner": None, "lease_until": None}
        return self._run(sent.values(**done)) == 1

    def mark_failed(
        self,
        id: int,  # noqa: A002 - the row's id
        error: str,
        now: datetime,  # noqa: ARG002 - every mark says when
        next_attempt_at: datetime,
        ambiguous: bool,
        *,
        attempt: int | None = None,
    ) -> bool:
        """Give a message back, due again at `next_attempt_at`; `ambiguous`: it may have arrived.

        With `attempt`, only if that attempt is still the running one.  False when nothing was changed.
        """
        failed = sa.update(message).where(_M.id == id, _M.state == "sending")
        if attempt is not None:
            failed = failed.where(_M.attempts == attempt)
        values = {
            "state": "pending",
            "last_error": error,
            "next_attempt_at": next_attempt_at,
            "ambiguous": _M.ambiguous + int(ambiguous),
            "lease_owner": None,
            "lease_until": None,
        }
        return self._run(failed.values(**values)) == 1

    def hasten(self, now: datetime, by: timedelta) -> None:
        """Let what waits be due sooner by `by`, at the earliest now: the clock was set back by so much."""
        rows = self._all(sa.select(_M.id, _M.next_attempt_at).where(_M.state == "pending", _M.next_attempt_at > now))
        sooner = sa.update(message).where(_M.id == sa.bindparam("of"), _M.state == "pending")
        due = [{"of": row.id, "due_at": max(now, row.next_attempt_at - by)} for row in rows]
        self._run(sooner.values(next_attempt_at=sa.bindparam("due_at")), due)

    def free(self, now: datetime) -> int:
        """Give back everything that is being sent, for whoever knows that no other daemon lives; return how much.

        Whoever claimed it died on the way: each may have arrived.
        """
        lost = sa.update(message).where(_M.state == "sending")
        values = {"state": "pending", "next_attempt_at": now, "ambiguous": _M.ambiguous + 1}
        return self._run(lost.values(**values, lease_owner=None, lease_until=None))

    def mark_dead(self, id: int, error: str, now: datetime, *, attempt: int | None = None) -> bool:  # noqa: A002 - as above
        """Give a message up; it stays visible and can be sent again.  False when it was delivered or dead before.

        With `attempt`, only if that attempt is still the running one.
        """
        dead = sa.update(message).where(_M.id == id, UNDELIVERED)
        if attempt is not None:
            dead = dead.where(_M.state == "sending", _M.attempts == attempt)
        return self._run(dead.values(**_dead(error, now))) == 1

    def resend(self, id: int, now: datetime) -> bool:  # noqa: A002 - the row's id
        """Put a dead message back into the queue, due now; False when it is not dead."""
        again = sa.update(message).where(_M.id == id, _M.state == "dead")
        return self._run(again.values(state="pending", queued_at=now, next_attempt_at=now, done_at=None)) == 1

    def retire(self, recipients_kept: Collection[str], now: datetime) -> list[OutboxMessage]:
        """Give up what waits for recipients that are gone (`receiver_removed`), and return those messages."""
        gone = _messages(_M.thread_ref).where(UNDELIVERED, _R.id.not_in(list(recipients_kept))).order_by(_M.id)
        ids = [row.id for row in self._all(gone)]
        for start in range(0, len(ids), _AT_ONCE):
            part = sa.update(message).where(_M.id.in_(ids[start : start + _AT_ONCE]), UNDELIVERED)
            self._run(part.values(**_dead("receiver_removed", now)))
        dead = [row for row in self.list("dead", len(ids)) if row.id in set(ids)] if ids else []
        return sorted(dead, key=lambda row: row.id)

    # -------------------------------------------------------------- looking
    def list(self, state: str | None = None, limit: int = 100) -> builtins.list[OutboxMessage]:
        """Return messages (in one state), the newest first."""
        found = _messages(_M.thread_ref).order_by(_M.id.desc()).limit(limit)
        if state is not None:
            found = found.where(_M.state == state)
        return [OutboxMessage(**row._asdict()) for row in self._all(found)]

    def broken(self) -> tuple[OutboxMessage, ...]:
        """Return, per recipient whose last finished message was given up, that message; a removed one is not broken."""
        return tuple(OutboxMessage(**row._asdict()) for row in self._all(_broken()))

    def given_up(self, since: datetime) -> tuple[GivenUp, ...]:
        """Return the dead messages given up since then, the oldest first; not those of removed recipients."""
        dead = _messages(_M.thread_ref).where(_M.state == "dead", _M.done_at >= since)
        rows = self._all(dead.where(_M.last_error != "receiver_removed").order_by(_M.id))
        return tuple(
            GivenUp(
                message=OutboxMessage(**row._asdict()),
                notice_keys=tuple(
                    item.notice_key for item in self._all(sa.select(_I.notice_key).where(_I.message_id == row.id))
                ),
            )
            for row in rows
        )

    def counts(self) -> Mapping[str, int]:
        """Return how many messages are in each state."""
        rows = self._all(sa.select(_M.state, sa.func.count().label("messages")).group_by(_M.state))
        return dict.fromkeys(STATES, 0) | {str(row.state): int(row.messages) for row in rows}


def _head_ids(recipients: Collection[str] | None) -> sa.Select[Any]:
    """Select each recipient's oldest undelivered message: one look each into an index as small as the queue."""
    older = message.alias("older")
    oldest = sa.select(sa.func.min(older.c.id)).where(
        older.c.recipient_key == _R.key, sa.text(f"older.{UNDELIVERED.text}")
    )
    heads = sa.select(oldest.scalar_subquery().label("oldest")).select_from(recipient)
    return heads if recipients is None else heads.where(_R.id.in_(list(recipients)))


def _free(now: datetime) -> sa.ColumnElement[bool]:
    """Say that nothing is on its way to a message's recipient, not the message itself either."""
    other = message.alias("other")
    busy = sa.exists().where(
        other.c.recipient_key == _M.recipient_key,
        sa.text(f"other.{UNDELIVERED.text}"),
        other.c.state == "sending",
        other.c.lease_until > now,
    )
    return ~busy


def _dead(error: str, now: datetime) -> dict[str, Any]:
    return {"state": "dead", "last_error": error, "done_at": now, "lease_owner": None, "lease_until": None}


def _messages(thread_ref: sa.ColumnElement[str | None] | sa.ScalarSelect[str | None]) -> sa.Select[Any]:
    names = [name for name in OutboxMessage.__dataclass_fields__ if name not in ("recipient", "thread_ref")]
    columns = [_M[name] for name in names]
    return sa.select(*columns, _R.id.label("recipient"), thread_ref.label("thread_ref")).join_from(
        message, recipient, _R.key == _M.recipient_key
    )


@cache
def _broken() -> sa.Select[Any]:
    finished = message.alias("finished")
    last = (
        sa.select(finished.c.id)
        .where(finished.c.recipient_key == _R.key, finished.c.done_at.is_not(None))
        .order_by(finished.c.done_at.desc(), finished.c.id.desc())
        .limit(1)
        .correlate(recipient)
        .scalar_subquery()
    )
    given_up = _messages(_M.thread_ref).where(_M.id.in_(sa.select(last).select_from(recipient)), _M.state == "dead")
    return given_up.where(_M.last_error != "receiver_removed").order_by(_M.id)
