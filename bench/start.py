"""From the shell: until the daemon is READY with many stored figures (H8), and what commands take (H9)."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from alerter.store import Store, migrate
from bench.polling import ENV, TEN_RULES, write_config
from bench.rows import Row
from bench.server import serving
from bench.storing import _at
from bench.world import TODAY, Meter, Size, contracts_answer

PROGRAM = [sys.executable, "-m", "alerter"]
WITHIN = 60.0


def run(size: Size) -> Iterator[Row]:
    """Measure in a folder of its own, with a server for `check`."""
    with tempfile.TemporaryDirectory(prefix="alerter-bench-") as name, serving(contracts=2, users=50, days=3) as server:
        folder = Path(name)
        write_config(folder, server.url)
        stored = _fill(folder / "bench.db", size)
        floor = _median([sys.executable, "-c", "pass"], folder, size.runs)
        for arguments, target in (
            (["--help"], "≤ 0.25 s"),
            (["check", "--offline"], "≤ 0.8 s"),
            (["check"], "≤ 1.5 s"),
            (["status"], "≤ 1.5 s"),
        ):  # fmt: skip
            ours = _median([*PROGRAM, *arguments], folder, size.runs)
            yield Row(
                part="start", what=f"alerter {' '.join(arguments)}", unit="ms", ours=ours * 1e3, floor=floor * 1e3,
                floor_is="the interpreter alone", target=target,
            )  # fmt: skip
        ready = statistics.median(_until_ready(folder) for _ in range(min(3, size.runs)))
        yield Row(
            part="start", what=f"READY with {stored:,} stored figures", unit="ms", ours=ready * 1e3, floor=floor * 1e3,
            floor_is="the interpreter alone", target="≤ 4 s",
        )  # fmt: skip
        rules = "rules:\n" + "".join(
            f"  - {{id: cap-{n}, kind: user_cap, cap: {900_000 + n} acre}}\n" for n in range(size.rules)
        )
        write_config(folder, server.url, rules=rules)
        ours = _median([*PROGRAM, "check", "--offline"], folder, size.runs)
        yield Row(
            part="start", what=f"alerter check --offline with {size.rules:,} rules", unit="ms", ours=ours * 1e3,
            floor=floor * 1e3, floor_is="the interpreter alone", target="≤ 1 s",
        )  # fmt: skip
        write_config(folder, server.url, rules=TEN_RULES)


def _fill(database: Path, size: Size) -> int:
    """Store at least as many figures as are wanted, all of them different; return how many there are."""
    url = f"sqlite:///{database}"
    migrate.upgrade(url)
    store, meter = Store(url), Meter(3, min(size.users, size.figures))
    days = max(1, -(-size.figures // len(meter.ids)))
    first_on = TODAY - timedelta(days=days)
    with store.write() as tx:
        tx.accounts.sync(["bench"], _at(TODAY, 0))
        key = tx.usage.save_contracts("bench", contracts_answer(1, first_on), _at(TODAY, 0))[0].key
    for number in range(days):
        meter.raise_share(1.1)
        day = first_on + timedelta(days=number)
        with store.write() as tx:
            tx.usage.add_summary(tx.usage.add_snapshot(key, _at(day, 12), day), key, meter.summary(day))
    store.close()
    return days * len(meter.ids)


def _environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **ENV, "PYTHONPATH": str(Path.cwd()), **more}


def _median(command: list[str], folder: Path, runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - ourselves
            command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=WITHIN, check=False
        )
        taken.append(time.perf_counter() - began)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return statistics.median(taken)


def _until_ready(folder: Path) -> float:
    """Start the daemon, wait for its READY on a notify socket, and end it."""
    with (
        tempfile.TemporaryDirectory(prefix="alerter-notify-") as name,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear,
    ):
        path = str(Path(name) / "notify")
        ear.bind(path)
        ear.settimeout(WITHIN)
        began = time.perf_counter()
        daemon = subprocess.Popen(  # noqa: S603 - ourselves
            [*PROGRAM, "run"], cwd=folder, env=_environment(NOTIFY_SOCKET=path), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while b"READY=1" not in ear.recv(4096):
                pass
            return time.perf_counter() - began
        finally:
            daemon.terminate()
            daemon.wait(WITHIN)
