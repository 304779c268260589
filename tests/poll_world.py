"""The real poll, cycle and database against a real server under a clock that the test drives."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np

from alerter.app.demo import DrivenClock
from alerter.app.load import load_history
from alerter.app.runtime import Runtime, TickOutcome
from alerter.config import load_config
from alerter.core.area import Unit, factor
from alerter.core.model import History
from alerter.core.states import Alert
from alerter.sandbox import SandboxServer
from alerter.sandbox.faults import Effect, FaultRule
from alerter.sandbox.scenario import Scenario
from alerter.store import DataEvent, StoredContract

PASSWORD = "sandbox-pass-12345"
START = datetime(2026, 3, 10, 6, 5, tzinfo=UTC)
OPS, FIELDS = "c-ops", "c-fields"
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
SUMMARY = "*/consumption"
OWNER = "*/consumption/api-owner"
LIST = "*/billing/contracts"

STORY: dict[str, Any] = {
    "name": "polls",
    "seed": 3,
    "start": "2026-03-01",
    "account": {"username": "owner@example.com", "password": PASSWORD},
    "users": {"count": 4, "named": [{"name": "Prairie Co-op", "id": "u-big", "share": 0.5}]},
    "contracts": [
        {
            "name": "ops", "id": OPS, "product": "OPERATIONS_FILE", "region": "US", "start": -6, "end": 60,
            "quota": "40000 acre", "usage": {"per_year": "90000 acre", "peaks": [], "weekdays": [1] * 7, "activity": 1},
        },
        {
            "name": "fields", "id": FIELDS, "product": "FIELDS_BOUNDARY", "start": -4, "users": 3,
            "usage": {"per_year": "20000 acre", "peaks": [], "weekdays": [1] * 7, "activity": 1},
        },
    ],
}  # fmt: skip

CONFIG = """\
accounts:
  - {{name: prod, base_url: "{url}", username: owner@example.com, password: {{env: POLL_PASSWORD}}, names: false}}
poll: {{every: 15m, deadline: {deadline}}}
{contracts}
rules:
  - {{id: contract-cap, kind: contract_cap, tiers: [{{at: 5%}}, {{at: 90%}}]}}
  - {{id: spike, kind: daily_spike}}
channels:
  screen: {{url: "console://"}}
database: {database}
"""


def story(change: Callable[[dict[str, Any]], object] = lambda _: None, **parts: Any) -> Scenario:
    """Return the scenario with some parts replaced, or changed in place."""
    document = copy.deepcopy(STORY) | parts
    change(document)
    return Scenario.model_validate(document)


class PollWorld:
    """One account, its server and the daemon's runtime; `poll` is one poll with its cycle at the clock's time."""

    def __init__(
        self,
        database_url: str,
        folder: Path,
        url: str,
        *,
        at: datetime = START,
        contracts: str = "",
        deadline: str = "30s",
        clock: DrivenClock | None = None,
    ) -> None:
        self.clock = clock or DrivenClock(at)
        self.folder, self.database_url, self.url = folder, database_url, url
        self.contracts, self.deadline = contracts, deadline
        self.runtime = self._open()

    def _open(self) -> Runtime:
        path = self.folder / "alerter.yaml"
        path.write_text(
            CONFIG.format(
                url=self.url,
                deadline=self.deadline,
                contracts=f"contracts: {self.contracts}" if self.contracts else "",
                database=f'"{self.database_url}"',
            )
        )
        config = load_config(path, env={**os.environ, "POLL_PASSWORD": PASSWORD})
        runtime = Runtime(config, clock=self.clock, stop=threading.Event(), owner="test")
        runtime.open()
        return runtime

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.runtime.close()
        self.runtime.close_store()

    def restart(self, *, url: str | None = None, contracts: str | None = None) -> None:
        """End the daemon and start another one on the same database, maybe with another config."""
        self.close()
        self.url = url or self.url
        self.contracts = self.contracts if contracts is None else contracts
        self.runtime = self._open()

    # -------------------------------------------------------------- doing
    def poll(self, *, after: timedelta = timedelta(0), forced: bool = True) -> TickOutcome:
        """Move the clock and poll; fail if the account was not due."""
        if after:
            self.clock.advance(after)
        outcome = self.runtime.poll("prod", forced=forced)
        assert outcome is not None
        return outcome

    def good(self, *, after: timedelta = timedelta(0)) -> TickOutcome:
        """Poll, and fail if anything went wrong."""
        outcome = self.poll(after=after)
        assert outcome.poll.ok, outcome.poll.first_error
        return outcome

    def at(self, instant: datetime) -> TickOutcome:
        """Poll at an instant, and fail if anything went wrong."""
        self.clock.set(max(instant, self.clock.now()))
        return self.good()

    # -------------------------------------------------------------- looking
    def terms(self) -> list[StoredContract]:
        with self.runtime.store.read() as tx:
            return tx.usage.contracts("prod")

    def key(self, contract_id: str = OPS) -> int:
        return next(one.key for one in self.terms() if one.contract.id == contract_id)

    def history(self, contract_id: str = OPS) -> History:
        """Return a contract's history at its newest snapshot."""
        with self.runtime.store.read() as tx:
            terms = tx.usage.contracts("prod")
            stored = next(one for one in terms if one.contract.id == contract_id)
            snapshot = tx.usage.newest_snapshot(stored.key)
            assert snapshot is not None
            return load_history(tx, stored, snapshot, terms=terms, names={})

    def events(self, kind: str | None = None, contract_id: str | None = None) -> list[DataEvent]:
        """Return what was noticed, oldest first."""
        with self.runtime.store.read() as tx:
            found = tx.usage.data_events("prod", kinds=[kind] if kind else None)
        return [one for one in reversed(found) if contract_id in (None, one.contract_id)]

    def standing(self, kind: str | None = None) -> list[DataEvent]:
        with self.runtime.store.read() as tx:
            return [one for one in tx.usage.standing_events("prod") if kind in (None, one.kind)]

    def alerts(self, kind: str | None = None) -> list[Alert]:
        """Return the alerts that fire."""
        with self.runtime.store.read() as tx:
            return [one for one in tx.alerts.live() if one.level > 0 and kind in (None, one.kind)]

    def told(self) -> int:
        """Return how many messages were ever made."""
        with self.runtime.store.read() as tx:
            return sum(tx.outbox.counts().values())

    def count(self, table: str) -> int:
        with self.runtime.store.engine.connect() as connection:
            return int(connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one())  # noqa: S608


class SandboxWorld(PollWorld):
    """A PollWorld against the sandbox, whose clock is the same unless `server_now` says another time."""

    def __init__(
        self,
        database_url: str,
        folder: Path,
        scenario: Scenario,
        *,
        at: datetime = START,
        server_now: Callable[[], datetime] | None = None,
        **more: Any,
    ) -> None:
        clock = DrivenClock(at)
        self.server = SandboxServer(scenario, clock=server_now or clock.now).start()
        super().__init__(database_url, folder, self.server.url, clock=clock, **more)

    def close(self) -> None:
        super().close()

    def __exit__(self, *_: object) -> None:
        self.close()
        self.server.stop()

    def fault(self, effect: str, **more: Any) -> int:
        """Put a fault into force."""
        return self.server.faults.add(FaultRule(effect=Effect(effect), **more))

    @contextmanager
    def faulty(self, effect: str, **more: Any) -> Iterator[None]:
        """Have a fault for a while."""
        number = self.fault(effect, **more)
        yield
        self.server.faults.remove(number)

    def calls(self, part: str = "") -> list[str]:
        """Return the requests' paths since they were last cleared."""
        return [one.path for one in self.server.requests if part in one.path]

    def truth(self, contract_id: str = OPS) -> dict[date, dict[str, float]]:
        """Return what is so, by day, in acres."""
        found = next(one for one in self.server.world.truth(self.clock.now()) if one["id"] == contract_id)
        return {date.fromisoformat(day["date"]): day for day in found["days"]}

    def is_true(self, contract_id: str = OPS, *, without: tuple[date, ...] = ()) -> None:
        """Fail unless the stored history is what the server's world says, but for the days left out."""
        history, truth = self.history(contract_id), self.truth(contract_id)
        scale = factor(history.unit, Unit.ACRE)
        for day, said in truth.items():
            if day in without:
                continue
            index = history.index_of(day)
            assert index is not None, day
            told = {
                "billed": history.billed_daily[index],
                "unique": history.unique_daily[index],
                "billed_total": history.billed_total[index],
                "unique_total": history.unique_total[index],
            }
            for name, value in told.items():
                assert abs(float(value) * scale - said[name]) < 0.02, (day, name, value * scale, said[name])


def figures(history: History, unit: Unit = Unit.ACRE) -> dict[str, Any]:
    """Return everything that a history says, in one unit and rounded so that two ways to it can be compared."""
    scale = factor(history.unit, unit)

    def rounded(areas: Any) -> Any:
        return np.round(np.asarray(areas) * scale, 4).tolist()

    return {
        "first_on": history.first_on,
        "today": history.today,
        "meaning": history.meaning,
        "billed_daily": rounded(history.billed_daily),
        "billed_total": rounded(history.billed_total),
        "unique_daily": rounded(history.unique_daily),
        "unique_total": rounded(history.unique_total),
        "users": [user.id for user in history.users],
        "user_first_on": history.user_first_on.tolist(),
        "user_total": rounded(history.user_total),
        "user_daily": rounded(history.user_daily),
        "lower_bound": history.total_is_lower_bound,
    }


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Fail at the first figure that two histories do not share; NaN equals NaN."""
    for name, value in a.items():
        assert repr(value) == repr(b[name]), name
