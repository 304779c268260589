"""A loopback server of the documented API for measurements, in a process of its own; its figures can be moved on.

`GET /bench/move?share=0.01` raises a share of today's users, `/bench/today?day=2026-07-01` begins another day and
`/bench/calls` returns and forgets the number of calls; none of these is slowed down.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import PIPE, Popen
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import requests

from bench.world import ACTIVE, TODAY, Meter, contract_answer

BILLING = "/services/billingapplication/api/billing/contracts"


class World:
    """What the server says: for every contract the cumulative areas of its users on each day."""

    def __init__(self, contracts: int, users: int, days: int) -> None:
        self.today = TODAY
        self.first_on = TODAY - timedelta(days=days - 1)
        self.meters = {f"contract-{n}": Meter(200 + n, users) for n in range(contracts)}
        self.days: dict[str, dict[date, np.ndarray]] = {name: {} for name in self.meters}
        for name, meter in self.meters.items():
            for number in range(days):
                meter.raise_share(ACTIVE)
                self.days[name][self.first_on + timedelta(days=number)] = meter.areas
        self.calls = 0
        self._lock = threading.Lock()
        self._bodies: dict[tuple[str, date], bytes] = {}

    def move(self, share: float) -> None:
        """Raise a share of every contract's users today."""
        for name, meter in self.meters.items():
            meter.raise_share(share)
            self.days[name][self.today] = meter.areas
            self._bodies.pop((name, self.today), None)

    def begin(self, day: date) -> None:
        """Begin another day with nothing new in it."""
        self.today = day
        for name, meter in self.meters.items():
            self.days[name][day] = meter.areas

    def contracts(self) -> bytes:
        """Return the list of contracts."""
        listed = []
        for number in range(len(self.meters)):
            one = contract_answer(number, self.first_on)
            listed.append({
                "id": one.id, "product": one.product, "region": one.region, "startDate": _instant(self.first_on),
                "endDate": _instant(self.first_on + timedelta(days=365)),
            })  # fmt: skip
        return json.dumps(listed).encode()

    def summary(self, name: str, day: date) -> bytes:
        """Return one day's summary."""
        body = self._bodies.get((name, day))  # another thread may drop it at any moment
        if body is None:
            areas = self.days[name][day]
            users = [
                {"leafUserId": user, "totalArea": area}
                for user, area in zip(self.meters[name].ids, areas.tolist(), strict=True)
            ]
            document = {
                "date": _instant(day), "totalUniqueArea": _unique(areas), "areaUnit": "Acre", "leafUsersAreas": users,
            }  # fmt: skip
            body = json.dumps(document, separators=(",", ":")).encode()
            with self._lock:
                self._bodies[name, day] = body
                while len(self._bodies) > 24:
                    self._bodies.pop(next(iter(self._bodies)))
        return body

    def range(self, totals: dict[date, float]) -> bytes:
        """Return a range of cumulative totals with what each day added."""
        entries, before = [], 0.0
        for day, total in sorted(totals.items()):
            entries.append({"date": _instant(day), "totalArea": total, "dailyArea": round(total - before, 2)})
            before = total
        return json.dumps({"areaUnit": "Acre", "areaPerDay": entries}).encode()

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes | None:
        """Return the body for an address of the API, None for what there is not."""
        if path == "/services/usermanagement/api/users":
            return b"[]"
        if path == BILLING:
            return self.contracts()
        name, _, rest = path.removeprefix(BILLING + "/").partition("/")
        if rest == "consumption":
            day = date.fromisoformat(query["timestamp"][0][:10]) if "timestamp" in query else self.today
            return self.summary(name, day) if day in self.days[name] else None
        if rest == "consumption/api-owner":
            return self.range({day: _unique(areas) for day, areas in self.days[name].items()})
        row = self.meters[name].ids.index(rest.removeprefix("consumption/leaf-user/"))
        return self.range({day: float(areas[row]) for day, areas in self.days[name].items()})


def _unique(areas: np.ndarray) -> float:
    return round(float(areas.sum()) * 0.9, 2)


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    world: World
    latency: float

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path.startswith("/bench/"):
            self._send(200, self._command(url.path.removeprefix("/bench/"), query))
            return
        self.world.calls += 1
        body = self.world.answer(url.path, query)
        if self.latency:
            threading.Event().wait(self.latency)
        self._send(404 if body is None else 200, b"{}" if body is None else body)

    def _command(self, name: str, query: dict[str, list[str]]) -> bytes:
        if name == "move":
            self.world.move(float(query["share"][0]))
        elif name == "today":
            self.world.begin(date.fromisoformat(query["day"][0]))
        calls = self.world.calls
        if name == "calls":
            self.world.calls = 0
        return json.dumps({"calls": calls}).encode()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server:
    """A running server process, seen from outside."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def tell(self, command: str, **query: Any) -> int:
        """Give a command and return the number of calls so far."""
        return int(self._session.get(f"{self.url}/bench/{command}", params=query, timeout=120).json()["calls"])


@contextmanager
def serving(*, contracts: int, users: int, days: int, latency: float = 0.0) -> Iterator[Server]:
    """Run a server in another process, so that its work is not counted as ours."""
    sizes = json.dumps({"contracts": contracts, "users": users, "days": days, "latency": latency})
    process = Popen([sys.executable, "-m", "bench.server", sizes], stdout=PIPE, text=True)  # noqa: S603 - ourselves
    try:
        if process.stdout is None:
            raise RuntimeError("the server has no output")
        yield Server(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(30)


def main(sizes: str) -> None:
    """Serve until terminated; the address is the first line of the output."""
    wanted = json.loads(sizes)
    latency = wanted.pop("latency")
    handler = type("Handler", (_Handler,), {"world": World(**wanted), "latency": latency})
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
