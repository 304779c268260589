"""Single moves of an alert, written out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from alerter.core.alerts import Advance, Life, advance, close, decide, hi, lo, tier_at
from alerter.core.model import Contract, Finding, LeafUser, Proof, Severity, Subject, Tier
from alerter.core.states import Alert, NotifyReason, Status, Told

NOW = datetime(2026, 5, 14, 6, tzinfo=UTC)
DAY = timedelta(days=1)
TIERS = (
    Tier(at=50, severity=Severity.INFO, label="50 %"),
    Tier(at=80, severity=Severity.WARNING, label="80 %", remind=7 * DAY),
    Tier(at=100, severity=Severity.CRITICAL, label="100 %", remind=DAY),
)
LIFE = Life(confirm=1, resolve_confirm=2, gap=2, revision="r1")
CONTRACT = Contract(account="prod", id="c1", product="OPERATIONS_FILE", region="US", start_at=NOW, end_at=None)


def says(value: float | None, proof: Proof = Proof.FRESH, **changes: object) -> Finding:
    finding = Finding(
        rule="cap", kind="contract_cap", subject=Subject(account="prod", contract=CONTRACT), period=CONTRACT.period,
        value=value, proof=proof, tiers=TIERS, labels={"product": "OPERATIONS_FILE"},
        figures={"cap": 100.0, "unit": "ac"},
    )  # fmt: skip
    return replace(finding, **changes)


def after(*values: float, life: Life = LIFE, start: Alert | None = None, first: int = 1, **changes: object) -> Advance:
    moved = Advance(alert=start) if start else None
    for number, value in enumerate(values, first):
        moved = advance(
            moved and moved.alert, says(value, **changes), life=life, snapshot_id=number, now=NOW + number * DAY
        )
    assert moved is not None
    return moved


def tell(alert: Alert, *to: str, mute: str = "", now: datetime = NOW):
    return decide(alert, routed=to, suppressed=lambda _: mute, now=now)


# ------------------------------------------------------------------ levels
def test_a_tier_is_reached_at_its_very_value_and_left_only_below_the_gap():
    assert [lo(value, TIERS) for value in (49.9, 50, 79.999, 80, 250)] == [0, 50, 50, 80, 100]
    assert [hi(value, TIERS, 2) for value in (47.9, 48, 78, 97.9, 98)] == [0, 50, 80, 80, 100]
    assert tier_at(80, TIERS) is TIERS[1]
    assert tier_at(20, TIERS) is None


def test_rounding_of_a_unit_does_not_keep_a_tier_from_being_reached():
    assert lo(100 * (1 - 1e-12), TIERS) == 100


# ------------------------------------------------------------------ rise and fall
def test_one_snapshot_fires_and_the_episode_begins():
    moved = after(85)
    assert (moved.alert.status, moved.alert.level, moved.alert.episode) == (Status.FIRING, 80, 1)
    assert moved.alert.severity is Severity.WARNING
    assert moved.alert.labels["severity"] == "warning"
    assert [one.reason for one in moved.transitions] == ["reached"]


def test_two_confirmations_make_it_pending_first():
    life = replace(LIFE, confirm=2)
    assert after(85, life=life).alert.status is Status.PENDING
    assert after(85, 20, life=life).alert.status is Status.INACTIVE
    assert after(85, 55, life=life).alert.level == 50


def test_it_recovers_after_two_snapshots_below_and_begins_a_new_episode_after():
    falling = after(85, 40)
    assert (falling.alert.status, falling.alert.recovering) == (Status.FIRING, True)
    resolved = after(85, 40, 40)
    assert (resolved.alert.status, resolved.alert.close_reason) == (Status.RESOLVED, "corrected")
    assert resolved.alert.started_at == NOW + DAY
    again = after(85, 40, 40, 90)
    assert (again.alert.episode, again.alert.close_reason, again.alert.started_at) == (2, "", NOW + 4 * DAY)


def test_it_stays_within_the_gap():
    assert after(85, 78.5, 78.5, 78.5).alert.level == 80
    assert after(85, 77.9, 77.9).alert.level == 50


def test_stale_figures_raise_but_never_lower():
    alert = after(55).alert
    stale = [advance(alert, says(20, Proof.LOWER_BOUND), life=LIFE, snapshot_id=2, now=NOW).alert]
    stale.append(advance(stale[0], says(20, Proof.LOWER_BOUND), life=LIFE, snapshot_id=3, now=NOW).alert)
    assert [(one.level, one.held) for one in stale] == [(50, True), (50, True)]
    higher = advance(stale[1], says(101, Proof.LOWER_BOUND), life=LIFE, snapshot_id=4, now=NOW).alert
    assert (higher.level, higher.held) == (100, False)


def test_no_value_holds_the_alert_and_changes_nothing_else():
    alert = after(85).alert
    held = advance(alert, says(None, Proof.UNKNOWN), life=LIFE, snapshot_id=2, now=NOW + DAY)
    assert held.transitions == ()
    assert held.alert == replace(alert, held=True, snapshot_id=2)
    assert not after(85, start=held.alert, first=3).alert.held


def test_a_value_that_is_no_number_proves_nothing():
    assert after(85, float("nan"), float("nan")).alert.level == 80


def test_a_successor_resolves_the_end_of_a_term_as_renewed():
    assert after(2, 0, 0, life=replace(LIFE, gap=0), kind="contract_end", tiers=RANKS).alert.close_reason == "renewed"


def test_what_may_fall_by_nature_recovers():
    moved = after(85, 40, 40, labels={"product": "AUDIT_FIELDS_BOUNDARY"})
    assert moved.alert.close_reason == "recovered"


# ------------------------------------------------------------------ edits
def test_a_raised_cap_needs_new_snapshots_before_anything_is_resolved():
    alert = after(85, 85).alert
    life = replace(LIFE, revision="r2")
    same = advance(alert, says(40), life=life, snapshot_id=2, now=NOW)
    assert (same.alert.level, same.alert.rule_changed) == (80, True)
    once = advance(same.alert, says(40), life=life, snapshot_id=3, now=NOW).alert
    twice = advance(once, says(40), life=life, snapshot_id=4, now=NOW)
    assert (once.level, twice.alert.level, twice.alert.close_reason) == (80, 0, "rule_changed")
    assert twice.transitions[0].reason == "rule_changed"


def test_a_lowered_cap_speaks_at_once_on_the_same_snapshot():
    alert = after(45).alert
    moved = advance(alert, says(90), life=replace(LIFE, revision="r2"), snapshot_id=1, now=NOW)
    assert moved.alert.level == 80
    assert moved.transitions[0].reason == "rule_changed"
    assert tell(moved.alert, "mail").notices[0].detail == "rule_changed"


def test_a_level_proved_again_under_the_edited_rule_falls_for_its_own_reasons():
    alert = advance(after(85).alert, says(85), life=replace(LIFE, revision="r2"), snapshot_id=2, now=NOW).alert
    life = replace(LIFE, revision="r2")
    alert = after(85, 40, 40, life=life, start=alert, first=3).alert
    assert alert.close_reason == "corrected"


def test_another_quota_in_the_figures_counts_as_an_edit_and_another_unit_does_not():
    alert = after(85, 85).alert
    in_hectares = says(40, figures={"cap": 40.468564224, "unit": "ha"})
    assert not advance(alert, in_hectares, life=LIFE, snapshot_id=3, now=NOW).alert.rule_changed
    doubled = says(42.5, figures={"cap": 200.0, "unit": "ac"})
    assert advance(alert, doubled, life=LIFE, snapshot_id=3, now=NOW).alert.rule_changed


RANKS = tuple(
    Tier(at=rank, severity=Severity.WARNING, label=f"{days} days") for rank, days in enumerate((60, 30, 14), 1)
)


def test_an_edited_list_of_days_neither_repeats_nor_swallows_a_warning():
    def days(*wanted: int) -> tuple[Tier, ...]:
        return tuple(Tier(at=n, severity=Severity.INFO, label=f"{day} days") for n, day in enumerate(wanted, 1))

    alert = after(2, kind="contract_end", tiers=RANKS).alert  # 30 days
    alert = tell(alert, "mail").alert
    life = replace(LIFE, revision="r2")

    def edited(*wanted: int, value: float, to: Alert = alert, number: int = 2) -> Alert:
        finding = says(value, kind="contract_end", tiers=days(*wanted))
        return advance(to, finding, life=life, snapshot_id=number, now=NOW).alert

    shorter = edited(30, 14, value=1)
    assert (shorter.level, tell(shorter, "mail").notices) == (1, ())
    later = edited(30, 14, value=2, to=shorter, number=3)
    assert [one.reason for one in tell(later, "mail").notices] == [NotifyReason.ESCALATED]
    longer = edited(90, 60, 30, 14, value=3)
    assert (longer.level, tell(longer, "mail").notices) == (3, ())
    other = edited(45, 7, value=1)
    assert [one.level for one in tell(other, "mail").notices] == [1]


def test_a_rule_put_back_begins_a_new_episode():
    alert = tell(after(85).alert, "mail").alert
    alert = tell(close(alert, reason="rule_removed", now=NOW).alert, "mail").alert
    same = advance(alert, says(85), life=LIFE, snapshot_id=1, now=NOW)
    assert same.alert == alert
    back = advance(alert, says(85), life=LIFE, snapshot_id=2, now=NOW).alert
    assert (back.status, back.episode) == (Status.FIRING, 2)
    assert [one.reason for one in tell(back, "mail").notices] == [NotifyReason.FIRING]


def test_an_id_that_changes_its_kind_closes_the_old_alert_first():
    alert = tell(after(85).alert, "mail").alert
    closed = advance(alert, says(1, kind="contract_end", tiers=RANKS), life=LIFE, snapshot_id=2, now=NOW).alert
    assert [one.detail for one in tell(closed, "mail").notices] == ["rule_removed"]
    reborn = advance(closed, says(1, kind="contract_end", tiers=RANKS), life=LIFE, snapshot_id=3, now=NOW).alert
    assert (reborn.kind, reborn.level, reborn.status) == ("contract_end", 1, Status.FIRING)


# ------------------------------------------------------------------ days
def test_a_final_day_closes_without_a_word():
    alert = tell(after(120, kind="daily_spike", window="2026-05-01").alert, "mail").alert
    closed = advance(
        alert, says(120, kind="daily_spike", window="2026-05-01", final=True), life=LIFE, snapshot_id=2, now=NOW
    )
    assert (closed.alert.status, closed.alert.close_reason) == (Status.CLOSED, "day_final")
    decision = tell(closed.alert, "mail")
    assert decision.notices == ()
    assert decision.alert.told == {}
    assert decision.reasons == {"mail": "nothing: day_final"}


def test_a_final_day_that_nobody_knew_of_stays_unborn():
    moved = advance(None, says(120, final=True), life=LIFE, snapshot_id=1, now=NOW)
    assert (moved.alert.status, moved.transitions) == (Status.INACTIVE, ())


# ------------------------------------------------------------------ messages
def test_a_jump_sends_one_notice_for_the_highest_tier_and_names_those_passed():
    alert = tell(after(40, 105).alert, "mail")
    (notice,) = alert.notices
    assert (notice.reason, notice.level) == (NotifyReason.FIRING, 100)
    assert [tier.label for tier in notice.passed] == ["50 %", "80 %", "100 %"]
    assert alert.reasons == {"mail": "firing"}


def test_an_escalation_names_only_the_tiers_since_the_last_word():
    alert = tell(after(55).alert, "mail").alert
    (notice,) = tell(after(101, start=alert, first=2).alert, "mail").notices
    assert (notice.reason, [tier.at for tier in notice.passed]) == (NotifyReason.ESCALATED, [80, 100])


def test_each_tier_is_announced_once_per_episode():
    alert = tell(after(105).alert, "mail").alert
    alert = after(85, 85, start=alert, first=2).alert
    lower = tell(alert, "mail")
    assert (alert.level, lower.notices, lower.reasons) == (80, (), {"mail": "nothing: told of a higher tier"})
    assert tell(after(105, start=lower.alert, first=4).alert, "mail").notices == ()


def test_resolved_goes_to_those_told_under_a_silence_too():
    alert = tell(after(85).alert, "mail").alert
    resolved = after(10, 10, start=alert, first=2).alert
    decision = tell(resolved, "mail", "late", mute="silence 3")
    assert [(one.recipient, one.reason, one.level, one.detail) for one in decision.notices] == [
        ("mail", NotifyReason.RESOLVED, 80, "corrected")
    ]
    assert decision.reasons == {"mail": "resolved: corrected", "late": "nothing: never told"}


def test_suppression_is_named_and_changes_nothing():
    alert = after(85).alert
    decision = tell(alert, "mail", mute="silence 3")
    assert (decision.alert, decision.notices, decision.reasons) == (alert, (), {"mail": "suppressed: silence 3"})


def test_one_recipient_may_be_muted_and_another_not():
    decision = decide(
        after(85).alert, routed=["a", "b"], suppressed=lambda who: "broken" if who == "a" else "", now=NOW
    )
    assert [one.recipient for one in decision.notices] == ["b"]


def test_a_recipient_who_joins_later_hears_what_fires():
    alert = tell(after(85).alert, "mail").alert
    assert [(one.recipient, one.reason) for one in tell(alert, "mail", "new").notices] == [("new", NotifyReason.FIRING)]


def test_reminders_come_by_the_tier_once_after_any_outage():
    alert = tell(after(105).alert, "mail").alert
    assert tell(alert, "mail", now=NOW + DAY - timedelta(seconds=1)).reasons == {"mail": "nothing: reminder not due"}
    decision = tell(alert, "mail", now=NOW + 9.5 * DAY)
    assert [(one.reason, one.repeat, one.passed) for one in decision.notices] == [(NotifyReason.REMINDER, 1, ())]
    assert decision.alert.told == {"mail": Told(level=100, at=NOW + 9.5 * DAY, repeat=1)}
    assert tell(decision.alert, "mail", now=NOW + 10 * DAY).notices == ()


def test_a_tier_without_an_interval_never_reminds():
    alert = tell(after(55).alert, "mail").alert
    assert tell(alert, "mail", now=NOW + 400 * DAY).reasons == {"mail": "nothing: told already"}


def test_acknowledged_alerts_do_not_remind_and_held_ones_do():
    alert = tell(after(105).alert, "mail").alert
    acked = replace(alert, acked_level=100.0)
    assert tell(acked, "mail", now=NOW + 3 * DAY).reasons == {"mail": "nothing: acknowledged"}
    held = advance(alert, says(None, Proof.UNKNOWN), life=LIFE, snapshot_id=2, now=NOW).alert
    assert len(tell(held, "mail", now=NOW + 3 * DAY).notices) == 1


def test_a_reminder_waits_for_the_silence_to_end():
    alert = tell(after(105).alert, "mail").alert
    assert tell(alert, "mail", mute="silence 1", now=NOW + 3 * DAY).notices == ()
    assert len(tell(alert, "mail", now=NOW + 3 * DAY).notices) == 1


def test_whoever_is_routed_no_longer_is_not_reminded_but_hears_the_end():
    alert = tell(after(105).alert, "mail").alert
    assert tell(alert, now=NOW + 30 * DAY).reasons == {"mail": "nothing: not routed"}
    assert [one.reason for one in tell(after(1, 1, start=alert, first=2).alert).notices] == [NotifyReason.RESOLVED]


def test_users_and_contracts_have_alerts_of_their_own():
    of_user = says(85, subject=Subject(account="prod", contract=CONTRACT, user=LeafUser(id="u1", name="Co-op")))
    alert = advance(None, of_user, life=LIFE, snapshot_id=1, now=NOW).alert
    assert (alert.account, alert.contract_id, alert.user_id) == ("prod", "c1", "u1")
    assert alert.fingerprint != after(85).alert.fingerprint
