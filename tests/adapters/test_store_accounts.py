from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from alerter.store import Claim, PollRecord, StaleClaim, Store
from tests.store_samples import HOUR, LEASE, NOW, TODAY, claimed, one_contract, summary


def claim(store: Store, owner: str = "one", now=NOW, names=("main",), limit: int = 5) -> list[Claim]:
    with store.write() as tx:
        return tx.accounts.claim(owner, now, LEASE, names, limit)


def synced(store: Store, *names: str) -> None:
    with store.write() as tx:
        tx.accounts.sync(names, NOW)


def test_a_new_account_is_due_at_once_and_syncing_again_changes_nothing(store: Store) -> None:
    synced(store, "main", "other", "main")
    one = claimed(store)
    with store.write() as tx:
        tx.accounts.release(one, NOW, NOW + HOUR)
    synced(store, "main", "other")
    with store.read() as tx:
        assert {one.name: one.next_poll_at for one in tx.accounts.states()} == {"main": NOW + HOUR, "other": NOW}


def test_an_account_is_claimed_by_one_daemon_until_its_lease_ends(store: Store) -> None:
    synced(store, "main")
    (first,) = claim(store)
    assert (first.account, first.due_at) == ("main", NOW)
    assert claim(store, "two") == []
    (second,) = claim(store, "two", NOW + LEASE)
    assert second.epoch == first.epoch + 1


def test_only_named_accounts_are_claimed_the_longest_due_first(store: Store) -> None:
    synced(store, "a")
    with store.write() as tx:
        tx.accounts.sync(["b"], NOW - HOUR)
        tx.accounts.sync(["c"], NOW + HOUR)
    assert [one.account for one in claim(store, names=("a", "c"))] == ["a"]
    with store.write() as tx:
        tx.accounts.sync(["d"], NOW - HOUR / 2)
    assert [one.account for one in claim(store, names=("b", "d", "c"), limit=1)] == ["b"]
    assert claim(store, names=()) == []


def test_a_paused_daemon_writes_nothing_once_somebody_else_has_claimed(store: Store) -> None:
    key = one_contract(store)
    (first,) = claim(store)
    (second,) = claim(store, "two", NOW + LEASE)

    def late() -> None:
        with store.write() as tx:
            tx.usage.add_summary(tx.usage.add_snapshot(key, NOW, TODAY), key, summary(TODAY, {"a": 1.0}))
            tx.accounts.check(first, NOW)

    with pytest.raises(StaleClaim, match="another daemon"):
        late()
    with store.write() as tx:
        assert tx.usage.snapshots(key, 0) == []
        tx.accounts.check(second, NOW)
        assert not tx.accounts.renew(first, NOW, LEASE)
        tx.accounts.release(first, NOW, NOW + HOUR)
        tx.accounts.record_poll(first, PollRecord(started_at=NOW, ended_at=NOW, ok=True))
        assert tx.accounts.states()[0].polls == 0
    assert claim(store, "three", NOW + LEASE) == []


def test_a_renewed_lease_holds_on(store: Store) -> None:
    one = claimed(store)
    with store.write() as tx:
        assert tx.accounts.renew(one, NOW + LEASE, LEASE)
    assert claim(store, "two", NOW + LEASE * 1.5) == []


def test_a_released_account_waits_until_it_is_due(store: Store) -> None:
    one = claimed(store)
    with store.write() as tx:
        tx.accounts.release(one, NOW, NOW + HOUR)
    assert claim(store, "two", NOW + HOUR - timedelta(microseconds=1)) == []
    assert len(claim(store, "two", NOW + HOUR)) == 1


def test_the_state_tells_since_when_polls_fail(store: Store) -> None:
    one = claimed(store)
    polls = [
        PollRecord(started_at=NOW, ended_at=NOW, ok=True, calls={"contracts": 1, "summary": 2}),
        PollRecord(started_at=NOW, ended_at=NOW + HOUR, ok=False, reason="unavailable", message="no\0answer \ud800"),
        PollRecord(started_at=NOW, ended_at=NOW + 2 * HOUR, ok=False, reason="unauthorized", calls={"login": 1}),
    ]
    seen = []
    for record in [*polls, PollRecord(started_at=NOW, ended_at=NOW + 3 * HOUR, ok=True)]:
        with store.write() as tx:
            tx.accounts.record_poll(one, record)
            seen.append(tx.accounts.states()[0])
    assert [one.failing_since for one in seen] == [None, NOW + HOUR, NOW + HOUR, None]
    assert [one.last_ok_at for one in seen] == [NOW, NOW, NOW, NOW + 3 * HOUR]
    assert [one.calls_last for one in seen] == [3, 0, 1, 0]
    assert (seen[-1].calls_total, seen[-1].polls, seen[1].message) == (4, 4, "no\0answer \ud800")


def test_many_threads_claim_every_account_once(database_url: str, store: Store) -> None:
    names = [f"account-{n}" for n in range(40)]
    synced(store, *names)
    others = [store, Store(database_url), Store(database_url)]
    got: list[str] = []

    def work(own: Store) -> None:
        while claims := claim(own, threading.current_thread().name, names=names, limit=3):
            got.extend(one.account for one in claims)

    threads = [threading.Thread(target=work, args=(others[n % 3],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others[1:]:
        other.close()
    assert sorted(got) == sorted(names)
