from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from alerter.errors import LeafError, LeafMalformed, LeafNotFound, LeafRateLimited, LeafUnauthorized, LeafUnavailable
from alerter.leaf import LeafClient, Password
from tests.leaf_server import Answer, LeafServer, Request, Scripted, jwt, said

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = 86400.0


class World:
    """A server with logins, and a client whose clocks stand still until they are moved."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.skew = 0.0
        self.server = LeafServer(self.answer)
        self.valid: set[str] = set()
        self.logins: list[float] = []
        self.login_answers: list[Scripted] = []  # instead of success
        self.lifetime: float | None = DAY
        self.slow = 0.0
        self.lock = threading.Lock()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds + self.skew)

    def answer(self, request: Request) -> Scripted:
        if request.path == "/api/authenticate":
            return self.log_in(request)
        if request.headers["authorization"].removeprefix("Bearer ") not in self.valid:
            return said({"title": "Unauthorized"}, 401)
        return said([])

    def log_in(self, request: Request) -> Scripted:
        time.sleep(self.slow)
        with self.lock:
            self.logins.append(self.seconds)
            if self.login_answers:
                return self.login_answers.pop(0)
            assert json.loads(request.body) == {"username": "jane@farm.example", "password": "pw", "rememberMe": "true"}
            assert "authorization" not in request.headers
            at = (START + timedelta(seconds=self.seconds)).timestamp()
            token = f"opaque-{len(self.logins)}"
            if self.lifetime is not None:
                token = jwt(iat=at, exp=at + self.lifetime, jti=len(self.logins))
            self.valid.add(token)
            return said({"id_token": token})

    def client(self) -> LeafClient:
        return LeafClient(
            base_url=self.server.url,
            credentials=Password("jane@farm.example", "pw"),
            monotonic=lambda: self.seconds,
            now=self.now,
            wait=lambda _: False,
        )


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with made.server:
        yield made


def test_one_login_serves_many_calls(world: World) -> None:
    client = world.client()
    for _ in range(5):
        client.fetch_contracts()
    assert len(world.logins) == 1


def test_nobody_logs_in_before_there_is_something_to_ask(world: World) -> None:
    world.client()
    assert world.server.requests == []


def test_a_token_is_renewed_before_it_ends(world: World) -> None:
    client = world.client()
    client.fetch_contracts()
    world.seconds = DAY - 301
    client.fetch_contracts()
    assert len(world.logins) == 1
    world.seconds = DAY - 299
    client.fetch_contracts()
    assert len(world.logins) == 2
    assert [
        request for request in world.server.requests if request.path != "/api/authenticate"
    ].__len__() == 3  # no 401 met


def test_a_short_lived_token_is_renewed_too(world: World) -> None:
    world.lifetime = 100
    client = world.client()
    client.fetch_contracts()
    world.seconds = 89
    client.fetch_contracts()
    assert len(world.logins) == 1
    world.seconds = 91
    client.fetch_contracts()
    assert len(world.logins) == 2


@pytest.mark.parametrize("skew", [-40 * DAY, -3600, 3600, 40 * DAY])
def test_a_wrong_wall_clock_causes_no_login_storm(world: World, skew: float) -> None:
    world.skew = skew
    client = world.client()
    for _ in range(20):
        client.fetch_contracts()
        world.seconds += 61
    assert len(world.logins) == 1


def test_a_token_that_is_no_jwt_is_used_until_it_is_refused(world: World) -> None:
    world.lifetime = None
    client = world.client()
    client.fetch_contracts()
    world.seconds = 40 * DAY
    client.fetch_contracts()
    assert len(world.logins) == 1
    world.valid.clear()
    client.fetch_contracts()
    assert len(world.logins) == 2


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        "a.e30.c",
        "a.bnVsbA.c",
        "..",
        "a." + "x" * 5000 + ".c",
        jwt(exp="soon"),
        jwt(exp=-1),
        jwt(exp=1e300),
        jwt(iat=1),
    ],
)
def test_a_strange_token_is_used_as_it_is(world: World, token: str) -> None:
    world.login_answers = [said({"id_token": token})]
    world.valid.add(token)
    client = world.client()
    client.fetch_contracts()
    client.fetch_contracts()
    assert len(world.logins) == 1


def test_401_in_mid_poll_costs_one_login_and_one_retry(world: World) -> None:
    client = world.client()
    client.fetch_contracts()
    world.valid.clear()
    client.fetch_contracts()
    paths = [request.path.rpartition("/")[2] for request in world.server.requests]
    assert paths == ["authenticate", "contracts", "contracts", "authenticate", "contracts"]


def test_many_threads_share_one_login(world: World) -> None:
    world.slow = 0.05
    client = world.client()

    def together() -> list[LeafError]:
        failures: list[LeafError] = []

        def call() -> None:
            try:
                client.fetch_contracts()
            except LeafError as failure:
                failures.append(failure)

        threads = [threading.Thread(target=call) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        return failures

    assert together() == []
    assert len(world.logins) == 1
    world.valid.clear()  # and one renewal
    assert together() == []
    assert len(world.logins) == 2


def test_a_refused_login_is_clear_and_backs_off_up_to_an_hour(world: World) -> None:
    world.login_answers = [said({}, 401) for _ in range(1000)]
    client = world.client()
    with pytest.raises(
        LeafUnauthorized, match=r"check the account's username and password; .* 2026-03-01 12:01:00 UTC"
    ):
        client.fetch_contracts()
    for _ in range(6 * 360):  # six hours, every ten seconds
        world.seconds += 10
        with pytest.raises(LeafUnauthorized, match="next login is tried at 2026-03-01"):
            client.fetch_contracts()
    gaps = [later - earlier for earlier, later in zip(world.logins, world.logins[1:], strict=False)]
    assert gaps[:7] == [60, 120, 240, 480, 960, 1920, 3600]
    assert set(gaps[7:]) == {3600}


def test_a_login_after_refusals_works_again(world: World) -> None:
    world.login_answers = [said({}, 401), said({}, 403)]
    client = world.client()
    for _ in range(2):
        with pytest.raises(LeafUnauthorized):
            client.fetch_contracts()
        world.seconds += 121
    client.fetch_contracts()
    world.seconds += 1000
    world.valid.clear()
    client.fetch_contracts()  # the backoff is forgotten
    assert len(world.logins) == 4


def test_a_server_that_refuses_every_token_is_not_hammered(world: World) -> None:
    client = world.client()
    world.server.handler = lambda request: (
        world.log_in(request) if request.path == "/api/authenticate" else said({}, 401)
    )
    for _ in range(3600):
        with pytest.raises(LeafUnauthorized) as caught:
            client.fetch_contracts()
        assert "\n" not in str(caught.value)
        world.seconds += 1
    assert len(world.logins) <= 1 + 6  # at first one more, then after 1, 2, 4, 8, 16, 32 minutes
    asked = [request for request in world.server.requests if request.path != "/api/authenticate"]
    assert len(asked) <= len(world.logins)


def test_logins_stay_below_one_a_minute_whatever_the_server_does(world: World) -> None:
    world.lifetime = None
    client = world.client()
    for _ in range(600):
        world.valid.clear()
        try:
            client.fetch_contracts()
        except LeafUnauthorized as failure:
            assert "next login" in str(failure)  # noqa: PT017
        world.seconds += 1
    assert 5 <= len(world.logins) <= 10 + 2


def test_one_call_that_is_refused_does_not_cost_the_others_their_token(world: World) -> None:
    client = world.client()
    usual = world.server.handler
    world.server.handler = lambda request: said({}, 401) if "/bad" in request.path else usual(request)
    client.fetch_contracts()
    for _ in range(3):
        with pytest.raises(LeafUnauthorized):
            client.fetch_contract("bad")
        client.fetch_contracts()
    assert len(world.logins) <= 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=500), LeafUnavailable),
        (lambda wire: wire.reset(), LeafUnavailable),
        (said({}, 429, Retry_After="90"), LeafRateLimited),
        (said({}, 404), LeafNotFound),
        (Answer(b"<html>"), LeafMalformed),
        (said({"id_token": ""}), LeafMalformed),
        (said({"id_token": "a b"}), LeafMalformed),
        (said({"token": "x"}), LeafMalformed),
        (said({}, 302, Location="http://x/"), LeafUnavailable),
    ],
)
def test_a_login_without_a_usable_answer_is_named_and_spaced(
    world: World, answer: Scripted, kind: type[LeafError]
) -> None:
    world.login_answers = [answer] * 100
    client = world.client()
    for _ in range(120):
        with pytest.raises(kind, match="POST /api/authenticate"):
            client.fetch_contracts()
        world.seconds += 1
    assert 1 < len(world.logins) <= 2 + 2
    world.login_answers.clear()
    world.seconds += 120
    client.fetch_contracts()


def test_a_blip_at_login_is_survived(world: World) -> None:
    world.login_answers = [Answer(status=503)]
    world.client().fetch_contracts()
    assert len(world.logins) == 2


def test_a_token_with_minutes_left_outlives_a_renewal_that_fails(world: World) -> None:
    client = world.client()
    client.fetch_contracts()
    world.seconds = DAY - 100
    world.login_answers = [Answer(status=500)] * 50
    client.fetch_contracts()
    world.seconds += 1
    client.fetch_contracts()
    assert len(world.logins) <= 3
