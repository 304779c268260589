"""Two deliverers on one outbox: who was paused past its lease sends and marks nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerter.app.clock import VirtualClock
from alerter.app.deliver import Delivery
from alerter.core.states import Draft
from alerter.errors import StoreBusy
from alerter.notify import MessageSettings, Rendered, Renderer, open_channel
from alerter.store import OutboxMessage, Store
from tests.sinks import HttpSink, Reply, http_sink

NOW = datetime(2026, 5, 14, 6, tzinfo=UTC)
PAUSE = timedelta(seconds=60)


class PausedRenderer(Renderer):
    """Does something else before the first rendering: as if the process had been stopped there."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(MessageSettings(), None)
        self._meanwhile: Callable[[], object] | None = meanwhile

    def render(self, payload: Mapping[str, Any], service: str, channel: str) -> Rendered:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().render(payload, service, channel)


def enqueue(store: Store, url: str, count: int = 1) -> dict[str, Any]:
    channel = open_channel("ops", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", base_url=url)
    payload = {"schema": 1, "kind": "test", "items": [], "more": 0, "made_at": NOW.isoformat()}
    with store.write() as tx:
        for number in range(count):
            key = f"key-{number}"
            tx.outbox.enqueue(
                Draft(
                    key=key, recipient=channel.recipients[0].id, channel="ops", kind="test", thread="t",
                    notice_keys=(key,), payload={**payload, "key": key}, created_at=NOW,
                )
            )  # fmt: skip
    return {"ops": channel}


def delivery(store: Store, channels: dict[str, Any], clock: VirtualClock, owner: str, renderer: Renderer) -> Delivery:
    return Delivery(
        store=store, channels=channels, renderer=renderer, clock=clock, owner=owner, stop=threading.Event()
    )  # fmt: skip


def rows(store: Store) -> list[OutboxMessage]:
    with store.read() as tx:
        return sorted(tx.outbox.list(), key=lambda row: row.id)


def test_paused_between_claim_and_send_it_leaves_the_message_to_who_has_it_now(store: Store) -> None:
    clock = VirtualClock(NOW)
    with http_sink() as slack:
        channels = enqueue(store, slack.url)
        second = delivery(store, channels, clock, "second", Renderer(MessageSettings(), None))

        def meanwhile() -> None:
            clock.advance(PAUSE)
            assert second.drain().sent == 1

        first = delivery(store, channels, clock, "first", PausedRenderer(meanwhile))
        assert first.drain().sent == 0
        assert len(slack.requests) == 1
    assert [(row.state, row.attempts) for row in rows(store)] == [("sent", 2)]


def test_paused_while_nobody_else_was_there_it_goes_on(store: Store) -> None:
    clock = VirtualClock(NOW)
    with http_sink() as slack:
        channels = enqueue(store, slack.url)
        first = delivery(store, channels, clock, "first", PausedRenderer(lambda: clock.advance(PAUSE)))
        assert first.drain().sent == 1
        assert len(slack.requests) == 1
    assert [(row.state, row.attempts, row.ambiguous) for row in rows(store)] == [("sent", 1, 0)]


def test_a_message_that_another_daemon_is_trying_again_is_not_marked_by_the_first(store: Store) -> None:
    """Else the next message to this recipient could overtake the copy that is on its way."""
    with store.write() as tx:
        _fill(tx)
        first = tx.outbox.claim("first", NOW, timedelta(seconds=10), 1)[0]
    with store.write() as tx:
        again = tx.outbox.claim("second", NOW + PAUSE, timedelta(seconds=10), 1)[0]
        assert tx.outbox.renew({first.id: first.attempts}, NOW + PAUSE, PAUSE) == set()
        assert tx.outbox.renew({again.id: again.attempts}, NOW + PAUSE, PAUSE) == {again.id}
        assert not tx.outbox.mark_sent(first.id, NOW, attempt=first.attempts)
        assert not tx.outbox.mark_dead(first.id, "late", NOW, attempt=first.attempts)
        assert tx.outbox.claim("third", NOW + PAUSE, timedelta(seconds=10), 1) == []
        assert tx.outbox.mark_sent(again.id, NOW, attempt=again.attempts)


def _fill(tx: Any) -> None:
    tx.outbox.enqueue(
        Draft(
            key="k", recipient="r", channel="ops", kind="test", thread="t", notice_keys=("k",), payload={},
            created_at=NOW,
        )
    )  # fmt: skip


def test_a_clock_set_back_hastens_what_waits(store: Store) -> None:
    with store.write() as tx:
        _fill(tx)
        claimed = tx.outbox.claim("first", NOW, timedelta(seconds=10), 1)[0]
        tx.outbox.mark_failed(claimed.id, "503", NOW, NOW + timedelta(minutes=30), ambiguous=False)
        back = NOW - timedelta(hours=1)
        tx.outbox.hasten(back, timedelta(hours=1))
        assert tx.outbox.next_due() == back + timedelta(minutes=30)


def test_one_silent_receiver_delays_no_other(store: Store) -> None:
    clock = VirtualClock(NOW)
    clock.flow(1.0)
    with http_sink() as silent, http_sink() as slack:
        silent.replies = [Reply(hang=True)]
        channels = {**enqueue(store, silent.url)}
        other = open_channel("two", "slack://T1JJ3T3L2/A1BRTD4JE/TIiajkdnlazkcOXrIdevi7FR", base_url=slack.url)
        stop = threading.Event()
        works = Delivery(
            store=store, channels={**channels, "two": other}, renderer=Renderer(MessageSettings(), None),
            clock=clock, owner="one", stop=stop,
        )  # fmt: skip
        runs = threading.Thread(target=works.drain)
        runs.start()
        assert silent.arrived.wait(20)
        late = Draft(
            key="late", recipient=other.recipients[0].id, channel="two", kind="test", thread="t",
            notice_keys=("late",), payload={"schema": 1, "kind": "test", "items": [], "more": 0, "key": "late"},
            created_at=NOW,
        )  # fmt: skip
        with store.write() as tx:
            tx.outbox.enqueue(late)
        assert slack.arrived.wait(20)
        silent.released.set()
        stop.set()
        runs.join(30)
        assert not runs.is_alive()


@pytest.mark.parametrize("fails", [1, 3])
def test_a_database_that_goes_away_between_send_and_mark_costs_no_copy(
    store: Store, fails: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(NOW)
    clock.flow(20.0)
    with http_sink() as slack:
        channels = enqueue(store, slack.url)
        works = delivery(store, channels, clock, "one", Renderer(MessageSettings(), None))
        _fail_after_send(store, slack, fails, monkeypatch)
        assert works.drain().sent == 1
        assert len(slack.requests) == 1
    assert rows(store)[0].state == "sent"


def _fail_after_send(store: Store, slack: HttpSink, fails: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write, left = store.write, [fails]

    def flaky() -> Any:
        if slack.requests and left[0]:
            left[0] -= 1
            raise StoreBusy("away")
        return write()

    monkeypatch.setattr(store, "write", flaky)
