from __future__ import annotations

import random
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerter.app.clock import VirtualClock
from alerter.app.runtime import Runtime
from alerter.config import load_config
from alerter.core.states import Alert
from tests.plain_leaf import PlainContract, PlainLeaf

START = date(2026, 3, 1)
TODAY = date(2026, 5, 14)
NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)
CONFIG = """\
accounts:
  - {{name: main, base_url: "{url}", username: owner@example.com, password: {{env: LEAF_PASSWORD}}}}
contracts:
  - match: {{product: OPERATIONS_FILE}}
    cap: {cap} acre
poll: {{threads: 1}}
rules:
  - {{id: spike, kind: daily_spike}}
  - {{id: user-spike, kind: daily_spike, scope: user}}
  - {{id: contract-cap, kind: contract_cap, tiers: [{{at: 50%}}, {{at: 80%}}, {{at: 100%}}]}}
  - {{id: user-cap, kind: user_cap, cap: 1500 acre}}
  - {{id: term-end, kind: contract_end, days: {ends}}}
channels:
  terminal: {{url: "console://"}}
database: "{database}"
"""


def leaf(seed: int) -> PlainLeaf:
    chance = random.Random(seed)  # noqa: S311 - a seeded choice
    days = [START + timedelta(days=n) for n in range((TODAY - START).days + 1)]
    usage = {f"user-{n}": {day: round(chance.uniform(0, 20), 2) for day in days} for n in range(5)}
    contracts = [PlainContract(name, "OPERATIONS_FILE", START, date(2027, 1, 9), usage) for name in ("c-1", "c-2")]
    return PlainLeaf(contracts, TODAY)


def runtime(
    folder: Path, url: str, database: str, *, clock: VirtualClock, cap: int = 9000, ends: str = "[239, 30]"
) -> Runtime:
    folder.mkdir(exist_ok=True)
    path = folder / "alerter.yaml"
    path.write_text(CONFIG.format(url=url, database=database, cap=cap, ends=ends))
    config = load_config(path, env={"LEAF_PASSWORD": "s3cret-pass"}, credentials_dir=None)
    opened = Runtime(config, clock=clock, stop=threading.Event(), owner="test")
    opened.open()
    return opened


def polled(one: Runtime) -> None:
    outcome = one.poll("main", forced=True)
    assert outcome is not None
    assert outcome.poll.first_error is None


def state(one: Runtime) -> list[Alert]:
    with one.store.read() as tx:
        return sorted(tx.alerts.all(), key=lambda alert: alert.fingerprint)


def test_a_quiet_poll_writes_snapshots_and_how_it_went_alone(database_url: str, tmp_path: Path) -> None:
    with leaf(1) as server:
        clock = VirtualClock(NOON)
        one = runtime(tmp_path, server.url, database_url, clock=clock, cap=900_000, ends="[30]")
        for _ in range(2):
            polled(one)
            clock.advance(timedelta(minutes=15))
        wrote: set[str] = set()

        @sa.event.listens_for(one.store.engine, "before_cursor_execute")
        def _note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            words = statement.replace('"', "").split()
            if words[0] in ("INSERT", "UPDATE", "DELETE"):
                wrote.add(f"{words[0]} {words[2 if words[0] != 'UPDATE' else 1]}")

        polled(one)
        # The claim and the counts of calls (account, journal), the look itself, and how far it was judged (contract).
        assert wrote == {"INSERT snapshot", "UPDATE account", "UPDATE contract", "INSERT journal"}
        one.close()
        one.close_store()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))])
def test_not_judging_the_same_again_changes_no_alert(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seeded choice
    with leaf(seed) as server:
        clock = VirtualClock(NOON)
        url = f"sqlite:///{tmp_path}"
        lazy = runtime(tmp_path / "a", server.url, f"{url}/lazy.db", clock=clock)
        eager = runtime(tmp_path / "b", server.url, f"{url}/eager.db", clock=clock)
        skipped = 0
        for _ in range(20):
            clock.advance(timedelta(hours=chance.choice([1, 3, 7])))
            server.today = clock.now().date()
            if chance.random() < 0.3:
                contract = chance.choice(list(server.contracts.values()))
                user = chance.choice(list(contract.usage.values()))
                user[server.today] = max(0.0, user.get(server.today, 0.0) + chance.choice([5.0, 100.0, 900.0, -50.0]))
            eager._judged._judged.clear()
            before = dict(lazy._judged._judged)
            polled(lazy)
            polled(eager)
            skipped += sum(lazy._judged._judged.get(key) is kept for key, kept in before.items())
            assert state(lazy) == state(eager)
        assert skipped or seed  # some lives are never quiet
        assert any(alert.episode for alert in state(lazy))
        for one in (lazy, eager):
            one.close()
            one.close_store()
