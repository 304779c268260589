"""What must hold of every alert whatever happens to it, tried on thousands of lives."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.alerts import Life, advance, close, decide, fingerprint, hi, lo
from alerter.core.model import Contract, Finding, Proof, Severity, Subject, Tier
from alerter.core.states import Alert, Notice, NotifyReason, Status

START = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
TIERS = (
    Tier(at=50, severity=Severity.INFO, label="50 %"),
    Tier(at=80, severity=Severity.WARNING, label="80 %"),
    Tier(at=100, severity=Severity.CRITICAL, label="100 %"),
)
CONTRACT = Contract(account="a", id="c", product="P", region=None, start_at=START, end_at=None)
PEOPLE = ("mail", "pager")
FRESH, BOUND, UNKNOWN = Proof.FRESH, Proof.LOWER_BOUND, Proof.UNKNOWN

values = st.one_of(st.floats(0, 130), st.sampled_from([47.9, 48.0, 49.0, 50.0, 78.0, 79.9, 80.0, 98.0, 100.0, 105.0]))
inputs = st.tuples(values, st.sampled_from([FRESH, FRESH, FRESH, BOUND, UNKNOWN]))
lives = st.builds(
    Life,
    confirm=st.integers(1, 3),
    resolve_confirm=st.integers(1, 3),
    gap=st.sampled_from([0.0, 2.0, 10.0]),
    revision=st.just("r1"),
)


def finding(value: float | None, proof: Proof = FRESH, *, tiers: tuple[Tier, ...] = TIERS, kind: str = "contract_cap"):
    return Finding(
        rule="cap",
        kind=kind,
        subject=Subject(account="a", contract=CONTRACT),
        period=CONTRACT.period,
        value=None if proof is UNKNOWN else value,
        proof=proof,
        tiers=tiers,
        labels={"product": "P"},
    )


@dataclass
class Story:
    """One alert through snapshots and cycles, with everything that was said."""

    life: Life = field(default_factory=lambda: Life(revision="r1"))
    alert: Alert | None = None
    snapshot: int = 0
    now: datetime = START
    said: list[Notice] = field(default_factory=list)
    moves: list[tuple[Alert, object]] = field(default_factory=list)

    def see(self, value: float, proof: Proof = FRESH, **more: object) -> None:
        self.snapshot += 1
        self.now += STEP
        self.evaluate(value, proof, **more)

    def evaluate(self, value: float, proof: Proof = FRESH, **more: object) -> None:
        moved = advance(
            self.alert, finding(value, proof, **more), life=self.life, snapshot_id=self.snapshot, now=self.now
        )
        self.alert = moved.alert
        self.moves.extend((moved.alert, transition) for transition in moved.transitions)

    def speak(self, *, quiet: bool = False, to: tuple[str, ...] = PEOPLE) -> list[Notice]:
        assert self.alert is not None
        decision = decide(self.alert, routed=to, suppressed=lambda _: "silence 1" if quiet else "", now=self.now)
        self.alert = decision.alert
        self.said.extend(decision.notices)
        return list(decision.notices)

    def heard(self) -> list[tuple[str, str, float]]:
        return [(notice.recipient, notice.reason.value, notice.level) for notice in self.said]


def told(steps: list[tuple[float, Proof]], life: Life) -> Story:
    story = Story(life=life)
    for value, proof in steps:
        story.see(value, proof)
        story.speak()
    return story


@given(st.lists(inputs, max_size=25), lives, st.data())
def test_failed_fetches_anywhere_change_no_message(steps, life, data):
    holes = data.draw(st.lists(st.integers(0, len(steps)), max_size=8))
    broken = list(steps)
    for place in sorted(holes, reverse=True):
        broken.insert(place, (0.0, UNKNOWN))
    assert told(steps, life).heard() == told(broken, life).heard()


@given(st.lists(inputs, max_size=30), lives)
def test_resolved_only_after_enough_fresh_snapshots_below_the_clear_line(steps, life):
    story = Story(life=life)
    seen: list[tuple[float, Proof]] = []
    for value, proof in steps:
        before = story.alert
        story.see(value, proof)
        seen.append((value, proof))
        if before is not None and before.status is Status.FIRING and story.alert.status is Status.RESOLVED:
            usable = [one for one in seen if one[1] is not UNKNOWN][-life.resolve_confirm :]
            assert len(usable) == life.resolve_confirm
            assert all(kind is FRESH and hi(given_value, TIERS, life.gap) == 0 for given_value, kind in usable)


@given(st.lists(inputs, max_size=30), lives)
def test_a_level_rises_only_where_enough_snapshots_in_a_row_reach_it(steps, life):
    story = Story(life=life)
    usable: list[float] = []
    for value, proof in steps:
        before = story.alert.level if story.alert else 0.0
        story.see(value, proof)
        usable += [] if proof is UNKNOWN else [value]
        if story.alert.level > before:
            assert len(usable) >= life.confirm
            assert story.alert.level == min(lo(one, TIERS) for one in usable[-life.confirm :])
        assert (story.alert.status is Status.FIRING) == (story.alert.level > 0)


@given(st.lists(st.tuples(inputs, st.integers(1, 3)), max_size=20), lives)
def test_a_snapshot_evaluated_often_counts_once(steps, life):
    often = Story(life=life)
    for (value, proof), times in steps:
        often.snapshot += 1
        often.now += STEP
        for _ in range(times):
            often.evaluate(value, proof)
        for _ in range(times):
            often.speak()
    assert often.heard() == told([one for one, _ in steps], life).heard()


@given(st.lists(inputs, min_size=2, max_size=10), lives)
def test_an_older_snapshot_changes_nothing(steps, life):
    story = told(steps, life)
    older = advance(story.alert, finding(200), life=replace(life, revision="r2"), snapshot_id=1, now=story.now)
    assert older.alert == story.alert
    assert older.transitions == ()


@given(st.lists(inputs, max_size=20), lives)
def test_nothing_is_remembered_outside_the_alert(steps, life):
    kept, reloaded = Story(life=life), Story(life=life)
    for value, proof in steps:
        for story in (kept, reloaded):
            story.see(value, proof)
            story.speak()
        reloaded.alert = copy.deepcopy(reloaded.alert)
    assert kept.alert == reloaded.alert
    assert kept.heard() == reloaded.heard()


@given(st.lists(inputs, max_size=25), lives)
def test_after_a_cycle_everybody_routed_was_told_of_the_level(steps, life):
    story = Story(life=life)
    for value, proof in steps:
        story.see(value, proof)
        notices = story.speak()
        assert len({notice.recipient for notice in notices}) == len(notices)
        for person in PEOPLE:
            known = story.alert.told.get(person)
            assert (known.level if known else 0.0) >= story.alert.level


@given(st.lists(st.floats(0, 130), max_size=20).map(sorted), lives)
def test_growing_values_announce_ever_higher_tiers_and_never_resolve(grown, life):
    story = told([(value, FRESH) for value in grown], life)
    levels = [notice.level for notice in story.said if notice.recipient == "mail"]
    assert levels == sorted(set(levels))
    assert NotifyReason.RESOLVED not in {notice.reason for notice in story.said}


def well_told(said: list[Notice], person: str) -> bool:
    """Firing first, upward only, resolved only after something was told."""
    level = 0.0
    for notice in said:
        if notice.recipient != person:
            continue
        if notice.reason is NotifyReason.FIRING:
            assert level == 0
        elif notice.reason is NotifyReason.ESCALATED:
            assert notice.level > level > 0
        else:
            assert notice.reason in (NotifyReason.RESOLVED, NotifyReason.CLOSED)
            assert notice.level == level > 0
        level = notice.level if notice.reason in (NotifyReason.FIRING, NotifyReason.ESCALATED) else 0.0
    return True


@given(st.lists(st.tuples(inputs, st.booleans(), st.sampled_from([PEOPLE, ("mail",), ()])), max_size=30), lives)
def test_each_recipient_hears_a_story_that_makes_sense(steps, life):
    story = Story(life=life)
    for (value, proof), quiet, to in steps:
        story.see(value, proof)
        notices = story.speak(quiet=quiet, to=to)
        if quiet:
            assert all(notice.reason is NotifyReason.RESOLVED for notice in notices)
    for person in PEOPLE:
        assert well_told(story.said, person)
    keys = [notice.key for notice in story.said]
    assert len(keys) == len(set(keys))


@given(st.lists(st.lists(inputs, min_size=1, max_size=4), max_size=10), lives)
def test_several_snapshots_in_one_cycle_still_make_sense(cycles, life):
    story = Story(life=life)
    for cycle in cycles:
        for value, proof in cycle:
            story.see(value, proof)
        story.speak()
        known = story.alert.told.get("mail")
        assert (known.level if known else 0.0) >= story.alert.level
    assert well_told(story.said, "mail")
    assert len({notice.key for notice in story.said}) == len(story.said)


@given(st.lists(inputs, max_size=15), lives)
def test_an_episode_wholly_inside_a_silence_is_never_mentioned(steps, life):
    story = Story(life=life)
    for value, proof in steps:
        story.see(value, proof)
        story.speak(quiet=True)
    assert story.said == []
    for _ in range(max(life.confirm, life.resolve_confirm)):
        story.see(0)
        story.speak(quiet=True)
    story.see(0)
    story.speak()
    assert story.said == []


@given(st.lists(inputs, max_size=15), lives)
def test_the_first_cycle_after_a_silence_catches_up(steps, life):
    story = Story(life=life)
    for value, proof in steps:
        story.see(value, proof)
        story.speak(quiet=True)
    if story.alert is not None:
        story.speak()
        known = story.alert.told.get("mail")
        assert (known.level if known else 0.0) == story.alert.level


@given(st.lists(st.floats(78, 99.9), min_size=1, max_size=30), lives.filter(lambda life: life.gap >= 2))
def test_swinging_within_the_gap_speaks_once(swing, life):
    story = told([(81.0, FRESH)] * life.confirm + [(value, FRESH) for value in swing], life)
    assert [notice.level for notice in story.said if notice.recipient == "mail"] == [80]


@given(st.lists(inputs, max_size=20), values, lives)
def test_a_steady_value_settles_between_its_bounds_from_any_past(past, value, life):
    story = told(past, life)
    for _ in range(max(life.confirm, life.resolve_confirm)):
        story.see(value)
    assert lo(value, TIERS) <= story.alert.level <= hi(value, TIERS, life.gap)


@given(st.permutations(list(range(6))), st.lists(inputs, min_size=6, max_size=6), values, lives)
def test_any_order_of_revisions_ends_within_the_bounds_of_the_last_value(order, steps, last, life):
    story = told([steps[index] for index in order], life)
    for _ in range(max(life.confirm, life.resolve_confirm)):
        story.see(last)
    assert lo(last, TIERS) <= story.alert.level <= hi(last, TIERS, life.gap)


@given(st.lists(inputs, min_size=1, max_size=20), lives, st.sampled_from(["rule_removed", "period_ended", "day_final"]))
def test_closing_is_said_once_to_those_told_and_is_final(steps, life, reason):
    story = told(steps, life)
    knew = set(story.alert.told)
    story.alert = close(story.alert, reason=reason, now=story.now).alert
    first, second = story.speak(quiet=True), story.speak()
    assert {notice.recipient for notice in first} == (set() if reason == "day_final" else knew)
    assert all(notice.reason is NotifyReason.CLOSED and notice.detail == reason for notice in first)
    assert second == []
    assert close(story.alert, reason="subject_gone", now=story.now).alert == story.alert
    if reason != "rule_removed":
        before = story.alert
        story.see(200)
        assert story.alert == before
        assert story.speak() == []


OTHER = (
    Tier(at=30, severity=Severity.INFO, label="30 %"),
    Tier(at=70, severity=Severity.WARNING, label="70 %"),
    Tier(at=95, severity=Severity.CRITICAL, label="95 %"),
)


@given(st.lists(st.tuples(inputs, st.sampled_from([("r1", TIERS), ("r2", OTHER)])), max_size=30), lives)
def test_edits_of_the_rule_keep_every_promise(steps, life):
    story = Story()
    for (value, proof), (revision, tiers) in steps:
        story.life = replace(life, revision=revision)
        story.see(value, proof, tiers=tiers)
        notices = story.speak()
        assert len({notice.recipient for notice in notices}) == len(notices)
        known = story.alert.told.get("mail")
        assert (known.level if known else 0.0) >= story.alert.level
    assert well_told(story.said, "mail")


@given(st.lists(inputs, min_size=1, max_size=15), lives)
def test_an_edit_alone_never_looks_like_recovery(steps, life):
    story = told(steps, life)
    before = story.alert.level
    story.life = replace(life, revision="r2")
    value, proof = steps[-1]
    higher = tuple(replace(tier, at=tier.at + 200) for tier in TIERS)
    story.evaluate(value, proof, tiers=higher)
    assert story.alert.level == before
    assert story.speak() == []


@given(st.lists(inputs, min_size=1, max_size=15), st.lists(st.just((0.0, FRESH)), max_size=3), lives)
def test_a_fall_after_an_edit_needs_new_evidence_throughout(steps, newer, life):
    story = told(steps, life)
    before = story.alert.level
    story.life = replace(life, revision="r2")
    for number, (value, proof) in enumerate(newer, 1):
        story.see(value, proof, tiers=tuple(replace(tier, at=tier.at + 200) for tier in TIERS))
        assert story.alert.level == (0 if number >= life.resolve_confirm else before)


@given(st.lists(values, max_size=20), lives)
def test_an_open_day_never_proves_that_all_is_well(readings, life):
    story = told([(100.0, FRESH)] * life.confirm, life)
    for value in readings:
        story.see(value, BOUND)
    assert story.alert.level >= 100


@given(st.lists(inputs, min_size=3, max_size=25), lives, st.integers(0, 24))
def test_an_acknowledgement_survives_neither_a_higher_level_nor_a_resolve(steps, life, place):
    story = Story(life=life)
    acked = None
    for number, (value, proof) in enumerate(steps):
        story.see(value, proof)
        if number == place and story.alert.level > 0:
            acked = story.alert.level
            story.alert = replace(story.alert, acked_level=acked)
        elif acked is not None and (story.alert.level > acked or story.alert.level == 0):
            acked = None
        assert story.alert.acked_level == acked


@given(st.permutations([f"u{number}" for number in range(5)]), st.lists(inputs, min_size=5, max_size=5))
def test_the_order_of_subjects_changes_no_alert(order, steps):
    def moved(names):
        return {
            name: advance(None, finding(*steps[int(name[1])]), life=Life(revision="r"), snapshot_id=1, now=START).alert
            for name in names
        }

    assert moved(order) == moved(sorted(order))


words = st.text(max_size=8)


@given(st.tuples(words, words, words, words), st.tuples(words, words, words, words))
def test_a_fingerprint_is_made_of_its_four_parts_alone(one, other):
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)
    assert len(fingerprint(*one)) == 32


@given(lives, st.floats(60, 120))
def test_presentation_and_tiers_leave_the_fingerprint(life, value):
    plain = advance(None, finding(value), life=life, snapshot_id=1, now=START).alert
    worded = replace(finding(value, tiers=OTHER), labels={"team": "x"}, figures={"unit": "ha"})
    assert advance(None, worded, life=replace(life, gap=5.0), snapshot_id=9, now=START).alert.fingerprint == (
        plain.fingerprint
    )


@settings(max_examples=60)
@given(st.lists(st.integers(1, 60 * 24 * 3), min_size=1, max_size=60), st.sampled_from([1, 6, 24, 168]))
def test_reminders_never_exceed_their_interval_and_leave_no_backlog(minutes, hours):
    remind = timedelta(hours=hours)
    tiers = (Tier(at=100, severity=Severity.CRITICAL, remind=remind),)
    story = Story()
    story.see(120, tiers=tiers)
    story.speak(to=("mail",))
    sent: list[datetime] = []
    for wait in minutes:
        story.now += timedelta(minutes=wait)
        notices = story.speak(to=("mail",))
        assert len(notices) <= 1
        sent.extend(story.now for _ in notices)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= (sent[last] - sent[first]) / remind + 1
    assert [notice.repeat for notice in story.said] == list(range(len(story.said)))


@given(st.lists(inputs, max_size=40), lives)
def test_the_window_stays_as_short_as_the_confirmations_need(steps, life):
    story = told(steps, life)
    if story.alert is not None:
        assert len(story.alert.entries) <= max(life.confirm, life.resolve_confirm)


@given(st.lists(inputs, max_size=30), lives)
def test_transitions_tell_the_whole_way(steps, life):
    story = told(steps, life)
    status, level = Status.INACTIVE, 0.0
    for after, transition in story.moves:
        assert (transition.from_status, transition.from_level) == (status, level)
        assert (transition.to_status, transition.to_level) == (after.status, after.level)
        assert transition.reason
        status, level = transition.to_status, transition.to_level
    if story.alert is not None:
        assert (story.alert.status, story.alert.level) == (status, level)
