"""A poll that brings nothing new (H5): processor time and bytes written, against writing every value down again."""

from __future__ import annotations

import json
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import requests
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from alerter.store import Store
from alerter.store.engine import open_engine, parse_url
from bench.polling import polling
from bench.rows import Row, median_cost
from bench.server import BILLING, Server, serving
from bench.world import Size

TABLES = sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")


def run(size: Size) -> Iterator[Row]:
    """Measure polls of every contract over loopback HTTP, quiet ones and such with 1 % changed."""
    with (
        tempfile.TemporaryDirectory(prefix="alerter-bench-") as folder,
        serving(contracts=size.contracts, users=size.users, days=size.days) as server,
        polling(Path(folder), server) as ours,
    ):
        ours.poll()
        ours.poll()
        peer = Upserting(Path(folder) / "plain.db", server, size.contracts)
        peer.poll()
        store = ours.runtime.store
        before = counts(store)
        theirs = median_cost(peer.poll, size.runs)
        quiet = median_cost(ours.poll, size.runs)
        changed_rows = {name: now - before[name] for name, now in counts(store).items() if now != before[name]}
        written = written_by(Path(folder) / "bench.db", ours.poll, size.runs)
        wrote = written_by(Path(folder) / "plain.db", peer.poll, size.runs)
        what = f"of {size.contracts} × {size.users:,} users"
        yield Row(
            part="quiet", what=f"processor time of a quiet poll {what}", unit="ms", ours=quiet.cpu * 1e3,
            floor=theirs.cpu * 1e3, floor_is="fetch, decode and upsert every value (SQLAlchemy Core, text keys)",
            target="≤ 0.1 ×",
        )  # fmt: skip
        yield Row(
            part="quiet", what="bytes that a quiet poll writes (write-ahead log)", unit="kB", ours=written / 1e3,
            floor=wrote / 1e3, floor_is="fetch, decode and upsert every value (SQLAlchemy Core, text keys)",
            note=f"rows added in {size.runs} polls: {_said(changed_rows)}",
        )  # fmt: skip
        moved = median_cost(ours.poll, size.runs, ours.move)
        yield Row(
            part="quiet", what=f"processor time of a poll with 1 % changed {what}, all rules judged", unit="ms",
            ours=moved.cpu * 1e3, floor=theirs.cpu * 1e3, floor_is="fetch, decode and upsert every value, no rule",
        )  # fmt: skip


def counts(store: Store) -> dict[str, int]:
    """Return the number of rows of every table."""
    with store.engine.connect() as connection:
        names = list(connection.scalars(TABLES))
        count = sa.select(sa.func.count())
        return {name: int(connection.scalar(count.select_from(sa.table(name))) or 0) for name in names}


def written_by(database: Path, work: Callable[[], object], runs: int) -> float:
    """Return the median of what `work` adds to the write-ahead log."""
    sizes = []
    connection = sqlite3.connect(database)
    for _ in range(runs):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        work()
        sizes.append(Path(f"{database}-wal").stat().st_size)
    connection.close()
    return statistics.median(sizes)


def _said(rows: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in rows.items()) or "none"


class Upserting:
    """The obvious poller: the same answers, every value upserted under text keys in one statement per contract."""

    def __init__(self, database: Path, server: Server, contracts: int) -> None:
        self._server, self._contracts = server, contracts
        self._polls = 0
        self._session = requests.Session()
        self._session.trust_env = False
        self._engine = open_engine(parse_url(f"sqlite:///{database}"), create=True)
        metadata = sa.MetaData()
        self._usage = sa.Table(
            "usage", metadata,
            sa.Column("contract", sa.Text, primary_key=True), sa.Column("user", sa.Text, primary_key=True),
            sa.Column("day", sa.Text, primary_key=True), sa.Column("area", sa.Double), sa.Column("read_at", sa.Text),
        )  # fmt: skip
        metadata.create_all(self._engine)
        new = insert(self._usage)
        self._upsert = new.on_conflict_do_update(
            index_elements=["contract", "user", "day"],
            set_={"area": new.excluded.area, "read_at": new.excluded.read_at},
        )

    def poll(self) -> None:
        """Ask what a poll asks and write every value down, with the time of reading."""
        self._polls += 1
        for number in range(self._contracts):
            where = f"{self._server.url}{BILLING}/contract-{number}/consumption"
            self._session.get(f"{where}/api-owner", timeout=60).json()
            answer = json.loads(self._session.get(where, timeout=60).content)
            rows = [
                {
                    "contract": f"contract-{number}", "user": one["leafUserId"], "day": answer["date"],
                    "area": one["totalArea"], "read_at": f"poll {self._polls:09}",
                }
                for one in answer["leafUsersAreas"]
            ]  # fmt: skip
            with self._engine.begin() as connection:
                connection.execute(self._upsert, rows)
