"""Findings about the daemon's own sight and voice: judged from our own clock and records, so never UNKNOWN.

Health needs no rule in the config.  Its alerts live and route like any other, with the label `kind=health`;
`alert.kind` names what is wrong.  Levels: `stale_data` counts hours, the others are on (1) or off (0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from alerter.core.alerts import Life
from alerter.core.model import Contract, Finding, Proof, Severity, Subject, SummaryMeaning, Tier

KINDS = frozenset(
    {
        "login_failed",
        "stale_data",
        "contract_missing",
        "meaning_unproven",
        "contradiction",
        "users_shrunk",
        "unit_changed",
        "bad_data",
        "channel_broken",
        "config_rejected",
    }
)
CONFIRMED_TWICE = frozenset({"login_failed", "contradiction", "bad_data"})  # once may be a hiccup, twice is not
DATA_FOR = timedelta(days=30)  # what is wrong about an older day is kept, and not alerted on any more
UNIT_SAID_FOR = timedelta(days=1)
BLIND_FOR_CRITICAL = timedelta(hours=24)
LISTS_MISSING = 3  # complete lists without a contract before it counts as missing
UNPROVEN_FOR = timedelta(days=2)  # a new contract may take a day of use until its figures can be understood
_MEANING = {
    SummaryMeaning.CUMULATIVE: "the users' figures are understood: totals since the term's start",
    SummaryMeaning.DAILY: "the users' figures are understood: each day's own",
    SummaryMeaning.UNPROVEN: "what the users' figures mean is not proved yet, so nothing billed is known",
    SummaryMeaning.CONTRADICTED: "the data contradict what the users' figures meant, so nothing billed is known",
}
_ON = 1.0
PAST_THE_LOGIN = frozenset({"forbidden", "not_found", "rejected"})  # failures of a server that knew who asked
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """How reading one account goes; `blind_since` is the last time anything of it was read, None if never."""

    account: str
    reason: str  # of the last failure: `unauthorized`, `unavailable`, …; "" when the last poll was good
    message: str
    failing_since: datetime | None
    read_at: datetime | None
    next_poll_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractHealth:
    """How reading one contract goes; `newest_on` is the newest day that a summary was read for."""

    contract: Contract
    first_seen_at: datetime
    read_at: datetime | None
    newest_on: date | None
    missing_lists: int
    successor: bool
    meaning: SummaryMeaning
    used: bool  # whether any use was ever said


@dataclass(frozen=True, slots=True, kw_only=True)
class DataHealth:
    """What was noticed about one contract's data and lasts, or about an account's list (`contract` None), in words."""

    account: str
    contract: Contract | None
    contradictions: tuple[str, ...] = ()
    shrunk: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    units: Mapping[date, str] = field(default_factory=dict)  # by the day on which the unit changed


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceHealth:
    """A recipient whose last message could not be delivered for good."""

    recipient: str
    error: str
    since: datetime


def life_of(kind: str) -> Life:
    """Return how alerts of a health kind move."""
    return Life(confirm=2 if kind in CONFIRMED_TWICE else 1, resolve_confirm=1, gap=0.0, revision="1")


def source_findings(source: SourceHealth, limit: timedelta, now: datetime) -> Iterator[Finding]:
    """Judge one account: is the login refused, and for how long has nothing been read (from `limit` on)."""
    subject = Subject(account=source.account)
    refused = source.reason == "unauthorized"
    # A server that is out of order neither takes the login nor refuses it.
    answered = source.failing_since is None or source.reason in PAST_THE_LOGIN
    yield _switch("login_failed", subject, refused if refused or answered else None, Severity.CRITICAL, {
        "message": source.message or "the login works",
        "failing_since": _iso(source.failing_since),
        "next_poll_at": source.next_poll_at.isoformat(),
    })  # fmt: skip
    since = source.read_at or source.failing_since
    blind_for = max(now - since, timedelta(0)) if source.failing_since and since else timedelta(0)
    # While the login is refused that is told, and this neither begins nor ends.
    yield _blind(subject, None if refused else blind_for, limit, {
        "message": f"nothing was read for {_words(blind_for)}: {source.message}" if blind_for else "read again",
        "last_read_at": _iso(source.read_at),
        "next_poll_at": source.next_poll_at.isoformat(),
        "meanwhile": "figures stay as last read; the end of terms is still watched",
    })  # fmt: skip


def contract_findings(health: ContractHealth, *, source_ok: bool, limit: timedelta, now: datetime) -> Iterator[Finding]:
    """Judge one running term; while its account cannot be read at all, that alone is said."""
    contract = health.contract
    subject = Subject(account=contract.account, contract=contract)
    yield _blind(subject, _lag(health, now) if source_ok else None, limit, {
        "message": f"{contract.label}: the newest day read is {health.newest_on or 'none'}",
        "last_read_at": _iso(health.read_at),
        "newest_day": health.newest_on.isoformat() if health.newest_on else None,
    })  # fmt: skip
    runs = contract.end_at is None or now < contract.end_at
    missing = health.missing_lists >= LISTS_MISSING and runs and not health.successor
    yield _switch("contract_missing", subject, missing, Severity.WARNING, {
        "message": f"{contract.label} is not in the contract list any more" if missing else "it is listed",
        "lists_without_it": health.missing_lists,
    })  # fmt: skip
    yield _switch("meaning_unproven", subject, _is_unproven(health, now), Severity.WARNING, {
        "message": _MEANING[health.meaning],
        "to_do": "compare one user's figures with the invoice and set summary_means for this contract in the config",
    })  # fmt: skip


def _is_unproven(health: ContractHealth, now: datetime) -> bool:
    if health.meaning is not SummaryMeaning.UNPROVEN:
        return not health.meaning.known
    since = max(health.first_seen_at, health.contract.start_at)
    return health.used and now - since > UNPROVEN_FOR


def data_findings(health: DataHealth, now: datetime) -> Iterator[Finding]:
    """Judge what was noticed about the data; one alert per kind, whatever the number of days concerned."""
    subject = Subject(account=health.account, contract=health.contract)
    who = health.contract.label if health.contract else f"account {health.account}"
    yield _data_switch("bad_data", subject, health.refused, {
        "message": f"{who}: {_first(health.refused)}" if health.refused else f"{who}: answers can be used again",
        "meanwhile": "what could not be used was not stored; the last good figures stay",
        "to_do": "if it stays, report it to Leaf with the sample that is kept",
    })  # fmt: skip
    if health.contract is None:
        return
    yield _data_switch("contradiction", subject, health.contradictions, {
        "message": f"{who}: {_first(health.contradictions)}" if health.contradictions else f"{who}: figures agree",
        "meanwhile": "figures are kept and used as Leaf gave them",
        "to_do": "ask Leaf which of the two figures is right",
    })  # fmt: skip
    yield _data_switch("users_shrunk", subject, health.shrunk, {
        "message": f"{who}: {_first(health.shrunk)}" if health.shrunk else f"{who}: no users are missing",
        "meanwhile": "totals count as lower bounds: nothing is resolved because users are missing",
        "to_do": "check whether Leaf users were removed on purpose",
    })  # fmt: skip
    for day, words in sorted(health.units.items()):
        changed_at = datetime.combine(day, datetime.min.time(), now.tzinfo)
        is_old = now - changed_at >= UNIT_SAID_FOR + timedelta(days=1)
        figures = {"message": f"{who}: {words}"}
        finding = _switch("unit_changed", subject, True, Severity.INFO, figures, window=day.isoformat())
        yield replace(finding, final=is_old)  # said once, and over without another word


def _data_switch(kind: str, subject: Subject, found: tuple[str, ...], figures: dict[str, Any]) -> Finding:
    return _switch(kind, subject, bool(found), Severity.WARNING, figures | {"count": len(found)})


def _first(found: tuple[str, ...]) -> str:
    return found[-1] if len(found) == 1 else f"{found[-1]}, and {len(found) - 1} more"


def voice_finding(account: str, recipient: str, broken: VoiceHealth | None) -> Finding:
    """Judge one recipient: its window is its own id, for every recipient has an alert of its own."""
    return _switch("channel_broken", Subject(account=account), broken is not None, Severity.CRITICAL, {
        "message": f"messages to {recipient} cannot be delivered: {broken.error}" if broken else f"{recipient} works",
        "since": _iso(broken.since) if broken else None,
        "to_do": f"mend the channel, then: alerter send-test {recipient.split('/', 1)[0]}",
    }, window=recipient)  # fmt: skip


def config_finding(account: str, rejected: list[str]) -> Finding:
    """Judge the last reload: a rejected file leaves the old config in force, and somebody believes otherwise."""
    return _switch("config_rejected", Subject(account=account), bool(rejected), Severity.WARNING, {
        "message": f"the changed config was refused, the old one stays in force: {rejected[0]}" if rejected else "",
        "problems": len(rejected),
        "to_do": "alerter check, then reload",
    })  # fmt: skip


# ------------------------------------------------------------------ forming findings
def _switch(
    kind: str,
    subject: Subject,
    on: bool | None,
    severity: Severity,
    figures: dict[str, Any],
    *,
    window: str = "-",
) -> Finding:
    tiers = (Tier(at=_ON, severity=severity),)
    return _finding(kind, subject, None if on is None else float(on), tiers, figures, window=window)


def _blind(subject: Subject, blind_for: timedelta | None, limit: timedelta, figures: dict[str, Any]) -> Finding:
    tiers = [Tier(at=limit / _HOUR, severity=Severity.WARNING, label=_words(limit))]
    if limit < BLIND_FOR_CRITICAL:
        label = _words(BLIND_FOR_CRITICAL)
        tiers.append(Tier(at=BLIND_FOR_CRITICAL / _HOUR, severity=Severity.CRITICAL, label=label))
    return _finding("stale_data", subject, None if blind_for is None else blind_for / _HOUR, tuple(tiers), figures)


def _finding(
    kind: str,
    subject: Subject,
    value: float | None,
    tiers: tuple[Tier, ...],
    figures: dict[str, Any],
    *,
    window: str = "-",
) -> Finding:
    contract = subject.contract
    labels = {
        "rule": kind,
        "kind": "health",
        "account": subject.account,
        "product": contract.product if contract else "",
        "region": (contract.region or "") if contract else "",
        "contract": contract.id if contract else "",
        "user": "",
    }
    return Finding(
        rule=kind,
        kind=kind,
        subject=subject,
        period=contract.period if contract else "-",
        window=window,
        value=value,
        proof=Proof.UNKNOWN if value is None else Proof.FRESH,
        tiers=tiers,
        labels=labels,
        figures=figures,
    )


def _lag(health: ContractHealth, now: datetime) -> timedelta:
    """How long this contract has brought nothing: no poll, or polls whose newest day stays behind.

    A newest day of yesterday is no lag: today's first figures may come late.
    """
    read_for = now - (health.read_at or health.first_seen_at)
    if health.newest_on is None or health.read_at is None:
        return read_for
    midnight = datetime.combine(health.newest_on, datetime.min.time(), now.tzinfo)
    behind = health.read_at - (midnight + timedelta(days=2))
    return max(read_for, behind)


def _words(span: timedelta) -> str:
    hours = span / _HOUR
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
