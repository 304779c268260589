"""How many calls a poll makes (H6), and how close it comes to what the latency allows; per-user calls beside it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alerter.leaf.paging import DEFAULT_SIZES
from bench.polling import polling
from bench.rows import Row, cost, median_cost
from bench.server import BILLING, serving
from bench.world import Size, user_ids

LATENCY = 0.05
THREADS = 8
PEER_THREADS = 16
SAMPLE = 320  # per-user calls that are made; the rest is extrapolated


def run(size: Size) -> Iterator[Row]:
    """Measure quiet polls of many contracts over loopback HTTP with a latency on every call."""
    users = max(10, size.users // 10)
    with (
        tempfile.TemporaryDirectory(prefix="alerter-bench-") as folder,
        serving(contracts=size.many_contracts, users=users, days=7, latency=LATENCY) as server,
        polling(Path(folder), server, threads=THREADS) as ours,
    ):
        ours.poll()
        ours.poll()
        server.tell("calls")
        ours.poll()
        calls = server.tell("calls")
        wall = median_cost(ours.poll, size.runs).wall
        pages = 2 if size.many_contracts in DEFAULT_SIZES else 1
        bound = math.ceil(calls / THREADS) * LATENCY
        yield Row(
            part="calls", what=f"calls of a poll of {size.many_contracts} contracts × {users:,} users", unit="calls",
            ours=calls, floor=2 * size.many_contracts + pages, target="1 ×",
            floor_is=f"two per contract and {pages} for the list: so many and no word about pages may be a full page",
        )  # fmt: skip
        yield Row(
            part="calls", what="wall time of that poll, cycle and commits included", unit="ms", ours=wall * 1e3,
            floor=bound * 1e3, floor_is=f"ceil(calls / {THREADS} threads) × {LATENCY * 1e3:g} ms", target="≤ 1.6 ×",
        )  # fmt: skip
        yield _per_user(size, server.url, users, wall / size.many_contracts)


def _per_user(size: Size, url: str, users: int, ours: float) -> Row:
    """Ask for a sample of users one by one, as a poller without summaries would."""
    import requests  # noqa: PLC0415 - beside the threads that use it

    ids = user_ids(200, users)[:SAMPLE]
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=PEER_THREADS))
    where = f"{url}{BILLING}/contract-0/consumption/leaf-user/"

    def ask_all() -> None:
        with ThreadPoolExecutor(PEER_THREADS) as pool:
            list(pool.map(lambda user: session.get(where + user, timeout=60).content, ids))

    theirs = cost(ask_all).wall * size.users / len(ids)
    return Row(
        part="calls", what=f"one contract's share of a poll, against {size.users:,} per-user calls", unit="ms",
        ours=ours * 1e3, floor=theirs * 1e3,
        floor_is=f"{PEER_THREADS} threads, {len(ids)} calls made, the rest extrapolated",
        target="≤ 1/400 ×",
    )  # fmt: skip
