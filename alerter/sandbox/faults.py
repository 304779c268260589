"""Faults on purpose: rules that say which requests go wrong, when, and how.

A rule matches by path, method and contract; fires by probability (seeded), by count or in a time window; and has one
effect.  Several rules may fire on one request: they apply in order, each on what the one before left.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from alerter.sandbox.replies import Request


class Effect(StrEnum):
    """What goes wrong."""

    STATUS = "status"  # `status` with `headers` and `body` instead of the answer
    LATENCY = "latency"  # `seconds` before the answer
    TRICKLE = "trickle"  # a byte every `seconds`; with `value: headers` from the first header on
    RESET = "reset"  # connection reset after the share `at` of the bytes (0: before the first)
    TRUNCATE = "truncate"  # the share `at` of the body, as if it were all
    HTML = "html"  # an HTML page with status `status` (200)
    EMPTY = "empty"  # 200 without a body
    NO_CONTENT = "no_content"  # 204
    GZIP_BOMB = "gzip_bomb"  # `size` bytes of white space, compressed
    FLOOD = "flood"  # `size` bytes of white space after the body, not compressed
    BODY = "body"  # `body` instead of the answer's
    PREFIX = "prefix"  # `body` before the answer's, for example a byte order mark
    SUFFIX = "suffix"  # `body` after the answer's
    HEADERS = "headers"  # `headers` on top of the answer's; an empty value takes one away
    REDIRECT = "redirect"  # 302 to `location`
    EXPIRE_TOKENS = "expire_tokens"  # every token issued so far is expired before the request is looked at
    DUPLICATE_DAYS = "duplicate_days"  # every day or user twice
    SHUFFLE_DAYS = "shuffle_days"  # days or users in another order
    DROP_DAYS = "drop_days"  # every third day, user or contract left out
    FUTURE_DAY = "future_day"  # one more day, ten years ahead
    OFFSET_DATES = "offset_dates"  # the same instants written with +02:00
    EXTRA_FIELDS = "extra_fields"  # fields nobody has heard of, everywhere
    DUPLICATE_KEYS = "duplicate_keys"  # the first area said twice, the second time as `value`
    BAD_NUMBER = "bad_number"  # the first area (or `field`) is `value`: NaN, Infinity, -5, "12", true, 1e999 …
    SCALE = "scale"  # all areas times `factor`
    CONTRADICT = "contradict"  # each day's area above its total
    UNIT = "unit"  # areaUnit is `value`
    VANISH = "vanish"  # the contract or user `value` (an id) is nowhere
    PAGE_LOOP = "page_loop"  # the next page is the first, for ever
    PAGE_FOREIGN = "page_foreign"  # the next page is on another host: `location`
    PAGE_TOTAL = "page_total"  # X-Total-Count is `value`
    PAGE_SHIFT = "page_shift"  # the page's last item is missing and its first there twice


def _read_instant(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


Instant = Annotated[datetime, BeforeValidator(_read_instant)]


class FaultRule(BaseModel):
    """Which requests, when, and what happens to them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    effect: Effect
    path: str = "*"  # glob, for example */consumption*
    method: str | None = None
    contract: str | None = None  # an id, or a contract's name in the scenario
    probability: float = Field(default=1.0, ge=0, le=1)
    nth: int | None = Field(default=None, ge=1)  # only the n-th matching request
    every: int | None = Field(default=None, ge=1)  # every n-th matching request
    times: int | None = Field(default=None, ge=1)  # at most so often
    from_: Instant | None = Field(default=None, alias="from")  # sandbox time
    until: Instant | None = None
    status: int = Field(default=500, ge=200, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""
    seconds: float = Field(default=1.0, ge=0, le=3600)
    at: float = Field(default=0.5, ge=0, le=1)
    size: int = Field(default=64 * 1024 * 1024, ge=0, le=4 * 1024**3)
    value: str = "NaN"
    field: str | None = None
    factor: float = 0.5
    location: str = "http://198.51.100.1/"  # an address kept for documentation: nobody is there

    def covers(self, request: Request, contract: tuple[str, str]) -> bool:
        """Say whether the rule is about this request; `contract` is its contract's id and name."""
        return (
            fnmatch.fnmatchcase(request.path, self.path)
            and self.method in (None, request.method)
            and (self.contract is None or self.contract in contract)
            and (self.from_ is None or self.from_ <= request.now)
            and (self.until is None or request.now < self.until)
        )


@dataclass
class _Armed:
    number: int
    rule: FaultRule
    random: np.random.Generator
    seen: int = 0
    fired: int = field(default=0)

    def fires(self) -> bool:
        """Count a matching request and say whether it goes wrong."""
        self.seen += 1
        rule = self.rule
        if rule.times is not None and self.fired >= rule.times:
            return False
        if rule.nth is not None and self.seen != rule.nth:
            return False
        if rule.every is not None and self.seen % rule.every:
            return False
        if rule.probability < 1 and self.random.random() >= rule.probability:
            return False
        self.fired += 1
        return True


class Faults:
    """The rules in force; any thread may add, clear and ask."""

    def __init__(self, rules: Iterable[FaultRule] = (), *, seed: int = 1) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        self._added = 0
        for rule in rules:
            self.add(rule)

    def add(self, rule: FaultRule) -> int:
        """Put a rule into force and return its number."""
        with self._lock:
            self._added += 1
            random = np.random.default_rng([self._seed, self._added])
            self._armed.append(_Armed(self._added, rule, random))
            return self._added

    def remove(self, number: int) -> bool:
        """Take a rule out of force; False where there is none of that number."""
        with self._lock:
            kept = [armed for armed in self._armed if armed.number != number]
            found = len(kept) < len(self._armed)
            self._armed = kept
            return found

    def clear(self) -> None:
        """Take all rules out of force."""
        with self._lock:
            self._armed = []

    def firing(self, request: Request, contract: tuple[str, str]) -> list[FaultRule]:
        """Count the request and return the rules that spoil it, in order."""
        with self._lock:
            return [armed.rule for armed in self._armed if armed.rule.covers(request, contract) and armed.fires()]

    def document(self) -> list[dict[str, Any]]:
        """Return the rules in force and how often each matched and fired, as plain data."""
        with self._lock:
            return [
                {
                    "id": armed.number,
                    "rule": armed.rule.model_dump(mode="json", by_alias=True, exclude_unset=True),
                    "matched": armed.seen,
                    "fired": armed.fired,
                }
                for armed in self._armed
            ]
