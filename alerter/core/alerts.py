"""The life of an alert: what one finding moves, and what is then said to whom.  Pure; every move is in this file.

`advance` applies one finding, `close` ends an alert, `decide` makes the notices, once per alert and cycle.
W (`Alert.entries`) holds the last usable snapshots.  A is the least `lo` of the last `confirm` of them, B the
greatest `hi` of the last `resolve_confirm` where all of those are fresh (else infinite), and

    level' = min(max(level, A), B)

so a level rises when proved, falls when proved and otherwise stays.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alerter.core.area import RELATIVE_TOLERANCE, Unit, factor, reaches
from alerter.core.model import Figures, Finding, Proof, Tier
from alerter.core.states import Alert, Entry, Notice, NotifyReason, Status, Told, Transition

DAY_FINAL = "day_final"
# These closings end an episode, not the alert: a finding that arrives all the same says that rule or subject is back.
REVERSIBLE = frozenset({"rule_removed", "subject_gone", "planned", "exhausted"})
# Usage of these kinds only grows, so a fall means that the data was revised down; AUDIT_ products may fall by nature.
CUMULATIVE_KINDS = frozenset({"daily_spike", "contract_cap", "user_cap"})
# These kinds' levels are ranks within the list of tiers, so an edit of the list moves them.
RANKED_KINDS = frozenset({"contract_end"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How a rule lets its alerts move: both confirms count snapshots, `gap` is on the level scale."""

    confirm: int = 1
    resolve_confirm: int = 2
    gap: float = 2.0
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """An alert after one finding, with the changes to record (none: nothing happened)."""

    alert: Alert
    transitions: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to tell whom about one alert, the alert with that noted, and the reason for every recipient asked about."""

    alert: Alert
    notices: tuple[Notice, ...]
    reasons: Mapping[str, str]  # by recipient: a NotifyReason value, with detail after a colon


# ------------------------------------------------------------------ identity and levels
def fingerprint(rule: str, subject_key: str, period: str, window: str) -> str:
    """Return the alert's identity, 32 hex digits, made of exactly these four parts."""
    parts = "".join(f"{len(part)}:{part}" for part in (rule, subject_key, period, window))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def lo(value: float, tiers: Sequence[Tier]) -> float:
    """Return the highest tier that `value` reaches, 0 for none."""
    return max((tier.at for tier in tiers if reaches(value, tier.at)), default=0.0)


def hi(value: float, tiers: Sequence[Tier], gap: float) -> float:
    """Return the highest tier that `value` has not fallen clear of by `gap`, 0 for none."""
    return max((tier.at for tier in tiers if reaches(value, tier.at - gap)), default=0.0)


def tier_at(level: float, tiers: Sequence[Tier]) -> Tier | None:
    """Return the highest tier at or below `level`, None below the lowest."""
    return max((tier for tier in tiers if reaches(level, tier.at)), key=lambda tier: tier.at, default=None)


# ------------------------------------------------------------------ one finding
def advance(alert: Alert | None, finding: Finding, *, life: Life, snapshot_id: int, now: datetime) -> Advance:
    """Apply one finding to its alert (None: not stored yet); the same evaluation again, or an older one, is a no-op."""
    stored = alert if alert is not None else _unborn(finding, now)
    if finding.muted and not finding.final:
        spoken = stored.status in (Status.PENDING, Status.FIRING)
        return close(stored, reason=finding.muted, now=now) if spoken else Advance(alert=stored)
    if _seen(stored, life, snapshot_id) or (stored.status is Status.CLOSED and stored.close_reason not in REVERSIBLE):
        return Advance(alert=stored)
    if stored.kind != finding.kind and stored.status is not Status.CLOSED:
        return close(stored, reason="rule_removed", now=now)  # the id names another kind now, with levels of its own
    if finding.final:
        return close(stored, reason=DAY_FINAL, now=now) if alert is not None else Advance(alert=stored)
    edited = _edited(stored, finding, life)
    before = _rebased(stored, finding) if edited else stored
    if finding.value is None or math.isnan(finding.value) or finding.proof is Proof.UNKNOWN:
        held = before.status in (Status.PENDING, Status.FIRING)
        return Advance(alert=replace(before, held=held, snapshot_id=snapshot_id, revision=life.revision))
    after = _moved(before, finding, finding.value, life=life, snapshot_id=snapshot_id, now=now)
    # An edit explains a rise at once, and a fall until the level has been proved under the new rule.
    open_question = after.rule_changed and lo(finding.value, finding.tiers) < after.level
    after = replace(after, rule_changed=after.level > 0 and (edited or open_question))
    return Advance(alert=after, transitions=_changes(stored, after, finding.value, edited, now))


def close(alert: Alert, *, reason: str, now: datetime) -> Advance:
    """End an alert: `rule_removed`, `subject_gone`, `planned`, `period_ended` or `day_final`; a closed one stays."""
    if alert.status is Status.CLOSED:
        return Advance(alert=alert)
    after = replace(
        alert, status=Status.CLOSED, level=0.0, entries=(), held=False, recovering=False, rule_changed=False,
        acked_level=None, close_reason=reason, changed_at=now,
    )  # fmt: skip
    return Advance(alert=after, transitions=(_transition(alert, after, reason, None, now),))


def _unborn(finding: Finding, now: datetime) -> Alert:
    subject = finding.subject
    return Alert(
        fingerprint=fingerprint(finding.rule, subject.key, finding.period, finding.window),
        rule=finding.rule,
        kind=finding.kind,
        account=subject.account,
        contract_id=subject.contract.id if subject.contract else "",
        user_id=subject.user.id if subject.user else "",
        period=finding.period,
        window=finding.window,
        status=Status.INACTIVE,
        changed_at=now,
        tiers=finding.tiers,
        labels=finding.labels,
        figures=finding.figures,
    )


def _seen(alert: Alert, life: Life, snapshot_id: int) -> bool:
    same = snapshot_id == alert.snapshot_id and life.revision == alert.revision
    return same or snapshot_id < alert.snapshot_id


def _edited(alert: Alert, finding: Finding, life: Life) -> bool:
    """Say whether rule or cap are not those of the last evaluation."""
    moved = alert.revision != life.revision or _cap_moved(alert.figures, finding.figures)
    return bool(alert.revision) and alert.status is not Status.CLOSED and moved


def _rebased(alert: Alert, finding: Finding) -> Alert:
    """Carry an alert over an edit of its rule or cap: what W proved of a fall was proved against the old one."""
    if alert.kind in RANKED_KINDS:
        alert = _reranked(alert, finding.tiers)
    return replace(alert, entries=tuple(replace(entry, fresh=False) for entry in alert.entries), rule_changed=True)


def _cap_moved(old: Figures, new: Figures) -> bool:
    """Say whether both figures name a cap and they differ by more than a change of unit."""
    was, now_is = old.get("cap"), new.get("cap")
    if not isinstance(was, int | float) or not isinstance(now_is, int | float):
        return False
    units = {unit.symbol: unit for unit in Unit}
    was *= factor(units.get(old.get("unit", ""), Unit.ACRE), units.get(new.get("unit", ""), Unit.ACRE))
    return abs(was - now_is) > RELATIVE_TOLERANCE * max(abs(was), abs(now_is))


def _reranked(alert: Alert, tiers: Sequence[Tier]) -> Alert:
    """Express ranks of the old tier list in the new one by label, so that no tier is told twice or never."""
    ranks = {tier.label: tier.at for tier in tiers}

    def rank(old: float) -> float:
        # Nothing in common: half a rank is told already, but less than any tier.
        kept = [ranks[tier.label] for tier in alert.tiers if tier.at <= old and tier.label in ranks]
        return max(kept, default=0.5) if old > 0 else 0.0

    return replace(
        alert,
        level=rank(alert.level),
        acked_level=None if alert.acked_level is None else rank(alert.acked_level),
        entries=tuple(replace(entry, value=rank(entry.value)) for entry in alert.entries),
        told={who: replace(told, level=rank(told.level)) for who, told in alert.told.items()},
    )


def _moved(
    alert: Alert, finding: Finding, value: float, *, life: Life, snapshot_id: int, now: datetime
) -> Alert:  # fmt: skip
    tiers = finding.tiers
    # A snapshot that was evaluated before is no new evidence: under a new revision it may raise, not lower.
    entry = Entry(
        snapshot_id=snapshot_id,
        value=value,
        fresh=finding.proof is Proof.FRESH and snapshot_id > alert.snapshot_id,
    )
    older = tuple(old for old in alert.entries if old.snapshot_id != snapshot_id)
    entries = (*older, entry)[-max(life.confirm, life.resolve_confirm, 1) :]
    level = min(max(alert.level, _proved(entries, tiers, life)), _allowed(entries, tiers, life))
    newest = lo(value, tiers)
    status = _status(alert, level, newest)
    rises = alert.level == 0 < level
    falls = level == 0 < alert.level
    tier = tier_at(level, tiers)
    severity = tier.severity if tier else alert.severity
    return replace(
        alert,
        kind=finding.kind,
        status=status,
        level=level,
        episode=alert.episode + rises,
        entries=entries,
        held=status is Status.FIRING and finding.proof is not Proof.FRESH and newest < level,
        recovering=status is Status.FIRING and finding.proof is Proof.FRESH and hi(value, tiers, life.gap) < level,
        started_at=now if rises else alert.started_at,
        changed_at=now if (status, level) != (alert.status, alert.level) else alert.changed_at,
        snapshot_id=snapshot_id,
        revision=life.revision,
        acked_level=alert.acked_level if 0 < level <= (alert.acked_level or 0) else None,
        close_reason=_why_resolved(alert, finding) if falls else "" if rises else alert.close_reason,
        severity=severity,
        tiers=tiers,
        labels={**finding.labels, "severity": severity.value} if severity else finding.labels,
        figures=finding.figures,
    )


def _proved(entries: Sequence[Entry], tiers: Sequence[Tier], life: Life) -> float:
    """A: what the last `confirm` snapshots agree on."""
    last = entries[-max(life.confirm, 1) :]
    return min(lo(entry.value, tiers) for entry in last) if len(last) >= life.confirm else 0.0


def _allowed(entries: Sequence[Entry], tiers: Sequence[Tier], life: Life) -> float:
    """B: the tail ends at the newest entry and a stale one's `hi` is infinite, so all of the last must be fresh."""
    last = entries[-max(life.resolve_confirm, 1) :]
    if len(last) < life.resolve_confirm or not all(entry.fresh for entry in last):
        return math.inf
    return max(hi(entry.value, tiers, life.gap) for entry in last)


def _status(alert: Alert, level: float, newest: float) -> Status:
    if level > 0:
        return Status.FIRING
    if alert.level > 0:
        return Status.RESOLVED
    if newest > 0:
        return Status.PENDING
    return Status.INACTIVE if alert.status is Status.PENDING else alert.status


def _why_resolved(alert: Alert, finding: Finding) -> str:
    if alert.rule_changed:
        return "rule_changed"
    if finding.kind == "contract_end":
        return "renewed"  # a successor, or a later end date
    may_fall = str(finding.labels.get("product", "")).startswith("AUDIT_")
    return "corrected" if finding.kind in CUMULATIVE_KINDS and not may_fall else "recovered"


def _changes(before: Alert, after: Alert, value: float, edited: bool, now: datetime) -> tuple[Transition, ...]:
    """Record a change of status or level, if there is one."""
    if (before.status, before.level) == (after.status, after.level):
        return ()
    return (_transition(before, after, "rule_changed" if edited else _why_moved(before, after), value, now),)


def _why_moved(before: Alert, after: Alert) -> str:
    if after.level == before.level == 0:
        return {Status.PENDING: "pending", Status.INACTIVE: "cleared"}.get(after.status, after.status.value)
    if after.level == 0:
        return after.close_reason
    if after.level < before.level:
        return "rule_changed" if before.rule_changed else "lowered"
    return "escalated" if before.level > 0 else "reached"


def _transition(before: Alert, after: Alert, reason: str, value: float | None, now: datetime) -> Transition:
    return Transition(
        fingerprint=after.fingerprint,
        episode=after.episode,
        snapshot_id=after.snapshot_id,
        at=now,
        from_status=before.status,
        to_status=after.status,
        from_level=before.level,
        to_level=after.level,
        reason=reason,
        value=value,
    )


# ------------------------------------------------------------------ what is said
def decide(alert: Alert, *, routed: Collection[str], suppressed: Callable[[str], str], now: datetime) -> Decision:
    """Say at most one thing to each recipient that is routed for the level or was told, and why nothing to the others.

    `routed` holds recipient ids; `suppressed` gives the name of what mutes a recipient, or "".
    """
    told = dict(alert.told)
    notices: list[Notice] = []
    reasons: dict[str, str] = {}
    for recipient in sorted({*routed, *alert.told}):
        if alert.level > 0:
            notice, reason = _speak(alert, recipient, recipient in routed, suppressed, now)
        else:
            notice, reason = _end(alert, recipient)
            told.pop(recipient, None)
        reasons[recipient] = reason
        if notice is not None:
            notices.append(notice)
        if notice is not None and alert.level > 0:
            told[recipient] = Told(level=alert.level, at=now, repeat=notice.repeat)
    after = alert if told == dict(alert.told) else replace(alert, told=told)
    return Decision(alert=after, notices=tuple(notices), reasons=reasons)


def _end(alert: Alert, recipient: str) -> tuple[Notice | None, str]:
    """End it for those who were told of it, also under a silence; a day that became final ends without a word."""
    told = alert.told.get(recipient)
    if told is None:
        return None, _nothing("never told")
    if alert.close_reason == DAY_FINAL and alert.status is Status.CLOSED:
        return None, _nothing(DAY_FINAL)
    reason = NotifyReason.CLOSED if alert.status is Status.CLOSED else NotifyReason.RESOLVED
    notice = Notice(
        fingerprint=alert.fingerprint, episode=alert.episode, recipient=recipient, reason=reason, level=told.level,
        detail=alert.close_reason,
    )  # fmt: skip
    return notice, f"{reason.value}: {alert.close_reason}"


def _speak(
    alert: Alert, recipient: str, routed: bool, suppressed: Callable[[str], str], now: datetime
) -> tuple[Notice | None, str]:
    told = alert.told.get(recipient)
    why_not = _why_nothing(alert, told, routed, now)
    if why_not:
        return None, _nothing(why_not)
    mute = suppressed(recipient)
    if mute:
        return None, f"{NotifyReason.SUPPRESSED.value}: {mute}"
    known = told.level if told else 0.0
    if alert.level > known:
        reason, repeat = NotifyReason.ESCALATED if told else NotifyReason.FIRING, 0
    else:
        reason, repeat = NotifyReason.REMINDER, told.repeat + 1 if told else 1
    passed = tuple(tier for tier in alert.tiers if known < tier.at <= alert.level)
    notice = Notice(
        fingerprint=alert.fingerprint, episode=alert.episode, recipient=recipient, reason=reason, level=alert.level,
        passed=passed, repeat=repeat, detail="rule_changed" if alert.rule_changed else "",
    )  # fmt: skip
    return notice, reason.value


def _why_nothing(alert: Alert, told: Told | None, routed: bool, now: datetime) -> str:
    """Name why a firing alert needs no word to a recipient now, or "" when it does."""
    if not routed:
        return "not routed"
    if told is None or alert.level > told.level:
        return ""
    if alert.level < told.level:
        return "told of a higher tier"
    if alert.acked_level is not None and alert.acked_level >= alert.level:
        return "acknowledged"
    tier = tier_at(alert.level, alert.tiers)
    if tier is None or tier.remind is None:
        return "told already"
    # Told later than a whole interval from now: that was said under a clock that has been put right since.
    return "" if abs(now - told.at) >= tier.remind else "reminder not due"


def _nothing(why: str) -> str:
    return f"{NotifyReason.NOTHING.value}: {why}"
