from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from datetime import timedelta
from typing import ClassVar

import pytest
import sqlalchemy as sa

from alerter.core.states import Draft
from alerter.store import OutboxMessage, Store, tables
from alerter.store.outbox import _head_ids
from tests.store_samples import HOUR, LEASE, NOW


def draft(key: str, recipient: str = "ops", **changes: object) -> Draft:
    values: dict[str, object] = {
        "key": key,
        "recipient": recipient,
        "channel": "slack",
        "kind": "alert",
        "thread": "t-1",
        "notice_keys": (f"notice-{key}",),
        "payload": {"schema": 1, "items": [{"user": "<!channel>\0\ud800"}]},
        "created_at": NOW,
    }
    return Draft(**(values | changes))  # type: ignore[arg-type]


def enqueue(store: Store, *drafts: Draft) -> list[bool]:
    with store.write() as tx:
        return [tx.outbox.enqueue(one) for one in drafts]


def claim(store: Store, now=NOW, limit: int = 10, recipients=None, owner: str = "one") -> list[OutboxMessage]:
    with store.write() as tx:
        return tx.outbox.claim(owner, now, LEASE, limit, recipients)


def keys(messages: list[OutboxMessage]) -> list[str]:
    return [one.key for one in messages]


def rows(store: Store) -> dict[str, OutboxMessage]:
    with store.read() as tx:
        return {one.key: one for one in tx.outbox.list(limit=1000)}


def test_a_message_is_enqueued_once_and_comes_back_as_it_was(store: Store) -> None:
    one = draft("a")
    assert enqueue(store, one, one) == [True, False]
    (got,) = claim(store)
    same = ("key", "recipient", "channel", "kind", "thread", "payload", "created_at")
    assert [getattr(got, name) for name in same] == [getattr(one, name) for name in same]
    assert (got.attempts, got.ambiguous, got.thread_ref, got.state, got.queued_at) == (1, 0, None, "sending", NOW)


def test_a_notice_is_enqueued_once_whatever_message_carries_it(store: Store) -> None:
    assert enqueue(store, draft("a", notice_keys=("n1", "n2", "n2"))) == [True]
    assert enqueue(store, draft("b", notice_keys=("n2", "n3"))) == [False]
    assert enqueue(store, draft("c", notice_keys=("n3",)), draft("d", notice_keys=())) == [True, True]
    assert sorted(rows(store)) == ["a", "c", "d"]


def test_a_rolled_back_message_was_never_there(store: Store) -> None:

    def fail() -> None:
        with store.write() as tx:
            tx.outbox.enqueue(draft("a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rows(store) == {}
    assert enqueue(store, draft("a")) == [True]


def test_each_recipient_gets_its_oldest_message_first_and_one_at_a_time(store: Store) -> None:
    enqueue(store, draft("a1"), draft("a2"), draft("b1", "boss"), draft("a3"), draft("b2", "boss"))
    first = claim(store)
    assert keys(first) == ["a1", "b1"]
    assert claim(store) == []
    with store.write() as tx:
        assert tx.outbox.mark_sent(first[0].id, NOW)
    assert keys(claim(store)) == ["a2"]


def test_a_blocked_recipient_delays_no_other_and_is_not_overtaken(store: Store) -> None:
    enqueue(store, draft("a1"), draft("a2"), draft("b1", "boss"))
    blocked, other = claim(store)
    with store.write() as tx:
        tx.outbox.mark_sent(other.id, NOW)
        assert tx.outbox.mark_failed(blocked.id, "503", NOW, NOW + HOUR, ambiguous=False)
        assert tx.outbox.next_due() == NOW + HOUR
    assert claim(store, NOW + HOUR - timedelta(microseconds=1)) == []
    (again,) = claim(store, NOW + HOUR)
    assert (again.key, again.attempts, again.ambiguous, again.last_error) == ("a1", 2, 0, "503")


def test_only_the_named_recipients_are_claimed_and_no_more_than_the_limit(store: Store) -> None:
    enqueue(store, *(draft(f"m{n}", f"r{n}") for n in range(5)))
    assert keys(claim(store, recipients=["r3", "nobody"])) == ["m3"]
    assert claim(store, recipients=[]) == []
    assert keys(claim(store, limit=2)) == ["m0", "m1"]


def test_a_daemon_that_died_with_a_message_leaves_it_claimable_and_ambiguous(store: Store) -> None:
    enqueue(store, draft("a"), draft("b"))
    claim(store)
    with store.read() as tx:
        assert tx.outbox.next_due() == NOW + LEASE
    assert claim(store, NOW + LEASE - timedelta(microseconds=1)) == []
    (again,) = claim(store, NOW + LEASE, owner="two")
    assert (again.key, again.attempts, again.ambiguous) == ("a", 2, 1)


def test_an_ambiguous_failure_is_counted(store: Store) -> None:
    enqueue(store, draft("a"))
    for n in range(1, 3):
        (one,) = claim(store)
        with store.write() as tx:
            tx.outbox.mark_failed(one.id, "timeout\0\ud800", NOW, NOW, ambiguous=True)
        assert (rows(store)["a"].ambiguous, rows(store)["a"].last_error) == (n, "timeout\0\ud800")


def test_late_marks_of_a_lost_lease_do_not_disturb_the_new_owner(store: Store) -> None:
    enqueue(store, draft("a"))
    (late,) = claim(store)
    (current,) = claim(store, NOW + LEASE, owner="two")
    with store.write() as tx:
        assert not tx.outbox.mark_failed(late.id, "late", NOW, NOW, ambiguous=False, attempt=late.attempts)
    assert rows(store)["a"].state == "sending"
    with store.write() as tx:
        assert tx.outbox.mark_sent(current.id, NOW, "ts-1")
        assert not tx.outbox.mark_sent(late.id, NOW, "ts-0")
        assert not tx.outbox.mark_failed(late.id, "late", NOW, NOW, ambiguous=False)
        assert not tx.outbox.mark_dead(late.id, "late", NOW)
    assert (rows(store)["a"].state, rows(store)["a"].thread_ref) == ("sent", "ts-1")


def test_a_dead_message_lets_the_next_one_pass_and_can_be_sent_again(store: Store) -> None:
    enqueue(store, draft("a"), draft("b"))
    (one,) = claim(store)
    with store.write() as tx:
        assert not tx.outbox.resend(one.id, NOW)
        assert tx.outbox.mark_dead(one.id, "404", NOW + HOUR)
        assert not tx.outbox.mark_dead(one.id, "404", NOW + HOUR)
    dead = rows(store)["a"]
    assert (dead.state, dead.last_error, dead.done_at) == ("dead", "404", NOW + HOUR)
    (behind,) = claim(store)
    assert behind.key == "b"
    with store.write() as tx:
        assert tx.outbox.resend(one.id, NOW + HOUR)
    assert claim(store) == []  # `b` is still on its way to the same recipient
    with store.write() as tx:
        tx.outbox.mark_sent(behind.id, NOW)
    (again,) = claim(store, NOW + HOUR)
    assert (again.key, again.created_at, again.queued_at) == ("a", NOW, NOW + HOUR)
    assert enqueue(store, draft("a")) == [False]


def test_a_claim_brings_the_newest_reference_of_its_thread(store: Store) -> None:
    enqueue(store, draft("a"), draft("b"), draft("x", "boss"), draft("c", thread="t-2"), draft("d"), draft("e"))
    refs = {"a": "ts-a", "b": None, "d": "ts-d", "x": "ts-x"}
    seen = {}
    while claimed := claim(store):
        for one in claimed:
            seen[one.key] = one.thread_ref
            with store.write() as tx:
                tx.outbox.mark_sent(one.id, NOW + one.id * HOUR, refs.get(one.key))
    assert seen == {"a": None, "b": "ts-a", "c": None, "d": "ts-a", "e": "ts-d", "x": None}


def test_messages_of_removed_recipients_are_dead_and_visible(store: Store) -> None:
    enqueue(store, draft("a"), draft("b", "gone"), draft("c", "gone"), draft("d", "gone"))
    sent = next(one for one in claim(store) if one.recipient == "gone")
    with store.write() as tx:
        tx.outbox.mark_sent(sent.id, NOW)
        retired = tx.outbox.retire(["ops"], NOW)
        assert tx.outbox.retire(["ops"], NOW) == []
    assert [(one.key, one.state, one.last_error) for one in retired] == [
        ("c", "dead", "receiver_removed"),
        ("d", "dead", "receiver_removed"),
    ]
    with store.read() as tx:
        assert tx.outbox.counts() == {"pending": 0, "sending": 1, "sent": 1, "dead": 2}
        assert keys(tx.outbox.list("dead", 1)) == ["d"]


def test_a_recipient_is_broken_from_a_given_up_message_to_the_next_sent_one(store: Store) -> None:
    enqueue(store, draft("a"), draft("b"), draft("c"), draft("x", "boss"), draft("y", "gone"))
    broken = []
    for n, mark in enumerate(["dead", "failed", "dead", "sent"]):
        (one,) = claim(store, NOW + n * HOUR, recipients=["ops"])
        with store.write() as tx:
            if mark == "dead":
                tx.outbox.mark_dead(one.id, "404", NOW + n * HOUR)
            elif mark == "sent":
                tx.outbox.mark_sent(one.id, NOW + n * HOUR)
            else:
                tx.outbox.mark_failed(one.id, "503", NOW, NOW, ambiguous=False)
            broken.append(keys([*tx.outbox.broken()]))
    assert broken == [["a"], ["a"], ["b"], []]
    with store.write() as tx:
        tx.outbox.retire(["ops", "boss"], NOW)
        assert tx.outbox.broken() == ()


def test_nothing_waits_in_an_empty_outbox(store: Store) -> None:
    with store.write() as tx:
        assert tx.outbox.next_due() is None
        assert tx.outbox.claim("one", NOW, LEASE, 5) == []
        assert tx.outbox.counts() == {"pending": 0, "sending": 0, "sent": 0, "dead": 0}


class Daemon:
    """Claims and sends until nothing waits; one send in five fails.  All share what was accepted."""

    accepted: ClassVar[dict[str, list[str]]] = defaultdict(list)
    flying: ClassVar[set[str]] = set()
    collided: ClassVar[list[str]] = []

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._owner = str(seed)
        self._chance = random.Random(seed)  # noqa: S311 - a seeded choice

    def run(self) -> None:
        while self._waiting():
            for one in claim(self._store, limit=self._chance.randrange(1, 4), owner=self._owner):
                self._send(one, self._chance.random() < 0.2)

    def _waiting(self) -> bool:
        with self._store.read() as tx:
            return tx.outbox.next_due() is not None

    def _send(self, one: OutboxMessage, fails: bool) -> None:
        if one.recipient in self.flying:
            self.collided.append(one.key)
        self.flying.add(one.recipient)
        time.sleep(0.002)
        if not fails:
            self.accepted[one.recipient].append(one.key)
        self.flying.discard(one.recipient)
        with self._store.write() as tx:
            if fails:
                tx.outbox.mark_failed(one.id, "no", NOW, NOW, ambiguous=False)
            else:
                tx.outbox.mark_sent(one.id, NOW)


def test_several_daemons_keep_each_recipients_order_and_send_nothing_twice(database_url: str, store: Store) -> None:
    Daemon.accepted.clear()
    enqueue(store, *(draft(f"{n % 4}-{n:03}", f"r{n % 4}") for n in range(80)))
    stores = [store, Store(database_url), Store(database_url)]
    threads = [threading.Thread(target=Daemon(stores[n % 3], n).run) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in stores[1:]:
        other.close()
    assert Daemon.collided == []
    assert {to: got == sorted(got) and len(got) for to, got in Daemon.accepted.items()} == {
        f"r{n}": 20 for n in range(4)
    }


def test_two_daemons_enqueueing_the_same_keys_enqueue_each_once(database_url: str, store: Store) -> None:
    other = Store(database_url)
    added: list[str] = []
    barrier = threading.Barrier(2)

    def work(own: Store) -> None:
        for n in range(15):
            barrier.wait(30)
            with own.write() as tx:
                if tx.outbox.enqueue(draft(f"m{n}", notice_keys=(f"n{n}", f"n{n}b"))):
                    added.append(f"m{n}")

    threads = [threading.Thread(target=work, args=(own,)) for own in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert sorted(added) == sorted(rows(store)) == sorted(f"m{n}" for n in range(15))


def test_claims_look_at_an_index_as_small_as_the_queue(store: Store) -> None:
    enqueue(store, *(draft(f"m{n}", f"r{n}") for n in range(3)))
    (one, *_) = rows(store).values()
    with store.engine.begin() as connection:
        row = connection.execute(sa.select(tables.message).where(tables.message.c.id == one.id)).one()._asdict()
        copies = [row | {"id": 100 + n, "key": f"copy-{n}", "state": "sent"} for n in range(5000)]
        connection.execute(sa.insert(tables.message), copies)
    if store.engine.dialect.name == "postgresql":
        with store.engine.begin() as connection:
            connection.execute(sa.text("ANALYZE message"))
    with store.write() as tx:
        heads = _head_ids(["r1", "r2"]).compile(store.engine, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if store.engine.dialect.name == "sqlite" else "EXPLAIN"
        plan = str(tx.outbox._connection.exec_driver_sql(f"{explain} {heads}").all())
    assert "ix_message_undelivered" in plan
    assert "SCAN older" not in plan
    assert "Seq Scan on message" not in plan
