from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from alerter.app.clock import Clock, SystemClock, VirtualClock

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Waiter:
    """Runs one wait in a thread; `answer` is None until the wait has ended."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.stop = threading.Event()
        self.answer: bool | None = None
        self._thread = threading.Thread(target=self._run, args=(clock, seconds), daemon=True)
        self._thread.start()

    def _run(self, clock: Clock, seconds: float) -> None:
        self.answer = clock.wait(seconds, self.stop)

    def result(self) -> bool | None:
        self._thread.join(5)
        return self.answer


def test_the_system_clock_answers_aware_utc_and_a_rising_monotonic():
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_the_system_clock_ends_a_wait_at_once_when_the_event_is_set():
    waiter = Waiter(SystemClock(), 60)
    waiter.stop.set()
    assert waiter.result() is True


@pytest.mark.parametrize("seconds", [0, -5, 0.01])
def test_the_system_clock_says_false_when_the_time_is_over(seconds: float):
    assert SystemClock().wait(seconds, threading.Event()) is False


def test_the_system_clock_takes_any_length_of_wait():
    stop = threading.Event()
    stop.set()
    assert SystemClock().wait(float("inf"), stop) is True


def test_the_system_clock_sees_no_drift_where_nobody_set_the_time():
    clock = SystemClock()
    time.sleep(0.02)
    assert abs(clock.drift()) < timedelta(seconds=5)


def test_the_system_clock_reports_a_jump_once(monkeypatch: pytest.MonkeyPatch):
    clock = SystemClock()
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) - timedelta(hours=1))
    assert clock.drift() == pytest.approx(timedelta(hours=-1), abs=timedelta(seconds=5))
    assert abs(clock.drift()) < timedelta(seconds=5)


def test_virtual_time_stands_still_until_it_is_moved():
    clock = VirtualClock(START)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    assert clock.advance(MINUTE) == START + MINUTE
    assert (clock.now(), clock.monotonic()) == (START + MINUTE, 60.0)


def test_virtual_time_is_utc_whatever_zone_it_was_given_in():
    clock = VirtualClock(datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == START
    assert clock.now().utcoffset() == timedelta(0)


def test_set_moves_to_an_instant_and_never_back():
    clock = VirtualClock(START)
    clock.set(START + MINUTE)
    assert clock.now() == START + MINUTE
    with pytest.raises(ValueError, match="only advances"):
        clock.set(START)
    assert clock.now() == START + MINUTE


def test_a_virtual_wait_ends_exactly_when_its_time_has_come():
    clock = VirtualClock(START)
    waiter = Waiter(clock, 60)
    assert clock.until_waiting()
    clock.advance(MINUTE - timedelta(microseconds=1))
    time.sleep(0.06)
    assert waiter.answer is None
    clock.advance(timedelta(microseconds=1))
    assert waiter.result() is False


def test_a_virtual_wait_for_nothing_only_looks_at_the_event():
    clock, stop = VirtualClock(START), threading.Event()
    assert clock.wait(0, stop) is False
    stop.set()
    assert clock.wait(0, stop) is True


def test_a_virtual_wait_ends_when_its_event_is_set_though_time_stands_still():
    clock = VirtualClock(START)
    waiter = Waiter(clock, float("inf"))
    assert clock.until_waiting()
    waiter.stop.set()
    assert waiter.result() is True
    assert clock.now() == START


def test_one_advance_ends_every_wait_it_passes_and_no_other():
    clock = VirtualClock(START)
    waiters = [Waiter(clock, seconds) for seconds in (10, 20, 30)]
    assert clock.until_waiting(3)
    assert clock.next_wake() == START + timedelta(seconds=10)
    clock.advance(timedelta(seconds=20))
    assert [waiter.result() for waiter in waiters[:2]] == [False, False]
    assert waiters[2].answer is None
    assert clock.next_wake() == START + timedelta(seconds=30)
    waiters[2].stop.set()
    assert waiters[2].result() is True
    assert clock.next_wake() is None


def test_a_driver_that_goes_from_wake_to_wake_visits_every_instant_in_order():
    clock, seen = VirtualClock(START), []
    done = threading.Event()

    def poll(every: float, times: int) -> None:
        for _ in range(times):
            clock.wait(every, done)
            seen.append(clock.now())

    threads = [threading.Thread(target=poll, args=args) for args in ((60, 5), (100, 3))]
    for thread in threads:
        thread.start()
    for _ in range(7):  # 60 100 120 180 200 240 300, the last for both
        assert clock.until_waiting(2)
        before = len(seen)
        clock.set(clock.next_wake())
        while len(seen) == before:
            time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert seen == sorted(seen)
    assert len(seen) == 8


def test_a_jump_of_the_wall_clock_moves_no_monotonic_time_and_is_reported_once():
    clock = VirtualClock(START)
    waiter = Waiter(clock, 60)
    assert clock.until_waiting()
    clock.jump(timedelta(hours=-1))
    assert (clock.now(), clock.monotonic()) == (START - timedelta(hours=1), 0.0)
    assert clock.drift() == timedelta(hours=-1)
    assert clock.drift() == timedelta(0)
    clock.advance(MINUTE)
    assert waiter.result() is False
    assert clock.drift() == timedelta(0)


def test_a_flowing_clock_passes_time_by_itself_and_ends_waits():
    clock = VirtualClock(START, rate=36_000)
    began = time.monotonic()
    assert clock.wait(3600, threading.Event()) is False
    assert 0.05 < time.monotonic() - began < 5
    assert clock.now() >= START + timedelta(hours=1)
    clock.flow(0)
    assert clock.now() == clock.now()


def test_many_threads_may_advance_one_clock():
    clock = VirtualClock(START)
    threads = [threading.Thread(target=lambda: [clock.advance(MINUTE) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert clock.now() == START + 800 * MINUTE
