"""Evaluate what a poll stored and commit everything that follows from it in ONE transaction.

1. every complete snapshot past the contract's cursor, in order; 2. the rules that watch the clock; 3. alerts whose rule
or term is gone; 4. per recipient what is to be said, as messages in the outbox; 5. the cursor.  A crash anywhere before
the commit leaves the cursor where it was, and the next cycle does the same again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from alerter.app.compose import Composer
from alerter.app.health import health_findings
from alerter.app.load import load_history, predecessor_of, successor_of
from alerter.app.revive import revive
from alerter.app.settings import CycleSettings
from alerter.app.settled import Judged, Memory, circumstances, without_users
from alerter.core.alerts import Life, advance, close, decide, fingerprint
from alerter.core.evaluate import evaluate
from alerter.core.health import life_of
from alerter.core.model import Contract, Finding, History, subject_key
from alerter.core.routing import Silence, routed, why_suppressed
from alerter.core.rules.base import EvalContext, Rule
from alerter.core.states import Alert, Notice, NotifyReason, Status, Transition
from alerter.store import Claim, SnapshotRow, Store, StoredContract, Tx

log = logging.getLogger("alerter.cycle")

CLOCKED = frozenset({"contract_end"})  # kinds that follow from the calendar and need no fresh answer
JUDGED_FOR_ALL = frozenset({"channel_broken", "config_rejected"})  # by the first account's cycle
OVER = frozenset({Status.INACTIVE, Status.CLOSED})
RESTING = frozenset({Status.INACTIVE, Status.RESOLVED, Status.CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOutcome:
    """What one cycle did."""

    snapshots: int
    transitions: tuple[Transition, ...]
    messages: int
    firing: int


class Cycle:
    """One evaluation of one account; make a new one for every cycle."""

    def __init__(
        self, *, tx: Tx, account: str, settings: CycleSettings, composer: Composer, now: datetime, memory: Memory
    ) -> None:
        self._tx = tx
        self._account = account
        self._settings = settings
        self._composer = composer
        self._now = now
        self._memory = memory
        self.judged: dict[int, Judged] = {}  # what may be remembered once this is committed
        self._alerts: dict[str, Alert] = {}
        self._touched: set[str] = set()
        self._transitions: list[Transition] = []
        self._contracts: dict[tuple[str, str], Contract] = {}
        self._snapshots = 0
        self._read_at: dict[int, datetime] = {}  # when the newest snapshot was read, by contract
        self._cursors: dict[int, int] = {}  # the newest snapshot evaluated, by contract
        self._look = 0
        self._rules = {rule.id: rule for rule in settings.rules}

    def run(self) -> CycleOutcome:
        """Do all five steps inside the given transaction."""
        terms = self._tx.usage.contracts(self._account)
        for alert in self._tx.alerts.live():
            if alert.account == self._account:
                self._alerts[alert.fingerprint] = alert
        self._look = self._look_number()
        self._carry_over_renamed()
        for stored in terms:
            self._contracts[stored.contract.id, stored.contract.period] = stored.contract
            self._evaluate(stored, terms)
        self._tx.usage.mark_evaluated(self._cursors)
        self._judge_health(terms)
        self._close_orphans(terms)
        self._adopt_gone_accounts()
        messages = self._speak()
        self._tx.alerts.save(self._alerts[key] for key in sorted(self._touched))
        self._tx.alerts.add_transitions(self._transitions)
        messages += revive(self._tx, broken={one.recipient for one in self._tx.outbox.broken()}, now=self._now)
        firing = sum(alert.status is Status.FIRING for alert in self._alerts.values())
        return CycleOutcome(
            snapshots=self._snapshots, transitions=tuple(self._transitions), messages=messages, firing=firing
        )

    def _look_number(self) -> int:
        """Return the snapshot number of what is judged from our own clock: its second, or past all before.

        After the clock was set back the second alone would look evaluated already until it comes round again.
        """
        clocked = (one for one in self._alerts.values() if one.kind in CLOCKED or one.labels.get("kind") == "health")
        newest = max((one.snapshot_id for one in clocked), default=0)
        second = int(self._now.timestamp())
        return second if second >= newest else newest + 1

    def _carry_over_renamed(self) -> None:
        """A rule with a new id takes its alerts along, as they are: nobody is told anything for it."""
        for alert in list(self._alerts.values()):
            new_id = self._settings.renamed.get(alert.rule)
            if new_id is None or alert.rule in self._rules or alert.status is Status.CLOSED:
                continue
            key = fingerprint(
                new_id, subject_key(alert.account, alert.contract_id, alert.user_id), alert.period, alert.window
            )
            if key not in self._alerts and not self._tx.alerts.load([key]):
                labels = {**alert.labels, "rule": new_id}
                self._keep(replace(alert, fingerprint=key, rule=new_id, labels=labels))
            gone = replace(alert, status=Status.CLOSED, close_reason="rule_renamed", told={}, changed_at=self._now)
            self._keep(gone)

    # -------------------------------------------------------------- 1 and 2: findings
    @cached_property
    def _names(self) -> Mapping[str, str]:
        return {**self._tx.usage.user_names(self._account), **self._settings.aliases.get(self._account, {})}

    @cached_property
    def _named(self) -> str:
        """When names were read last."""
        return str(self._tx.journal.get(f"names/{self._account}"))

    def _evaluate(self, stored: StoredContract, terms: Sequence[StoredContract]) -> None:
        pending = self._tx.usage.snapshots(stored.key, stored.evaluated_up_to)
        newest = pending[-1] if pending else self._tx.usage.newest_snapshot(stored.key)
        if newest is None:
            return
        self._read_at[stored.key] = newest.fetched_at
        for snapshot in pending:
            history = self._judge_snapshot(stored, snapshot, terms)
            self._snapshots += 1
        if not pending:
            if self._is_over(stored):
                return
            # Nothing new was learned, but a rule may be: a snapshot evaluated before moves nothing twice.
            history = self._judge_snapshot(stored, newest, terms)
        self._judge(stored, history, terms, self._look, self._now, clocked=True)
        if pending:
            self._cursors[stored.key] = newest.id

    def _judge_snapshot(
        self, stored: StoredContract, snapshot: SnapshotRow, terms: Sequence[StoredContract]
    ) -> History:
        """Judge one snapshot by the rules that follow figures, unless the same figures moved nothing before."""
        more = self._named, successor_of(stored, terms) is not None  # and whether the term is renewed
        looked_at = [one for one in (stored, predecessor_of(stored, terms)) if one is not None]
        now = circumstances(self._tx, looked_at, snapshot, settling=self._settings.settling, more=more)
        resting = all(alert.status in RESTING for alert in self._alerts_of(stored.contract))
        known = self._memory.history(stored.key, self._settings, now, snapshot) if resting else None
        if known is not None:
            return known
        touched = len(self._touched)
        history = load_history(self._tx, stored, snapshot, terms=terms, names=self._names)
        self._judge(stored, history, terms, snapshot.id, snapshot.fetched_at, clocked=False)
        if resting and touched == len(self._touched):
            self.judged[stored.key] = Judged(self._settings, now, without_users(history))
        return history

    def _alerts_of(self, contract: Contract) -> list[Alert]:
        """Return the contract's alerts that figures may move."""
        place = (contract.id, contract.period)
        others = CLOCKED | {"health"}
        return [
            alert
            for alert in self._alerts.values()
            if (alert.contract_id, alert.period) == place and alert.labels.get("kind") not in others
        ]

    def _is_over(self, stored: StoredContract) -> bool:
        end_at = stored.contract.end_at
        return end_at is not None and self._now >= end_at + self._settings.settling.revise

    def _judge(
        self,
        stored: StoredContract,
        history: History,
        terms: Sequence[StoredContract],
        snapshot_id: int,
        now: datetime,
        *,
        clocked: bool,
    ) -> None:
        rules = [rule for rule in self._settings.rules if (rule.kind in CLOCKED) is clocked]
        context = self._context(stored, history, terms, rules, now)
        silent = {(rule, user, window) for rule, user, window in context.watched if rule in {one.id for one in rules}}
        found = evaluate(rules, history, context)
        for finding in found:
            user = finding.subject.user
            silent.discard((finding.rule, user.id if user else "", finding.window))
        self._advance_all(found, snapshot_id, now)
        self._close_silent(stored.contract, silent)

    def _close_silent(self, contract: Contract, silent: Collection[tuple[str, str, str]]) -> None:
        """Close alerts of which their rule speaks no more: its scope, window or users were edited."""
        for alert in list(self._alerts.values()):
            if (alert.contract_id, alert.period) != (contract.id, contract.period) or alert.status in OVER:
                continue
            if (alert.rule, alert.user_id, alert.window) in silent:
                closed = close(alert, reason="rule_removed", now=self._now)
                self._keep(closed.alert, closed.transitions)

    def _context(
        self,
        stored: StoredContract,
        history: History,
        terms: Sequence[StoredContract],
        rules: Iterable[Rule],
        now: datetime,
    ) -> EvalContext:
        cap = self._settings.cap_of(stored.contract)
        activated = dict(self._tx.usage.activations(stored.key))
        for rule in rules:
            if rule.id not in activated and rule.match.covers(stored.contract):
                activated[rule.id] = self._tx.usage.activate(rule.id, stored.key, history.today)
        contract = stored.contract
        watched = frozenset(
            (alert.rule, alert.user_id, alert.window)
            for alert in self._alerts.values()
            if alert.contract_id == contract.id and alert.period == contract.period and alert.status not in OVER
        )
        return EvalContext(
            now=now,
            settling=self._settings.settling,
            cap=cap.area,
            cap_source=cap.source,
            activated_on=activated,
            watched=watched,
            successor=successor_of(stored, terms) is not None,
            planned=self._settings.planned,
        )

    def _advance_all(self, findings: Iterable[Finding], snapshot_id: int, now: datetime) -> None:
        by_key = {fingerprint(one.rule, one.subject.key, one.period, one.window): one for one in findings}
        at_rest = self._tx.alerts.load([key for key in by_key if key not in self._alerts])
        for key, finding in by_key.items():
            self._advance(finding, self._alerts.get(key) or at_rest.get(key), snapshot_id, now)

    def _advance(self, finding: Finding, before: Alert | None, snapshot_id: int, now: datetime) -> None:
        moved = advance(before, finding, life=self._life(finding.rule), snapshot_id=snapshot_id, now=now)
        if before is None and moved.alert.status is Status.INACTIVE:
            return  # nothing was ever wrong here: no row
        if before is not None and before.status in RESTING and not moved.transitions:
            return  # nothing is wrong still: a quiet poll writes nothing about it
        self._keep(moved.alert, moved.transitions)

    def _life(self, rule_id: str) -> Life:
        rule = self._rules.get(rule_id)
        if rule is None:
            return life_of(rule_id)
        return Life(confirm=rule.confirm, resolve_confirm=rule.resolve_confirm, gap=rule.gap, revision=rule.revision)

    def _keep(self, alert: Alert, transitions: Iterable[Transition] = ()) -> None:
        self._alerts[alert.fingerprint] = alert
        self._touched.add(alert.fingerprint)
        self._transitions.extend(transitions)

    def _judge_health(self, terms: Sequence[StoredContract]) -> None:
        """Say how reading and speaking go; it is judged from our own clock, so the second is its snapshot."""
        settings = self._settings
        recipients = {one for ids in settings.recipients.values() for one in ids}
        found = health_findings(
            self._tx,
            self._account,
            terms,
            read_at=self._read_at,
            every=settings.every,
            speaks_for_all=self._account == settings.first_account,
            recipients=recipients,
            now=self._now,
        )
        self._advance_all(found, self._look, self._now)

    # -------------------------------------------------------------- 3: what has lost its ground
    def _close_orphans(self, terms: Sequence[StoredContract]) -> None:
        by_period = {(one.contract.id, one.contract.period): one.contract for one in terms}
        for alert in list(self._alerts.values()):
            reason = self._why_close(alert, by_period) or self._why_mute(alert)
            if reason:
                closed = close(alert, reason=reason, now=self._now)
                self._keep(closed.alert, closed.transitions)

    def _why_close(self, alert: Alert, contracts: Mapping[tuple[str, str], Contract]) -> str:
        if alert.status is Status.CLOSED or not alert.contract_id:
            return ""
        contract = contracts.get((alert.contract_id, alert.period))
        rule = self._rules.get(alert.rule)
        is_health = alert.labels.get("kind") == "health"
        if contract is None or (not is_health and (rule is None or not rule.match.covers(contract))):
            return "rule_removed"
        return (
            "period_ended" if contract.end_at and self._now >= contract.end_at + self._settings.settling.revise else ""
        )

    def _why_mute(self, alert: Alert) -> str:
        """Name why an alert that hangs on no contract is nobody's any more: its recipient is gone, or its judge."""
        if alert.kind not in JUDGED_FOR_ALL or alert.status is Status.CLOSED:
            return ""
        recipients = {one for ids in self._settings.recipients.values() for one in ids}
        gone = alert.kind == "channel_broken" and alert.window not in recipients
        return "subject_gone" if gone or self._account != self._settings.first_account else ""

    def _adopt_gone_accounts(self) -> None:
        """End the alerts of accounts that the config does not have any more; nobody else will."""
        if self._account != self._settings.first_account:
            return
        gone = [one for one in self._tx.alerts.live() if one.account not in {self._account, *self._settings.aliases}]
        for account in {one.account for one in gone}:
            for stored in self._tx.usage.contracts(account):
                self._contracts.setdefault((stored.contract.id, stored.contract.period), stored.contract)
        for alert in gone:
            closed = close(alert, reason="subject_gone", now=self._now)
            self._keep(closed.alert, closed.transitions)

    # -------------------------------------------------------------- 4: messages
    def _speak(self) -> int:
        silences = self._tx.silences.active(self._now)
        notices: list[tuple[Alert, Notice]] = []
        for key in sorted(self._alerts):
            notices.extend(self._decide(self._alerts[key], silences))
        drafts = self._composer.drafts(notices, self._contracts, now=self._now, storm_max=self._settings.storm_max)
        added = 0
        for draft in drafts:
            if self._tx.outbox.enqueue(draft):
                added += 1
            else:  # a key is made of what is said and to whom: this has been said before
                log.error("action=message_known", extra={"fields": {"key": draft.key}})
        return added

    def _decide(self, alert: Alert, silences: Sequence[Silence]) -> list[tuple[Alert, Notice]]:
        labels = alert_labels(alert)
        channels = routed(self._settings.routes, labels)
        to = [recipient for channel in channels for recipient in self._settings.recipients.get(channel, ())]
        why = why_suppressed(labels, alert.level, silences, self._now)
        if alert.kind == "channel_broken":
            to = [recipient for recipient in to if recipient != alert.window]  # it would not get there
        decision = decide(alert, routed=to, suppressed=lambda _recipient: why, now=self._now)
        if decision.alert != alert:
            self._keep(decision.alert)
        for recipient, reason in decision.reasons.items():
            if not reason.startswith(NotifyReason.NOTHING.value):
                fields = {"alert": alert.fingerprint, "rule": alert.rule, "recipient": recipient, "reason": reason}
                log.info("action=notify_decided", extra={"fields": fields})
        # Whoever was told may be gone from the config: what nobody will ever send is not put into the outbox.
        here = {recipient for ids in self._settings.recipients.values() for recipient in ids}
        return [(decision.alert, notice) for notice in decision.notices if notice.recipient in here]


def alert_labels(alert: Alert) -> dict[str, str]:
    """Return an alert's labels with the severity of the tier it has reached."""
    labels = dict(alert.labels)
    if alert.severity is not None:
        labels["severity"] = alert.severity.value
    return labels


def run_cycle(
    store: Store,
    claim: Claim,
    *,
    settings: CycleSettings,
    composer: Composer,
    now: datetime,
    next_poll_at: datetime,
    memory: Memory | None = None,
) -> CycleOutcome:
    """Run one cycle of the claimed account in one transaction; raise StaleClaim if the claim was lost.

    The same transaction gives the account back, due again at `next_poll_at`.

    `memory` is what earlier cycles of this process judged; without one everything is judged.
    """
    memory = memory or Memory()
    with store.write() as tx:
        tx.accounts.check(claim, now)
        cycle = Cycle(tx=tx, account=claim.account, settings=settings, composer=composer, now=now, memory=memory)
        outcome = cycle.run()
        tx.accounts.release(claim, now, next_poll_at)
    memory.keep(cycle.judged)
    for transition in outcome.transitions:
        fields = {
            "alert": transition.fingerprint,
            "from": transition.from_status.value,
            "to": transition.to_status.value,
            "level": transition.to_level,
            "reason": transition.reason,
        }
        log.info("action=alert_moved", extra={"fields": fields})
    return outcome
