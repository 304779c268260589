"""One HTTP question and one answer, as values: what the API makes, faults spoil and the server sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

JSON = "application/json"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: `path` still percent-encoded, `query` the first value of each key, header names lower case."""

    method: str
    path: str
    query_text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    now: datetime
    base: str = ""  # what absolute links start with

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's decoded parts."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @property
    def query(self) -> dict[str, str]:
        """The query's decoded pairs."""
        return {key: values[0] for key, values in parse_qs(self.query_text, keep_blank_values=True).items()}


@dataclass(slots=True, kw_only=True)
class Reply:
    """One answer and how it travels: the server sends exactly this, broken transport included."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0  # real seconds before the first byte
    trickle: float = 0.0  # real seconds between two bytes
    trickle_headers: bool = False  # the head trickles too
    cut: float | None = None  # reset the connection after this share of the bytes (0: before the first)
    padding: int = 0  # bytes of white space streamed after the body


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request as it was answered: `at` by the sandbox's clock, status 0 where the connection was reset."""

    method: str
    path: str
    query: str
    status: int
    at: datetime

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "at": self.at.isoformat(),
        }


class Refused(Exception):
    """A request that deserves a 4xx; `status` and the sentence make the answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def json_reply(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return `document` encoded as compact UTF-8 JSON."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Reply(status=status, headers={"Content-Type": JSON, **(headers or {})}, body=text.encode())


def problem_reply(status: int, detail: str, path: str) -> Reply:
    """Return an error answer: title, status, detail and path."""
    document = {"title": _PHRASES.get(status, "Unheard Of"), "status": status, "detail": detail, "path": path}
    return json_reply(document, status=status, headers={"Content-Type": "application/problem+json"})


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; raise Refused (400) for anything else."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(document, dict):
        raise Refused(400, "the body is not a JSON object")
    return document
