"""The daemon says when it cannot see or speak, once, and says when it can again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alerter.core import health
from alerter.core.alerts import advance, decide
from alerter.core.health import ContractHealth, SourceHealth, VoiceHealth
from alerter.core.model import Contract, Finding, Severity, SummaryMeaning
from alerter.core.states import Alert, NotifyReason, Status

NOW = datetime(2026, 5, 14, 12, tzinfo=UTC)
LIMIT = timedelta(hours=1)
CONTRACT = Contract(
    account="prod",
    id="c-1",
    product="OPERATIONS_FILE",
    region="US",
    start_at=NOW - timedelta(days=100),
    end_at=NOW + timedelta(days=200),
)


def source(reason: str = "", failing_for: timedelta | None = None, read_ago: timedelta | None = None) -> SourceHealth:
    return SourceHealth(
        account="prod",
        reason=reason,
        message="something" if reason else "",
        failing_since=NOW - failing_for if failing_for is not None else None,
        read_at=NOW - read_ago if read_ago is not None else None,
        next_poll_at=NOW + timedelta(minutes=15),
    )


def term(**changes: object) -> ContractHealth:
    values: dict[str, object] = {
        "contract": CONTRACT,
        "first_seen_at": NOW - timedelta(days=90),
        "read_at": NOW,
        "newest_on": NOW.date(),
        "missing_lists": 0,
        "successor": False,
        "meaning": SummaryMeaning.CUMULATIVE,
        "used": True,
    }
    return ContractHealth(**(values | changes))  # type: ignore[arg-type]


def of_source(health_of: SourceHealth, now: datetime = NOW) -> dict[str, Finding]:
    return {finding.kind: finding for finding in health.source_findings(health_of, LIMIT, now)}


def of_term(health_of: ContractHealth, *, source_ok: bool = True) -> dict[str, Finding]:
    found = health.contract_findings(health_of, source_ok=source_ok, limit=LIMIT, now=NOW)
    return {finding.kind: finding for finding in found}


def lives(findings: list[Finding], every: timedelta = timedelta(minutes=15)) -> tuple[Alert | None, list[str]]:
    """Let findings of one kind come one after the other; return the alert and what one recipient was told."""
    alert, told, now = None, [], NOW
    for finding in findings:
        now += every
        moved = advance(alert, finding, life=health.life_of(finding.kind), snapshot_id=int(now.timestamp()), now=now)
        decision = decide(moved.alert, routed=["ops"], suppressed=lambda _: "", now=now)
        alert = decision.alert
        told += [notice.reason.value for notice in decision.notices]
    return alert, told


def test_a_good_account_has_nothing_to_say() -> None:
    assert {kind: finding.value for kind, finding in of_source(source(read_ago=timedelta(0))).items()} == {
        "login_failed": 0.0,
        "stale_data": 0.0,
    }


def test_two_refused_logins_in_a_row_are_told_and_one_is_not() -> None:
    refused = of_source(source("unauthorized", timedelta(0)))["login_failed"]
    works = of_source(source(read_ago=timedelta(0)))["login_failed"]
    assert lives([refused, works])[1] == []
    alert, told = lives([refused, refused, refused, works])
    assert told == [NotifyReason.FIRING.value, NotifyReason.RESOLVED.value]
    assert alert is not None
    assert alert.status is Status.RESOLVED


def test_blindness_is_told_after_its_limit_and_gets_worse_after_a_day() -> None:
    def after(blind_for: timedelta) -> Finding:
        return of_source(source("unavailable", blind_for, blind_for))["stale_data"]

    hours = [0.5, 1.1, 2.0, 23.0, 24.5, 30.0]
    alert, told = lives([after(timedelta(hours=one)) for one in hours])
    assert told == ["firing", "escalated"]
    assert alert is not None
    assert alert.severity is Severity.CRITICAL


def test_a_refused_login_is_not_told_as_stale_data_too() -> None:
    assert of_source(source("unauthorized", timedelta(days=2), timedelta(days=2)))["stale_data"].value is None


def test_a_contract_that_lags_behind_is_told_unless_its_whole_account_is_blind() -> None:
    behind = term(newest_on=NOW.date() - timedelta(days=3))
    assert (of_term(behind)["stale_data"].value or 0) > 24
    assert of_term(behind, source_ok=False)["stale_data"].value is None
    yesterday = term(newest_on=NOW.date() - timedelta(days=1))
    assert (of_term(yesterday)["stale_data"].value or 0) < 1


def test_a_contract_is_missing_after_three_lists_and_not_when_it_was_renewed() -> None:
    assert of_term(term(missing_lists=2))["contract_missing"].value == 0.0
    assert of_term(term(missing_lists=3))["contract_missing"].value == 1.0
    assert of_term(term(missing_lists=9, successor=True))["contract_missing"].value == 0.0


def test_an_unproven_meaning_is_told_once_it_should_be_known() -> None:
    unproven = SummaryMeaning.UNPROVEN
    assert of_term(term(meaning=unproven))["meaning_unproven"].value == 1.0
    assert of_term(term(meaning=unproven, first_seen_at=NOW))["meaning_unproven"].value == 0.0
    assert of_term(term(meaning=unproven, used=False))["meaning_unproven"].value == 0.0
    assert of_term(term(meaning=SummaryMeaning.CONTRADICTED, first_seen_at=NOW))["meaning_unproven"].value == 1.0


def test_each_broken_recipient_has_an_alert_of_its_own() -> None:
    broken = VoiceHealth(recipient="ops/#a", error="channel_not_found", since=NOW)
    one = health.voice_finding("prod", "ops/#a", broken)
    other = health.voice_finding("prod", "mail/x@y.z", None)
    assert (one.value, other.value) == (1.0, 0.0)
    assert one.window != other.window
    assert "channel_not_found" in one.figures["message"]


def test_health_routes_by_its_kind() -> None:
    for finding in (*of_source(source()).values(), *of_term(term()).values(), health.config_finding("prod", ["x"])):
        assert finding.labels["kind"] == "health"
        assert finding.kind in health.KINDS


def test_an_outage_or_a_refused_login_ends_no_alert_about_the_other() -> None:
    refused = source("unauthorized", timedelta(hours=3), timedelta(hours=3))
    down = source("unavailable", timedelta(hours=4), timedelta(hours=4))
    good = source(read_ago=timedelta(0))
    told = {}
    for kind in ("login_failed", "stale_data"):
        told[kind] = lives([of_source(one)[kind] for one in (refused, refused, down, down, refused, good)])[1]
    assert told == {"login_failed": ["firing", "resolved"], "stale_data": ["firing", "resolved"]}
    assert of_source(source("not_found", timedelta(hours=3), timedelta(0)))["login_failed"].value == 0.0


def test_a_contract_that_lags_does_not_catch_up_because_its_account_fails() -> None:
    behind = term(newest_on=NOW.date() - timedelta(days=5))
    _, told = lives([of_term(behind)["stale_data"], of_term(behind, source_ok=False)["stale_data"]])
    assert told == ["firing"]
