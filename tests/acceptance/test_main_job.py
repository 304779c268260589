"""The main job through the real command: a server that is not our sandbox, a real Slack and a real mail receiver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.plain_leaf import PlainContract, PlainLeaf
from tests.program import Program
from tests.sinks import HttpSink, Reply, SmtpSink

TODAY = date(2026, 5, 14)
NOON = "2026-05-14T12:00:00Z"
START = date(2026, 2, 1)
HOSTILE = "<!channel> <script>alert(1)</script>"

CONFIG = """\
accounts:
  - name: prod
    base_url: {url}
    username: owner@example.com
    password: {{env: LEAF_PASSWORD}}
contracts:
  - match: {{product: OPERATIONS_FILE}}
    cap: 12000 acre
rules:
  - {{id: spike, kind: daily_spike}}
  - {{id: contract-cap, kind: contract_cap, tiers: [{{at: 50%, severity: info}}, {{at: 80%, severity: warning}}]}}
  - {{id: user-cap, kind: user_cap, cap: 3000 acre}}
  - {{id: term-end, kind: contract_end, days: [30, 7]}}
channels:
  ops-slack:
    url: slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ
    base_url: {slack}
  finance-mail: {{url: "mailto://127.0.0.1:{smtp}/anna@example.com?from=alerter@example.com"}}
routes:
  - {{match: {{severity: warning}}, to: [ops-slack, finance-mail]}}
  - {{to: [ops-slack]}}
database: state.db
"""


def usage() -> dict[str, dict[date, float]]:
    """Four users with a steady day's work each; u-hostile imports 4,000 acres on the last day."""
    days = [START + timedelta(days=n) for n in range((TODAY - START).days + 1)]
    steady = {f"user-{n}": dict.fromkeys(days, 10.0 + n) for n in range(3)}
    return {**steady, "u-hostile": dict.fromkeys(days, 12.0) | {TODAY: 4000.0}}


@pytest.fixture
def leaf() -> Iterator[PlainLeaf]:
    operations = PlainContract("c-1/a b", "OPERATIONS_FILE", START, date(2027, 2, 1), usage(), region="US")
    ending = PlainContract("c-2", "FIELDS_BOUNDARY", date(2025, 6, 1), date(2026, 6, 1), {"user-1": {START: 5.0}})
    with PlainLeaf([operations, ending], TODAY, names={"u-hostile": HOSTILE, "user-1": "Prairie Co-op"}) as server:
        yield server


@pytest.fixture
def slack() -> Iterator[HttpSink]:
    sink = HttpSink()
    yield sink
    sink.close()


@pytest.fixture
def smtp() -> Iterator[SmtpSink]:
    sink = SmtpSink()
    yield sink
    sink.close()


@pytest.fixture
def program(tmp_path: Path, leaf: PlainLeaf, slack: HttpSink, smtp: SmtpSink) -> Program:
    made = Program(tmp_path, {"LEAF_PASSWORD": leaf.password})
    made.write(CONFIG.format(url=leaf.url, slack=slack.url, smtp=smtp.port))
    return made


def contract(program: Program, ident: str) -> dict[str, object]:
    status = program.json("status")
    return next(one for one in status["contracts"] if one["id"] == ident)


@pytest.mark.parametrize("means", ["cumulative", "daily"])
@pytest.mark.parametrize("ends", ["inclusive", "exclusive"])
@pytest.mark.parametrize("zeros", ["listed", "omitted"])
def test_the_figures_are_right_whatever_the_documentation_leaves_open(
    program: Program, leaf: PlainLeaf, means: str, ends: str, zeros: str
) -> None:
    leaf.summary_means, leaf.range_ends, leaf.zero_days = means, ends, zeros
    ran = program.run("once", "--at", NOON)
    assert ran.code == 0, ran.err
    found = contract(program, "c-1/a b")
    billed = sum(sum(days.values()) for days in leaf.contracts["c-1/a b"].usage.values())
    assert found["used_billed"] == pytest.approx(billed)
    assert found["used_unique"] == pytest.approx(0.9 * billed)
    spike = next(one for one in program.json("alerts")["alerts"] if one["rule"] == "spike")
    assert spike["figures"]["value"] == pytest.approx(4033)
    assert found["meaning"] == means
    assert found["used_percent"] == pytest.approx(100 * billed / 12000)


def test_each_alert_is_found_and_sent_once(program: Program, slack: HttpSink, smtp: SmtpSink) -> None:
    assert program.run("once", "--at", NOON).code == 0
    firing = {(one["rule"], one["contract"]["id"] if isinstance(one["contract"], dict) else one["contract"])
              for one in program.json("alerts")["alerts"] if one["status"] == "firing"}  # fmt: skip
    assert firing == {
        ("spike", "c-1/a b"),
        ("contract-cap", "c-1/a b"),
        ("user-cap", "c-1/a b"),
        ("term-end", "c-2"),
    }
    assert len(slack.requests) == 4
    mails = len(smtp.mails)
    assert mails == 3, "the info tier of the contract cap goes to Slack alone"
    again = program.run("once", "--at", "2026-05-14T12:30:00Z")
    assert again.code == 0, again.err
    assert (len(slack.requests), len(smtp.mails)) == (4, mails)


def test_a_second_day_escalates_and_says_nothing_twice(program: Program, leaf: PlainLeaf, slack: HttpSink) -> None:
    assert program.run("once", "--at", NOON).code == 0
    leaf.today = TODAY + timedelta(days=1)
    leaf.contracts["c-1/a b"].usage["user-0"][leaf.today] = 2500.0
    assert program.run("once", "--at", "2026-05-15T12:00:00Z").code == 0
    caps = [one for one in program.json("alerts")["alerts"] if one["rule"] == "contract-cap"]
    assert [one["level"] for one in caps] == [80.0]
    told = [request.json for request in slack.requests]
    assert sum("contract-cap" in str(body) for body in told) == 2


def test_a_hostile_name_is_harmless_in_slack_and_mail(program: Program, slack: HttpSink, smtp: SmtpSink) -> None:
    assert program.run("once", "--at", NOON).code == 0
    spike = next(request for request in slack.requests if b"rule=spike" in request.body)
    assert b"<!channel>" not in spike.body
    assert b"&lt;!channel&gt;" in spike.body
    mail = next(mail for mail in smtp.mails if "rule=spike" in mail.part("plain"))
    assert "<script>" not in mail.part("html")
    assert "<!channel>" in mail.part("plain")


def test_a_crash_between_send_and_mark_costs_at_most_one_copy(
    program: Program, slack: HttpSink, smtp: SmtpSink
) -> None:
    slack.replies = [Reply(hang=True)]
    running = program.start("once", "--at", NOON)
    try:
        assert slack.arrived.wait(40), "nothing was sent"
    finally:
        running.kill()
        running.communicate(timeout=10)
    slack.released.set()
    slack.replies = []
    first = {key_of(request.body) for request in slack.requests}
    # The lease of the dead process has to run out first: an hour later it has.
    ran = program.run("once", "--at", "2026-05-14T13:00:00Z")
    assert ran.code == 0, ran.err
    keys = [key_of(request.body) for request in slack.requests]
    assert {key: keys.count(key) for key in keys if keys.count(key) > 1}.items() <= dict.fromkeys(first, 2).items()
    assert len(set(keys)) == 4
    assert len(smtp.mails) == 3


def key_of(body: bytes) -> str:
    text = body.decode()
    return text[text.index("Key: ") + 5 :].split('"')[0].split("\\n")[0].strip()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("password", "check the account's username and password"),
        ("host", "refused the connection"),
        ("500", "500"),
        ("truncated", "JSON"),
    ],
)
def test_what_goes_wrong_is_one_clear_line_and_loses_nothing(
    program: Program, leaf: PlainLeaf, spoil: str, words: str
) -> None:
    assert program.run("once", "--at", NOON).code == 0
    before = contract(program, "c-1/a b")
    if spoil == "password":
        program.env["LEAF_PASSWORD"] = "wrong"
    elif spoil == "host":
        program.write(program.config.read_text().replace(leaf.url, "http://127.0.0.1:9"))
    elif spoil == "500":
        leaf.status["/consumption"] = 500
    else:
        leaf.bodies["/consumption"] = b'{"areaUnit": "Acre", "date": "2026-05-14T00'
    ran = program.run("once", "--at", "2026-05-14T14:00:00Z")
    assert ran.code == 1
    said = [line for line in (ran.out + ran.err).splitlines() if words.lower() in line.lower()]
    assert said, ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    after = contract(program, "c-1/a b")
    for name in ("used_billed", "used_unique", "newest_day"):
        assert after[name] == before[name]


def test_a_day_the_api_lacks_stays_a_gap(program: Program, leaf: PlainLeaf) -> None:
    leaf.contracts["c-1/a b"].missing = {TODAY - timedelta(days=3)}
    assert program.run("once", "--at", NOON).code == 0
    billed = sum(sum(days.values()) for days in leaf.contracts["c-1/a b"].usage.values())
    assert contract(program, "c-1/a b")["used_billed"] == pytest.approx(billed)


def test_f33_a_unit_switch_is_no_usage_and_one_notice(program: Program, leaf: PlainLeaf, slack: HttpSink) -> None:
    del leaf.contracts["c-1/a b"].usage["u-hostile"][TODAY]
    assert program.run("once", "--at", NOON).code == 0
    sent = len(slack.requests)
    one = leaf.contracts["c-1/a b"]
    one.unit = "Hectare"
    one.usage = {user: {day: area * 0.40468564224 for day, area in days.items()} for user, days in one.usage.items()}
    for at in ("2026-05-14T13:00:00Z", "2026-05-15T13:00:00Z", "2026-05-18T13:00:00Z"):
        leaf.today = date.fromisoformat(at[:10])
        assert program.run("once", "--at", at).code == 0
    told = [request.body for request in slack.requests[sent:]]
    assert len(told) == 1, "one notice of the change, and not another word when it is old"
    assert b"figures come in Hectare instead of Acre" in told[0]
    assert contract(program, "c-1/a b")["unit"] == "ha"


def test_what_a_broken_channel_missed_is_sent_when_it_works_again(
    program: Program, slack: HttpSink, smtp: SmtpSink
) -> None:
    slack.replies = [Reply(404, b"no_service")]
    assert program.run("once", "--at", NOON).code == 1
    status = program.json("status", "--at", "2026-05-14T12:01:00Z")
    assert status["outbox"]["dead"] == 4
    slack.replies = []
    tried = len(slack.requests)
    ran = program.run("once", "--at", "2026-05-14T13:00:00Z")
    assert ran.code == 0, ran.err
    assert len({key_of(request.body) for request in slack.requests[tried:]}) == 4
    assert program.json("status", "--at", "2026-05-14T13:01:00Z")["outbox"]["dead"] == 0
    sent = len(slack.requests)
    assert program.run("once", "--at", "2026-05-14T14:00:00Z").code == 0
    assert [request for request in slack.requests[sent:] if b"channel broken" not in request.body] == []
