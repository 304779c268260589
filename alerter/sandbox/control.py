"""The sandbox's own endpoints under /_sandbox/: its clock, its faults, what it was asked, what it knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import ValidationError

from alerter.sandbox.clock import SandboxClock
from alerter.sandbox.faults import FaultRule, Faults
from alerter.sandbox.replies import Refused, Reply, Request, RequestRecord, json_reply, parse_object, problem_reply
from alerter.sandbox.world import World

PREFIX = "_sandbox"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Recording(Protocol):
    """Where requests are recorded."""

    def list(self) -> list[RequestRecord]:
        """Return the recorded requests, oldest first."""

    def clear(self) -> None:
        """Forget them."""


class Control:
    """Answer requests under /_sandbox/; they need no token and are not recorded."""

    def __init__(self, *, clock: Callable[[], datetime], faults: Faults, world: World, recording: Recording) -> None:
        self._clock = clock
        self._faults = faults
        self._world = world
        self._recording = recording

    def answer(self, request: Request) -> Reply:
        """Return the answer, a 4xx with a sentence for what cannot be done."""
        handlers: dict[tuple[str, ...], Callable[[Request], Any]] = {
            ("GET", "clock"): lambda _: self._clock_document(),
            ("POST", "clock"): self._set_clock,
            ("GET", "faults"): lambda _: self._faults.document(),
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._drop_faults,
            ("GET", "requests"): lambda _: [record.document() for record in self._recording.list()],
            ("DELETE", "requests"): lambda _: self._recording.clear(),
            ("GET", "truth"): lambda request: self._world.truth(request.now),
        }
        handler = handlers.get((request.method, *request.segments[1:2]))
        if handler is None or len(request.segments) > (3 if request.segments[1] == "faults" else 2):
            return problem_reply(404, f"/{PREFIX}/ knows clock, faults, requests and truth", request.path)
        try:
            return json_reply(handler(request))
        except Refused as refused:
            return problem_reply(refused.status, refused.detail, request.path)

    # -------------------------------------------------------------- clock
    def _clock_document(self) -> dict[str, Any]:
        speed = self._clock.speed if isinstance(self._clock, SandboxClock) else None
        return {"now": self._clock().isoformat(), "speed": speed}

    def _set_clock(self, request: Request) -> dict[str, Any]:
        clock, asked = self._clock, parse_object(request.body)
        if not isinstance(clock, SandboxClock):
            raise Refused(409, "this sandbox runs by a clock of its caller's")
        if not asked or asked.keys() - {"set", "advance", "speed"}:
            raise Refused(400, "say set (an instant), advance (6h, 1d, seconds) or speed (a number)")
        try:
            if "set" in asked:
                clock.set(datetime.fromisoformat(asked["set"]))
            if "advance" in asked:
                clock.advance(_duration(asked["advance"]))
            if "speed" in asked:
                clock.run_at(float(asked["speed"]))
        except (ValueError, TypeError, OverflowError) as error:
            raise Refused(400, str(error)) from error
        return self._clock_document()

    # -------------------------------------------------------------- faults
    def _add_fault(self, request: Request) -> dict[str, Any]:
        try:
            rule = FaultRule.model_validate(parse_object(request.body))
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise Refused(400, "; ".join(wrong)) from error
        return {"id": self._faults.add(rule)}

    def _drop_faults(self, request: Request) -> None:
        if len(request.segments) == 2:
            self._faults.clear()
        elif not request.segments[2].isdecimal() or not self._faults.remove(int(request.segments[2])):
            raise Refused(404, "there is no such fault")


def _duration(value: Any) -> timedelta:
    """Read seconds, or a number with s, m, h or d."""
    if isinstance(value, str) and value[-1:] in _UNITS:
        return timedelta(seconds=float(value[:-1]) * _UNITS[value[-1]])
    return timedelta(seconds=float(value))
