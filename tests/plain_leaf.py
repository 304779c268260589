"""A second, independent server of the documented API: a table of figures and nothing else.

It shares no code with the sandbox, so that a mistake in the sandbox cannot hide the same mistake in the client.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

BILLING = "/services/billingapplication/api/billing/contracts"


@dataclass
class PlainContract:
    """One contract: `usage[user][day]` is what the user added that day; `unique_share` of the sum is unique."""

    id: str
    product: str
    start: date
    end: date | None
    usage: dict[str, dict[date, float]]
    region: str | None = None
    unit: str = "Acre"
    unique_share: float = 0.9
    quota: float | None = None
    missing: set[date] = field(default_factory=set)


class PlainLeaf:
    """Serves contracts as known at `today`; the switches are the questions that the documentation leaves open."""

    def __init__(self, contracts: list[PlainContract], today: date, *, names: dict[str, str] | None = None) -> None:
        self.contracts = {one.id: one for one in contracts}
        self.today = today
        self.names = names or {}
        self.summary_means = "cumulative"
        self.range_ends = "inclusive"  # or "exclusive"
        self.zero_days = "listed"  # or "omitted"
        self.username, self.password = "owner@example.com", "s3cret-pass"
        self.status: dict[str, int] = {}  # path suffix -> status to answer instead
        self.bodies: dict[str, bytes] = {}  # path suffix -> body to answer instead
        self.calls: list[str] = []
        self.before_answer: Callable[[str], object] = lambda _: None  # is told the path, and may take its time
        self._tokens: set[str] = set()
        handler = type("Handler", (_Handler,), {"leaf": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def login(self, body: dict[str, Any]) -> str | None:
        if (body.get("username"), body.get("password")) != (self.username, self.password):
            return None
        token = f"token-{len(self._tokens)}"
        self._tokens.add(token)
        return token

    def knows(self, token: str) -> bool:
        return token in self._tokens

    # -------------------------------------------------------------- answers
    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "/services/usermanagement/api/users":
            page, size = int(query.get("page", ["0"])[0]), int(query.get("size", ["20"])[0])
            users = [{"id": key, "name": name} for key, name in sorted(self.names.items())]
            return 200, users[page * size : (page + 1) * size]
        if not path.startswith(BILLING):
            return 404, {"title": "Not Found"}
        parts = [unquote(part) for part in path.removeprefix(BILLING).split("/") if part]
        if not parts:
            return 200, [self._contract(one) for one in self.contracts.values()]
        contract = self.contracts.get(parts[0])
        if contract is None:
            return 404, {"title": "Not Found"}
        match parts[1:]:
            case []:
                return 200, self._contract(contract)
            case ["consumption"]:
                return self._summary(contract, query)
            case ["consumption", "api-owner"]:
                return self._range(contract, query, None)
            case ["consumption", "leaf-user", user]:
                return self._range(contract, query, user) if user in contract.usage else (404, {})
        return 404, {"title": "Not Found"}

    def _contract(self, one: PlainContract) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "id": one.id,
            "product": one.product,
            "startDate": f"{one.start}T00:00:00Z",
            "endDate": f"{one.end}T00:00:00Z" if one.end else None,
            "region": one.region,
        }
        if one.quota is not None:
            answer["quotaInAcres"] = one.quota
        return answer

    def _summary(self, one: PlainContract, query: dict[str, list[str]]) -> tuple[int, Any]:
        day = _day(query["timestamp"][0]) if "timestamp" in query else self.today
        if day in one.missing or day > self.today:
            return 404, {"title": "No data"}
        areas = {user: self._of(one, user, day) for user in one.usage}
        said = {
            user: (total if self.summary_means == "cumulative" else daily) for user, (total, daily) in areas.items()
        }
        listed = [{"leafUserId": user, "totalArea": area} for user, area in said.items() if area or areas[user][0]]
        return 200, {
            "areaUnit": one.unit,
            "date": f"{day}T00:00:00Z",
            "totalUniqueArea": sum(said.values()) * one.unique_share,
            "leafUsersAreas": listed,
        }

    def _range(self, one: PlainContract, query: dict[str, list[str]], user: str | None) -> tuple[int, Any]:
        if "startTime" not in query or "endTime" not in query:
            return 400, {"title": "Bad Request"}
        first, last = _day(query["startTime"][0]), _day(query["endTime"][0])
        if self.range_ends == "exclusive":
            first, last = first + timedelta(days=1), last - timedelta(days=1)
        first, last = max(first, one.start), min(last, self.today)
        days = []
        for n in range((last - first).days + 1):
            day = first + timedelta(days=n)
            who = [user] if user else list(one.usage)
            share = 1.0 if user else one.unique_share
            total = sum(self._of(one, each, day)[0] for each in who) * share
            daily = sum(self._of(one, each, day)[1] for each in who) * share
            if day not in one.missing and (daily or self.zero_days == "listed"):
                days.append({"date": f"{day}T00:00:00Z", "totalArea": total, "dailyArea": daily})
        return 200, {"areaUnit": one.unit, "areaPerDay": days}

    @staticmethod
    def _of(one: PlainContract, user: str, day: date) -> tuple[float, float]:
        """Return the user's total up to and including `day`, and the day's own."""
        usage = one.usage[user]
        return sum(area for each, area in usage.items() if each <= day), usage.get(day, 0.0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece, or each answer waits 40 ms for the other side's acknowledgement
    leaf: PlainLeaf

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self.leaf.calls.append(self.path)
        token = self.leaf.login(body) if self.path == "/api/authenticate" else None
        self._send(*((200, {"id_token": token}) if token else (401, {"title": "Unauthorized"})))

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.leaf.calls.append(self.path)
        if not self.leaf.knows(self.headers.get("Authorization", "").removeprefix("Bearer ")):
            return self._send(401, {"title": "Unauthorized"})
        self.leaf.before_answer(url.path)
        for suffix, status in self.leaf.status.items():
            if url.path.endswith(suffix):
                return self._send(status, {"title": "told to"})
        for suffix, body in self.leaf.bodies.items():
            if url.path.endswith(suffix):
                return self._raw(200, body)
        return self._send(*self.leaf.answer(url.path, parse_qs(url.query)))

    def _send(self, status: int, answer: Any) -> None:
        self._raw(status, json.dumps(answer).encode())

    def _raw(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _day(text: str) -> date:
    return datetime.fromisoformat(text).astimezone(UTC).date()
