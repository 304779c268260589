"""How much a year takes on disk (H4), and how long 10,000 values take to store, against floors of the same run."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from alerter.store import Store
from bench.databases import KINDS, database, disk_bytes
from bench.rows import Row, median_cost
from bench.world import ACTIVE, LATE, TODAY, Meter, Size, contracts_answer, range_answer

YEAR = 365
USERS = 50_000  # that the target speaks of
MB = 1e6
_INSERT = "INSERT INTO plain VALUES (?, ?, ?)"
_INSERT_ARRAYS = (
    "INSERT INTO plain SELECT %s, number, area FROM unnest(%s::integer[], %s::double precision[]) AS new (number, area)"
)
TARGET_MB = {"sqlite": 45, "postgres": 140}


def run(size: Size) -> Iterator[Row]:
    """Measure both databases."""
    text = text_bytes(size)
    for kind in KINDS:
        for digits in (2, 12):
            with database(kind) as url:
                if url is not None:
                    yield _year(Stretch(url, size, digits), kind, digits, text)
    for kind in KINDS:
        with database(kind) as url:
            if url is not None:
                yield from Batch(url, size, kind).rows()


def _year(stretch: Stretch, kind: str, digits: int, text: float) -> Row:
    year = stretch.year_bytes() / stretch.user_days(YEAR) * USERS * YEAR
    per = year / (USERS * YEAR)
    return Row(
        part="storing", what=f"{kind}: a year of {USERS:,} users, {digits} decimals", unit="MB", ours=year / MB,
        floor=text * USERS * YEAR / MB, floor_is="one text row per user and day", target=f"≤ {TARGET_MB[kind]}",
        note=f"{per:.2f} bytes per user-day; {stretch.said}",
    )  # fmt: skip


def text_bytes(size: Size) -> float:
    """Return the bytes per user and day of the obvious table: contract, user and day as text, the area as a double."""
    meter = Meter(1, size.users)
    with tempfile.TemporaryDirectory(prefix="alerter-bench-") as folder:
        path = Path(folder) / "text.db"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE usage (contract TEXT, user TEXT, day TEXT, area REAL, read_at TEXT,"
                           " PRIMARY KEY (contract, user, day))")  # fmt: skip
        for number in range(4):
            day = (TODAY - timedelta(days=number)).isoformat()
            rows = zip(meter.ids, meter.areas.tolist(), strict=True)
            connection.executemany(
                "INSERT INTO usage VALUES (?, ?, ?, ?, ?)",
                [("5b1c9d0e-contract-0000-000000000001", user, day, area, f"{day}T12:00:00Z") for user, area in rows],
            )
        connection.commit()
        connection.close()
        return path.stat().st_size / (4 * size.users)


class Stretch:
    """Some days of hourly polls of every contract, written as the poll writes them; nothing is thinned out."""

    def __init__(self, url: str, size: Size, digits: int) -> None:
        self._store = Store(url)
        self._size = size
        self._meters = [Meter(100 + n, size.users, digits=digits) for n in range(size.contracts)]
        self._before: list[tuple[np.ndarray, np.ndarray]] = []  # yesterday's last areas and who was active
        self._totals: list[dict[date, float]] = [{} for _ in self._meters]
        self._first_on = TODAY - timedelta(days=size.stretch)
        with self._store.write() as tx:
            tx.accounts.sync(["bench"], _at(self._first_on, 0))
        self.said = ""

    def user_days(self, days: int) -> int:
        """Return how many user-days so many days are."""
        return self._size.users * self._size.contracts * days

    def year_bytes(self) -> float:
        """Simulate the stretch and extrapolate: what is there after it, and its second half's slope for the rest."""
        sizes = [disk_bytes(self._store)]
        for number in range(self._size.stretch):
            self._day(self._first_on + timedelta(days=number))
            sizes.append(disk_bytes(self._store))
        self._store.close()
        half = len(sizes) // 2
        slope = (sizes[-1] - sizes[half]) / (len(sizes) - 1 - half)
        measured = sizes[-1] - sizes[0]
        self.said = (
            f"{measured / MB:.2f} MB after {self._size.stretch} days of hourly polls of {self.user_days(1):,} users,"
            f" then {slope / MB:.3f} MB a day; {ACTIVE:.0%} active, unthinned"
        )
        return float(measured + slope * (YEAR - self._size.stretch))

    def _day(self, day: date) -> None:
        hours = [meter.hours_of_a_day() for meter in self._meters]
        for hour in range(24):
            now = _at(day, hour)
            with self._store.write() as tx:
                listed = tx.usage.save_contracts("bench", contracts_answer(len(self._meters), self._first_on), now)
            for number, (stored, meter) in enumerate(zip(listed, self._meters, strict=True)):
                late = self._late(number, day) if hour == 1 else None
                meter.raise_users(hours[number][hour])
                self._totals[number][day] = round(float(meter.areas.sum()) * 0.9, 2)
                with self._store.write() as tx:
                    snapshot_id = tx.usage.add_snapshot(stored.key, now, day)
                    if late is not None:
                        tx.usage.add_summary(snapshot_id, stored.key, meter.summary(day - timedelta(days=1), late))
                    tx.usage.add_summary(snapshot_id, stored.key, meter.summary(day))
                    tx.usage.add_owner_range(snapshot_id, stored.key, range_answer(self._totals[number]))
        self._before = [
            (meter.areas, np.unique(np.concatenate(who))) for meter, who in zip(self._meters, hours, strict=True)
        ]

    def _late(self, number: int, day: date) -> np.ndarray | None:
        """Let some of yesterday's users move once more, yesterday and so today too; return yesterday's new areas."""
        if day == self._first_on:
            return None
        meter = self._meters[number]
        last, active = self._before[number]
        rows = active[meter.rng.random(len(active)) < LATE]
        more = np.round(meter.rng.lognormal(2.0, 0.5, len(rows)), 2)
        revised = last.copy()
        revised[rows] = np.round(revised[rows] + more, 2)
        meter.areas = meter.areas.copy()
        meter.areas[rows] = np.round(meter.areas[rows] + more, 2)
        yesterday = day - timedelta(days=1)
        self._totals[number][yesterday] = round(float(revised.sum()) * 0.9, 2)
        return revised


@dataclass
class Batch:
    """Time to store one summary of one contract: a new day, 1 % changed, unchanged."""

    url: str
    size: Size
    kind: str

    def rows(self) -> Iterator[Row]:
        """Measure the three cases."""
        store, meter = Store(self.url), Meter(7, self.size.users)
        with store.write() as tx:
            tx.accounts.sync(["bench"], _at(TODAY, 0))
            key = tx.usage.save_contracts("bench", contracts_answer(1, TODAY), _at(TODAY, 0))[0].key
        state = {"day": TODAY, "said": meter.summary(TODAY)}
        body = b"x" * (74 * self.size.users)

        def add() -> None:
            with store.write() as tx:
                snapshot_id = tx.usage.add_snapshot(key, _at(TODAY, 1), TODAY)
                tx.usage.add_summary(snapshot_id, key, state["said"])

        def unchanged() -> None:
            hashlib.blake2b(body, digest_size=16).digest()
            with store.read() as tx:
                tx.usage.known_hash(key, state["day"])
            with store.write() as tx:
                tx.usage.add_snapshot(key, _at(TODAY, 1), TODAY)

        def new_day() -> None:
            # A day that has nothing in common with its neighbours: every value is new.
            state["day"] += timedelta(days=1)
            meter.raise_share(1.1)
            state["said"] = meter.summary(state["day"])

        def one_percent() -> None:
            meter.raise_share(0.01)
            state["said"] = meter.summary(state["day"])

        add()
        plain = Plain(store, meter)
        cases = (("a new day", new_day, add), ("1 % changed", one_percent, add), ("unchanged", lambda: None, unchanged))
        for name, before, ours in cases:
            floor = median_cost(plain.insert if name == "a new day" else plain.upsert, self.size.runs, plain.next)
            cost = median_cost(ours, self.size.runs, before)
            yield Row(
                part="storing", what=f"{self.kind}: store {self.size.users:,} values, {name}", unit="ms",
                ours=cost.wall * 1e3, floor=floor.wall * 1e3,
                floor_is="one statement of the driver over integer keys, every value written",
            )  # fmt: skip
        store.close()


class Plain:
    """The floor: integer keys, the driver's own bulk path, every value written, one commit."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._engine, self._meter = store.engine, meter
        self._on_postgres = store.engine.dialect.name == "postgresql"
        self._day = 0
        with self._engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE plain (day integer, number integer, area double precision, PRIMARY KEY (day, number))"
            )
        self.insert()

    def next(self) -> None:
        """Move on to another day."""
        self._day += 1

    def insert(self) -> None:
        """Write every value of a day."""
        self._write("")

    def upsert(self) -> None:
        """Write every value of the first day over what is there."""
        self._write(" ON CONFLICT (day, number) DO UPDATE SET area = excluded.area", day=0)

    def _write(self, conflict: str, day: int | None = None) -> None:
        day = self._day if day is None else day
        areas = self._meter.areas.tolist()
        with self._engine.begin() as connection:
            if self._on_postgres:
                connection.exec_driver_sql(
                    _INSERT_ARRAYS + conflict,
                    (day, list(range(len(areas))), areas),
                )
            else:
                connection.exec_driver_sql(
                    _INSERT + conflict,
                    [(day, number, area) for number, area in enumerate(areas)],
                )


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), UTC)
