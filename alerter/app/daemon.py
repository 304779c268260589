"""Run until told to stop: the scheduler wakes the work, the main thread listens to signals and feeds the watchdog."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from alerter.app.clock import Clock, SystemClock
from alerter.app.logs import configure
from alerter.app.runtime import Runtime
from alerter.app.storage import StorageWatch, announce
from alerter.app.systemd import Notifier, watchdog_interval
from alerter.config import Config
from alerter.errors import AlerterError, ConfigError, StoreBusy, StoreDown, StoreError, StoreLost

log = logging.getLogger("alerter.daemon")

LOOK_EVERY = 1.0  # seconds between two looks of the main thread at signals, the clock and the workers
JUMP = timedelta(seconds=30)  # a wall clock that moved by more than this against the monotonic one was set or slept
TICK = timedelta(seconds=3)  # between two looks whether an account is due; a dead daemon's are soon taken over
JITTER = 0.3  # of a tick: of several daemons now this one looks first, now that one, and so they share the work
POLLS_AT_ONCE = 20  # accounts; a server that hangs holds one place until its deadline
OUTBOX_LOOK = 30.0  # seconds without a message until the outbox is looked at all the same
SHARED_OUTBOX_LOOK = 4.0  # seconds; on a shared database others may have died with messages on their way
START_WITHIN = 300.0  # seconds that a database may stay away at the start
START_STEP = 60.0  # seconds that one try may take
START_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds between the tries, the last one again and again
STOP_WITHIN = 30.0  # seconds for work under way to end after SIGTERM


def owner_name() -> str:
    """Name this process for leases and lock files: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Daemon:
    """One running daemon; `load` reads the config file anew for a reload."""

    def __init__(self, config: Config, *, load: Callable[[], Config], clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._reload_asked = threading.Event()
        self._load = load
        self._notifier = Notifier.from_env(os.environ)
        self._runtime = Runtime(config, clock=self._clock, stop=self._stop, owner=owner_name())
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(POLLS_AT_ONCE)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        # A poll that outlasts a tick is no news.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._storage = StorageWatch(self._clock, self._tell_of_storage)
        self._not_before: dict[str, float] = {}  # monotonic second of a worker's next try after the database failed
        self._set_by = timedelta(0)  # what the wall clock was set by and the database does not know yet
        self._lost: StoreLost | None = None
        self._deliverer = threading.Thread(target=self._deliver_until_stopped, name="deliver", daemon=True)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and return the exit code; raise AlerterError if the start fails."""
        with self._signals():
            if not self._open():
                return 0
            try:
                return self._run()
            finally:
                self._runtime.close_store()

    def _open(self) -> bool:
        """Open the database, waiting for one that is busy or away; False when told to stop meanwhile."""
        began = self._clock.monotonic()
        for pause in chain(START_PAUSES, repeat(START_PAUSES[-1])):
            try:
                self._runtime.open(progress=lambda text: self._note("action=migrating", step=text))
            except StoreBusy as error:
                if self._clock.monotonic() + pause - began > START_WITHIN:
                    raise
                fields = {"error": str(error), "next_try_s": pause}
                log.warning("action=waiting_for_database", extra={"fields": fields})
                self._notifier.extend(pause + START_STEP)
                self._notifier.status(f"waiting for the database: {error}")
                if self._clock.wait(pause, self._stop):
                    return False
            else:
                return True
        raise AssertionError("unreachable")  # pragma: no cover

    def _run(self) -> int:
        self._scheduler.add_listener(_log_job_error, EVENT_JOB_ERROR)
        self._schedule()
        self._scheduler.start()
        self._deliverer.start()
        accounts = len(self._runtime.plan.config.accounts)
        self._notifier.ready(f"polling {accounts} account{'s' if accounts != 1 else ''}")
        self._note("action=started", accounts=accounts, database=_public(self._runtime.plan.config.database))
        self._look_until_stopped()
        self._shut_down()
        if self._lost is not None:
            raise self._lost
        return 0

    # -------------------------------------------------------------- signals
    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Handlers only set events: what a signal means is done by the main loop."""

        def stop(_number: int, _frame: object) -> None:
            self._stop.set()
            self._wake.set()

        def reload(_number: int, _frame: object) -> None:
            self._reload_asked.set()
            self._wake.set()

        before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
            signal.SIGINT: signal.signal(signal.SIGINT, stop),
            signal.SIGHUP: signal.signal(signal.SIGHUP, reload),
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # -------------------------------------------------------------- the main thread
    def _look_until_stopped(self) -> None:
        interval = watchdog_interval(os.environ, os.getpid())
        fed_at = -1e9
        while not self._stop.is_set():
            self._wake.wait(LOOK_EVERY)
            self._wake.clear()
            if self._reload_asked.is_set() and self._clock.monotonic() >= self._not_before.get("reload", 0.0):
                self._reload_asked.clear()
                self._reload()
            self._watch_clock()
            if interval and self._clock.monotonic() - fed_at >= interval / 3 and self._is_moving():
                self._notifier.watchdog()
                fed_at = self._clock.monotonic()

    def _is_moving(self) -> bool:
        overdue = self._runtime.heartbeats.overdue()
        if overdue:
            log.error("action=stuck", extra={"fields": {"workers": ", ".join(overdue)}})
        return not overdue and self._scheduler.running and self._deliverer.is_alive()

    def _watch_clock(self) -> None:
        """The scheduler sleeps on monotonic time towards a wall time: after a jump it must look again."""
        drift = self._clock.drift()
        if abs(drift) > JUMP:
            log.warning("action=clock_jumped", extra={"fields": {"seconds": drift.total_seconds()}})
            self._set_by += drift
            self._schedule()
        if self._set_by:
            try:
                self._runtime.follow_clock(self._set_by)
            except StoreError as error:  # tried again at the next look
                self._storage.failed("clock", error)
            else:
                self._storage.worked("clock")
                self._set_by = timedelta(0)
                self._schedule()

    def _reload(self) -> None:
        self._notifier.reloading(self._clock.monotonic())
        try:
            config = self._load()
            self._runtime.reload(config)
        except ConfigError as error:
            for problem in error.problems:
                log.error("action=config_rejected", extra={"fields": {"problem": str(problem)}})
            self._remember_config({"rejected": [str(problem) for problem in error.problems][:20]})
            self._notifier.ready(f"config rejected, the old one stays in force: {error.problems[0]}")
            return
        except StoreDown as error:  # nothing is wrong with the config: tried again
            self._not_before["reload"] = self._clock.monotonic() + self._on_storage_failure("reload", error)
            self._reload_asked.set()
            self._notifier.ready(f"the new config waits for the database: {error}")
            return
        except AlerterError as error:
            log.error("action=config_rejected", extra={"fields": {"problem": str(error)}})
            self._notifier.ready("config rejected, the old one stays in force")
            return
        self._storage.worked("reload")
        configure(config.log.level, config.log.format, config.secrets)
        self._schedule()
        self._remember_config({"rejected": []})
        self._notifier.ready("config reloaded")
        self._note("action=config_reloaded", rules=len(self._runtime.plan.cycle.rules))

    def _remember_config(self, fact: dict[str, object]) -> None:
        try:
            with self._runtime.store.write() as tx:
                tx.journal.put("config", fact, self._clock.now())
        except AlerterError as error:
            log.warning("action=journal_failed", extra={"fields": {"error": str(error)}})

    def _shut_down(self) -> None:
        self._notifier.stopping("ending what is under way")
        self._note("action=stopping")
        if self._lost is not None:
            self._storage.finish(STOP_WITHIN / 2)
        self._runtime.close()
        self._scheduler.shutdown(wait=False)
        self._deliverer.join(STOP_WITHIN)
        deadline = self._clock.monotonic() + STOP_WITHIN
        waiting = threading.Event()
        while self._runtime.heartbeats.busy() and self._clock.monotonic() < deadline:
            waiting.wait(0.05)
        self._note("action=stopped")

    # -------------------------------------------------------------- the workers
    def _schedule(self) -> None:
        """One job per account, due at once; jobs of accounts that are gone are taken out."""
        plan = self._runtime.plan
        wanted = {f"poll/{account.name}": account.name for account in plan.config.accounts}
        for job in self._scheduler.get_jobs():
            if job.id not in wanted:
                job.remove()
        self._storage.forget(lambda worker: worker in wanted or not worker.startswith("poll/"))
        seconds = min(plan.config.poll.every, TICK).total_seconds()
        for job_id, account in wanted.items():
            self._scheduler.add_job(
                self._poll,
                IntervalTrigger(seconds=max(1, int(seconds)), jitter=JITTER * seconds, timezone=UTC),
                args=[account],
                id=job_id,
                replace_existing=True,
                next_run_time=datetime.now(UTC),  # noqa: TID251 - APScheduler lives on the machine's clock
            )

    def _poll(self, account: str) -> None:
        """The boundary of a poll job: nothing that goes wrong here may stop the next one."""
        worker = f"poll/{account}"
        if self._stop.is_set() or self._clock.monotonic() < self._not_before.get(worker, 0.0):
            return
        try:
            self._runtime.poll(account)
            self._storage.worked(worker)
        except StoreDown as error:
            self._not_before[worker] = self._clock.monotonic() + self._on_storage_failure(worker, error)
        except AlerterError as error:
            log.error("action=poll_failed", extra={"fields": {"account": account, "error": str(error)}})

    def _on_storage_failure(self, worker: str, error: StoreDown) -> float:
        """Say it, end the daemon where going on would do harm, and return the seconds until the next try."""
        pause = self._storage.failed(worker, error)
        if isinstance(error, StoreLost):
            self._lost = error
            self._stop.set()
            self._wake.set()
        return pause

    def _tell_of_storage(self, text: str, over: bool, since: datetime) -> None:
        announce(self._runtime.plan, text, over=over, owner=owner_name(), since=since, now=self._clock.now())

    def _deliver_until_stopped(self) -> None:
        while not self._stop.is_set():
            self._runtime.mail.clear()
            try:
                self._runtime.deliver()
                pause = self._pause()
                self._storage.worked("deliver")
            except StoreDown as error:
                pause = self._on_storage_failure("deliver", error)
            except AlerterError as error:
                log.error("action=delivery_failed", extra={"fields": {"error": str(error)}})
                pause = OUTBOX_LOOK
            except Exception:  # the deliverer must outlive any bug in a template or a plugin
                log.exception("action=delivery_failed")
                pause = OUTBOX_LOOK
            self._runtime.mail.wait(pause)

    def _pause(self) -> float:
        shared = not self._runtime.plan.config.database.startswith("sqlite")
        longest = SHARED_OUTBOX_LOOK if shared else OUTBOX_LOOK
        due_at = self._runtime.next_delivery_at()
        if due_at is None:
            return longest
        return min(longest, max(0.1, (due_at - self._clock.now()).total_seconds()))

    @staticmethod
    def _note(action: str, **fields: object) -> None:
        log.info(action, extra={"fields": fields})


def _log_job_error(event: JobExecutionEvent) -> None:
    error = event.exception
    log.error("action=job_crashed", exc_info=error, extra={"fields": {"job": event.job_id}})


def _public(url: str) -> str:
    """A database URL without its password, and without the folder's secrets: what a log may show."""
    if "@" not in url:
        return url
    scheme, rest = url.split("://", 1)
    return f"{scheme}://…@{rest.rsplit('@', 1)[1]}"


def config_loader(path: Path, read: Callable[[Path], Config]) -> Callable[[], Config]:
    """Bind `read` to the file the daemon was started with."""
    return lambda: read(path)
