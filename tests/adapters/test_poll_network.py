"""What the network and the door of the server do to a poll: nothing is lost, and the next good poll makes it whole."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from alerter.errors import LeafMalformed, LeafRateLimited, LeafUnauthorized, LeafUnavailable
from tests.leaf_server import LeafServer
from tests.poll_world import DAY, FIELDS, LIST, OPS, QUARTER, SUMMARY, PollWorld, SandboxWorld, figures, same, story


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[SandboxWorld]:
    with SandboxWorld(database_url, tmp_path, story(), deadline="1s") as made:
        made.good()
        made.server.clear_requests()
        yield made


def test_f22_an_outage_loses_nothing_is_told_and_heals_by_itself(world: SandboxWorld) -> None:
    before, told = figures(world.history()), world.told()
    world.server.stop()
    for _ in range(8):
        outcome = world.poll(after=timedelta(minutes=20))
        assert isinstance(outcome.poll.first_error, LeafUnavailable)
        assert outcome.poll.first_error.reason == "unavailable"
    same(before, figures(world.history()))
    assert [one.contract_id for one in world.alerts("stale_data")] == [""], "the account, not each of its contracts"
    assert world.told() == told + 1
    world.server.start()
    world.good(after=QUARTER)
    assert world.alerts("stale_data") == []
    world.is_true()
    world.is_true(FIELDS)


def test_f22_a_reset_is_tried_again_within_the_poll(world: SandboxWorld) -> None:
    for at in (0.0, 0.7):
        world.fault("reset", at=at, times=2)
        world.good(after=QUARTER)
        world.is_true()


OPENSSL = shutil.which("openssl")


@pytest.mark.skipif(OPENSSL is None, reason="the openssl command makes the certificate")
def test_f23_a_bad_certificate_is_an_error_by_name_and_no_figure(database_url: str, tmp_path: Path) -> None:
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        cwd=tmp_path, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with LeafServer(tls=context) as server, PollWorld(database_url, tmp_path, server.url) as world:
        outcome = world.poll()
        assert isinstance(outcome.poll.first_error, LeafUnavailable)
        assert "certificate" in str(outcome.poll.first_error)
        assert server.requests == [], "not a byte of the login left"
        assert world.count("snapshot") == 0


def test_f23_a_captive_portal_is_no_answer(world: SandboxWorld) -> None:
    before = figures(world.history())
    with world.faulty("html"):
        outcome = world.poll(after=DAY)
        assert "captive portal" in str(outcome.poll.first_error)
    same(before, figures(world.history()))
    world.good(after=QUARTER)
    world.is_true()


# ------------------------------------------------------------------ login
def test_f24_a_token_that_dies_anywhere_in_a_poll_costs_one_login_and_nothing_else(world: SandboxWorld) -> None:
    for nth in range(1, 6):
        world.server.clear_requests()
        with world.faulty("expire_tokens", nth=nth, path="*/billing/*"):
            world.good(after=QUARTER)
        assert len(world.calls("/authenticate")) == 1
    world.is_true()
    world.is_true(FIELDS)


def test_f24_a_login_refused_for_good_is_a_state_an_alert_and_a_few_logins(world: SandboxWorld) -> None:
    before = figures(world.history())
    world.fault("expire_tokens", times=1)
    number = world.fault("status", status=401, path="*/authenticate")
    for _ in range(24):
        outcome = world.poll(after=QUARTER)
        assert isinstance(outcome.poll.first_error, LeafUnauthorized)
    with world.runtime.store.read() as tx:
        (state,) = tx.accounts.states()
    assert state.reason == "unauthorized"
    assert state.failing_since is not None
    assert len(world.alerts("login_failed")) == 1
    assert len(world.calls("/authenticate")) <= 12, "six hours: backed off to one an hour"
    same(before, figures(world.history()))
    world.server.faults.remove(number)
    world.good(after=timedelta(hours=2))
    assert world.alerts("login_failed") == []
    world.is_true()


def test_f24_a_server_that_refuses_every_token_is_asked_for_few(world: SandboxWorld) -> None:
    world.fault("status", status=401, path="*/billing/*")
    for _ in range(12):
        outcome = world.poll(after=timedelta(minutes=5))
        assert isinstance(outcome.poll.first_error, LeafUnauthorized)
    assert len(world.calls("/authenticate")) <= 8, "an hour"


# ------------------------------------------------------------------ what the server says of itself
@pytest.mark.parametrize("status", [403, 404])
def test_f25_one_contract_out_of_reach_leaves_the_others_and_its_own_alerts_alone(
    world: SandboxWorld, status: int
) -> None:
    firing = {one.fingerprint for one in world.alerts()}
    assert firing, "the story's use reaches the first tier"
    before = figures(world.history())
    with world.faulty("status", status=status, contract=OPS):
        for _ in range(3):
            outcome = world.poll(after=QUARTER)
            errors = {one.contract.contract.id: one.error for one in outcome.poll.contracts}
            assert getattr(errors[OPS], "status", None) == status
            assert errors[FIELDS] is None
    same(before, figures(world.history()))
    world.is_true(FIELDS)
    assert firing <= {one.fingerprint for one in world.alerts()}, "absence proves no recovery"
    world.good(after=QUARTER)
    world.is_true()


def test_f26_a_429_is_obeyed_within_a_second_and_an_hour(world: SandboxWorld) -> None:
    # In answer to the first poll, fifteen minutes from now.
    in_ten_minutes = format_datetime(world.clock.now() + QUARTER + timedelta(minutes=10), usegmt=True)
    said = {in_ten_minutes: 600, "120": 120, "99999999": 3600, "-5": 60, "0": 1, "soon": 60, None: 60}
    for header, quiet_for in said.items():
        headers = {} if header is None else {"Retry-After": header}
        with world.faulty("status", status=429, headers=headers, path="*/billing/*"):
            outcome = world.poll(after=QUARTER)
            assert isinstance(outcome.poll.first_error, LeafRateLimited), header
            assert outcome.poll.first_error.retry_after == pytest.approx(quiet_for, abs=5), header
        world.server.clear_requests()
        if quiet_for > 5:
            assert not world.poll(after=timedelta(seconds=quiet_for / 2 - 5)).poll.ok
            assert world.calls() == [], "asked nothing while it is to be quiet"
        world.good(after=timedelta(seconds=max(quiet_for, 60)))
    world.is_true()


@pytest.mark.parametrize("effect", ["status", "empty"])
def test_f27_flapping_is_ridden_out_and_leaves_no_trace(world: SandboxWorld, effect: str) -> None:
    world.fault(effect, probability=0.4, path="*/billing/*")
    for _ in range(4):
        world.poll(after=timedelta(hours=6))
    assert len(world.calls()) < 4 * 3 * 24, "retries are bounded"
    world.server.faults.clear()
    world.good(after=QUARTER)
    world.is_true()
    world.is_true(FIELDS)


@pytest.mark.parametrize("value", ["headers", "body"])
def test_f28_a_trickling_answer_ends_at_the_deadline(world: SandboxWorld, value: str) -> None:
    before = figures(world.history())
    with world.faulty("trickle", seconds=0.3, value=value, path=SUMMARY, contract=OPS):
        started = time.monotonic()
        outcome = world.poll(after=QUARTER)
        assert time.monotonic() - started < 20
    errors = {one.contract.contract.id: one.error for one in outcome.poll.contracts}
    assert isinstance(errors[OPS], LeafUnavailable)
    assert errors[FIELDS] is None
    same(before, figures(world.history()))
    world.good(after=QUARTER)
    world.is_true()


def test_f29_one_past_day_that_cannot_be_read_is_asked_for_again_soon_and_costs_no_other(world: SandboxWorld) -> None:
    day = (world.clock.now() + DAY).date() - 2 * DAY
    with world.faulty("empty", path=SUMMARY, contract=OPS, nth=3):
        outcome = world.poll(after=DAY)  # today, and the window from yesterday back: one of them is spoiled
        assert outcome.poll.ok
    refused = [one.day for one in world.standing("refused")]
    assert len(refused) == 1
    assert refused[0] is not None
    assert refused[0] >= day - 7 * DAY
    world.good(after=QUARTER)
    assert world.standing("refused") == []
    world.is_true()


SPOILED = {
    "cut": {"effect": "truncate", "at": 0.6},
    "web page": {"effect": "html"},
    "byte order mark": {"effect": "prefix", "body": "\ufeff"},
    "trailing bytes": {"effect": "suffix", "body": "]"},
    "not json": {"effect": "body", "body": "it works! password sandbox-pass-12345"},
}


def test_f29_a_mangled_answer_is_refused_whole_kept_masked_and_told(world: SandboxWorld) -> None:
    before = figures(world.history())
    for number, (name, spoiled) in enumerate(SPOILED.items(), start=1):
        with world.faulty(**spoiled, path=SUMMARY, contract=OPS):  # type: ignore[arg-type]
            for _ in range(2):
                outcome = world.poll(after=timedelta(minutes=5))
                assert isinstance(outcome.poll.first_error, LeafMalformed), name
            same(before, figures(world.history()))
            assert [(one.what, one.contract_id) for one in world.standing("refused")] == [("answer", OPS)]
            assert [one.contract_id for one in world.alerts("bad_data")] == [OPS], "the second time in a row"
        world.good(after=timedelta(minutes=5))
        assert world.standing("refused") == []
        assert world.alerts("bad_data") == []
        assert len(world.events("refused")) == 2 * number, "one when it began, one when it ended"
        world.is_true()
        before = figures(world.history())
    with world.runtime.store.read() as tx:
        samples = tx.usage.bad_answers(100)
    assert len(SPOILED) <= len(samples) <= 2 * len(SPOILED)
    assert all(len(one.sample.encode()) <= 4096 and "sandbox-pass" not in one.sample for one in samples)


def test_f29_a_list_that_cannot_be_read_keeps_nobody_from_being_polled(world: SandboxWorld) -> None:
    with world.faulty("truncate", path=LIST):
        outcome = world.poll(after=QUARTER)
        assert isinstance(outcome.poll.error, LeafMalformed)
        assert all(one.error is None for one in outcome.poll.contracts)
        world.poll(after=QUARTER)
        assert [one.contract_id for one in world.standing("refused")] == [None]
        assert [one.contract_id for one in world.alerts("bad_data")] == [""]
        world.is_true()
    world.good(after=QUARTER)
    assert world.standing() == []
