"""Who hears of an alert, and what keeps quiet about it: matchers, routes and silences over labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerter.core.area import reaches

_MATCHER = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*(=~|!~|!=|=)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label: `=`, `!=`, `=~` or `!~`; patterns must fit the whole value, an absent label is ""."""

    label: str
    op: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Matcher:
        """Read `severity=critical` or `user=~"8f3c.*"`; raise ValueError with a sentence otherwise."""
        found = _MATCHER.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a matcher; write label=value with one of = != =~ !~")
        label, op, value = found[1], found[2], found[3].strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        if op in ("=~", "!~"):
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{value!r} is not a regular expression: {error}") from error
        return cls(label, op, value)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether the labels meet this condition."""
        there = labels.get(self.label, "")
        fits = there == self.value if self.op in ("=", "!=") else re.fullmatch(self.value, there) is not None
        return fits is not self.op.startswith("!")

    def __str__(self) -> str:
        return f"{self.label}{self.op}{self.value}"


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Say whether the labels meet every condition; no condition at all is met by everything."""
    return all(matcher.matches(labels) for matcher in matchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Channels for the alerts that meet all matchers; `go_on` looks at the next routes as well."""

    matchers: tuple[Matcher, ...] = ()
    to: tuple[str, ...]
    go_on: bool = False


def routed(routes: Sequence[Route], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the channels of the first route that fits, and of those after it while they say so; each once."""
    channels: dict[str, None] = {}
    for route in routes:
        if all_match(route.matchers, labels):
            channels.update(dict.fromkeys(route.to))
            if not route.go_on:
                break
    return tuple(channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Quiet for what meets all matchers, from `starts_at` until before `ends_at`, up to the level `up_to` if given."""

    id: int
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str
    up_to: float | None = None

    def mutes(self, labels: Mapping[str, str], level: float, now: datetime) -> bool:
        """Say whether an alert at `level` is to be kept quiet at `now`; a silence without matchers mutes nothing."""
        if not self.matchers or not self.starts_at <= now < self.ends_at:
            return False
        covered = self.up_to is None or reaches(self.up_to, level)
        return covered and all_match(self.matchers, labels)


def why_suppressed(labels: Mapping[str, str], level: float, silences: Iterable[Silence], now: datetime) -> str:
    """Name the silence with the lowest id that mutes the alert, "" for none."""
    muting = [silence.id for silence in silences if silence.mutes(labels, level, now)]
    return f"silence {min(muting)}" if muting else ""
