from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from alerter.core.answers import SummaryAnswer, Unchanged
from alerter.core.area import Unit
from alerter.errors import (
    LeafError,
    LeafForbidden,
    LeafMalformed,
    LeafNotFound,
    LeafRateLimited,
    LeafRejected,
    LeafUnauthorized,
    LeafUnavailable,
)
from alerter.leaf import CallRecord, LeafClient, Password, Token
from tests.leaf_server import Answer, LeafServer, Wire, said

BILLING = "/services/billingapplication/api/billing/contracts"
CONTRACT = {
    "id": "unique id",
    "product": "FIELDS_BOUNDARY",
    "startDate": "2023-01-01T00:00:00Z",
    "endDate": "2024-01-01T00:00:00Z",
    "region": None,
}
SUMMARY = {
    "areaUnit": "Acre",
    "date": "2024-01-15T00:00:00Z",
    "totalUniqueArea": 0.8,
    "leafUsersAreas": [{"leafUserId": "uuid1", "totalArea": 0.6}, {"leafUserId": "uuid2", "totalArea": 0.4}],
}
RANGE = {"areaUnit": "Acre", "areaPerDay": [{"date": "2024-01-02T00:00:00Z", "totalArea": 90.0, "dailyArea": 65.0}]}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Patience:
    """A `wait` that waits for nothing and remembers what it was asked; it may say that the daemon stops."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.stopping = False

    def __call__(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return self.stopping


@pytest.fixture
def server() -> Iterator[LeafServer]:
    with LeafServer() as running:
        yield running


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def connect(server: LeafServer, patience: Patience) -> Iterator[Callable[..., LeafClient]]:
    with ExitStack() as stack:

        def make(**changes: Any) -> LeafClient:
            settings: dict[str, Any] = {
                "base_url": server.url, "credentials": Token("tok-123"), "monotonic": time.monotonic,
                "now": lambda: NOW, "wait": patience, "deadline": 5.0,
            }  # fmt: skip
            client = LeafClient(**(settings | changes))
            stack.callback(client.close)
            return client

        yield make


# ------------------------------------------------------------------ questions
def test_every_question_is_asked_as_documented(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    client = connect()
    server.script(
        said([CONTRACT]), said(CONTRACT), said(SUMMARY), said(SUMMARY), said(RANGE), said(RANGE), said([{"id": "u"}])
    )

    listed = client.fetch_contracts()
    assert listed.complete
    assert client.fetch_contract("unique id") == listed.contracts[0]
    today = client.fetch_summary("c1")
    dated = client.fetch_summary("c1", date(2024, 1, 15))
    assert isinstance(today, SummaryAnswer)
    assert isinstance(dated, SummaryAnswer)
    assert (dated.day, dated.unit, dated.user_ids) == (date(2024, 1, 15), Unit.ACRE, ("uuid1", "uuid2"))
    assert client.fetch_owner_range("c1", date(2024, 1, 1), date(2024, 1, 31)).days[0].daily_area == 65.0
    assert client.fetch_user_range("c1", "u/ü", date(2024, 1, 1), date(2024, 1, 31)).days[0].total_area == 90.0
    assert [user.id for user in client.fetch_users()] == ["u"]

    span = "startTime=2024-01-01T00:00:00.000Z&endTime=2024-01-31T00:00:00.000Z"
    assert [f"{request.method} {request.target}" for request in server.requests] == [
        f"GET {BILLING}",
        f"GET {BILLING}/unique%20id",
        f"GET {BILLING}/c1/consumption",
        f"GET {BILLING}/c1/consumption?timestamp=2024-01-15T00:00:00.000Z",
        f"GET {BILLING}/c1/consumption/api-owner?{span}",
        f"GET {BILLING}/c1/consumption/leaf-user/u%2F%C3%BC?{span}",
        "GET /services/usermanagement/api/users?page=0&size=100",
    ]
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer tok-123"}
    assert {request.headers["accept-encoding"] for request in server.requests} == {"gzip"}
    assert server.connections == 1  # one connection serves them all


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("50%", "50%25"),
        ("%2F", "%252F"),
        ("a b+c", "a%20b%2Bc"),
        ("ключ", "%D0%BA%D0%BB%D1%8E%D1%87"),
        ("a;b:c@d", "a%3Bb%3Ac%40d"),
    ],
)
def test_ids_are_opaque_and_stay_one_path_segment(
    server: LeafServer, connect: Callable[..., LeafClient], name: str, segment: str
) -> None:
    server.script(said(SUMMARY))
    connect(base_url=server.url + "/prefix/").fetch_summary(name)
    assert server.requests[0].target == f"/prefix{BILLING}/{segment}/consumption"


def test_an_empty_id_is_never_asked_for(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    with pytest.raises(ValueError, match="empty"):
        connect().fetch_contract("")
    assert server.requests == []


def test_a_body_known_already_is_not_decoded(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    client = connect()
    server.script(said(SUMMARY), said(SUMMARY), said(SUMMARY | {"totalUniqueArea": 0.9}))
    first = client.fetch_summary("c1")
    assert client.fetch_summary("c1", known_hash=first.body_hash) == Unchanged(body_hash=first.body_hash)
    assert isinstance(client.fetch_summary("c1", known_hash=first.body_hash), SummaryAnswer)


def test_an_answer_about_something_else_is_refused(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    server.script(said(CONTRACT), said(SUMMARY))
    client = connect()
    with pytest.raises(LeafMalformed, match="describes contract unique id instead"):
        client.fetch_contract("c1")
    with pytest.raises(LeafMalformed, match="asked for 2024-01-16, it answered for 2024-01-15"):
        client.fetch_summary("c1", date(2024, 1, 16))


def test_every_exchange_is_reported(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    records: list[CallRecord] = []
    client = connect(on_call=records.append)
    server.script(Answer(status=503), lambda wire: wire.reset(), said(SUMMARY), said(CONTRACT, 404))
    client.fetch_summary("c1")
    with pytest.raises(LeafNotFound):
        client.fetch_contract("c1")
    assert [(record.endpoint, record.status, record.ok) for record in records] == [
        ("summary", 503, False), ("summary", None, False), ("summary", 200, True), ("contract", 404, False)
    ]  # fmt: skip
    assert all(record.seconds >= 0 for record in records)


# ------------------------------------------------------------------ statuses
@pytest.mark.parametrize(
    ("status", "kind", "calls"),
    [
        (403, LeafForbidden, 1),
        (404, LeafNotFound, 1),
        (400, LeafRejected, 1),
        (409, LeafRejected, 1),
        (418, LeafRejected, 1),
        (500, LeafUnavailable, 3),
        (502, LeafUnavailable, 3),
        (503, LeafUnavailable, 3),
        (599, LeafUnavailable, 3),
        (204, LeafMalformed, 1),
        (201, LeafMalformed, 1),
        (206, LeafMalformed, 1),
    ],
)
def test_a_status_becomes_a_named_error_in_one_line(
    server: LeafServer, connect: Callable[..., LeafClient], status: int, kind: type[LeafError], calls: int
) -> None:
    server.script(Answer(b"" if status == 204 else b"go\naway tok-123", status))
    with pytest.raises(kind) as caught:
        connect().fetch_summary("c1")
    message = str(caught.value)
    assert caught.value.status == status
    assert f"GET {BILLING}/c1/consumption" in message
    assert str(status) in message
    assert "\n" not in message
    assert "tok-123" not in message
    assert len(server.requests) == calls


def test_one_refused_contract_leaves_the_others_alone(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    server.handler = lambda request: said(SUMMARY, 403 if "/c1/" in request.path else 200)
    client = connect()
    with pytest.raises(LeafForbidden):
        client.fetch_summary("c1")
    assert isinstance(client.fetch_summary("c2"), SummaryAnswer)


def test_flapping_is_survived_by_bounded_retries_with_jitter(
    server: LeafServer, connect: Callable[..., LeafClient], patience: Patience
) -> None:
    client = connect()
    for _ in range(10):
        server.script(Answer(status=500), lambda wire: wire.reset(), said(SUMMARY))
        client.fetch_summary("c1")
    first, second = patience.asked[::2], patience.asked[1::2]
    assert all(0.25 <= pause <= 0.75 for pause in first)
    assert all(0.5 <= pause <= 1.5 for pause in second)
    assert len(set(first)) > 5


def test_stopping_ends_the_retries(server: LeafServer, connect: Callable[..., LeafClient], patience: Patience) -> None:
    patience.stopping = True
    server.script(Answer(status=500))
    with pytest.raises(LeafUnavailable, match="stopping"):
        connect().fetch_summary("c1")
    assert len(server.requests) == 1


# ------------------------------------------------------------------ 429
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("999999", 3600), ("Sun, 01 Mar 2026 12:02:00 GMT", 120), ("Sun, 01 Mar 2026 18:00:00 GMT", 3600),
     ("-5", 60), ("soon", 60), (None, 60)],
)  # fmt: skip
def test_429_says_when_to_come_back(
    server: LeafServer, connect: Callable[..., LeafClient], header: str | None, seconds: float
) -> None:
    server.script(said({}, 429, **({} if header is None else {"Retry_After": header})))
    with pytest.raises(LeafRateLimited, match=f"asked again in {seconds} s") as caught:
        connect().fetch_summary("c1")
    assert (caught.value.retry_after, caught.value.status) == (seconds, 429)
    assert len(server.requests) == 1


@pytest.mark.parametrize("header", ["0", "2", "Sun, 01 Mar 2026 12:00:02 GMT", "Sun, 01 Mar 2026 11:00:00 GMT"])
def test_a_short_wait_is_waited_for(
    server: LeafServer, connect: Callable[..., LeafClient], patience: Patience, header: str
) -> None:
    server.script(said({}, 429, Retry_After=header), said(SUMMARY))
    connect().fetch_summary("c1")
    assert patience.asked[0] >= (1 if header == "0" or "11:00" in header else 2)


def test_429_keeps_the_whole_account_quiet_until_then(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    ticks = [0.0]
    client = connect(monotonic=lambda: ticks[0])
    server.script(said({}, 429, Retry_After="100"), said(SUMMARY))
    with pytest.raises(LeafRateLimited):
        client.fetch_summary("c1")
    ticks[0] = 40.0
    with pytest.raises(LeafRateLimited, match="not asked") as caught:
        client.fetch_summary("c2")
    assert caught.value.retry_after == 60
    assert len(server.requests) == 1
    ticks[0] = 101.0
    client.fetch_summary("c2")


# ------------------------------------------------------------------ unusable answers
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b""), "it is empty"),
        (Answer(b"  \n"), "it is empty"),
        (Answer(b"<!doctype html><title>Log in</title>", headers={"Content-Type": "text/html"}), "web page"),
        (Answer(b"\xef\xbb\xbf{}"), "byte order mark"),
        (Answer('{"areaUnit":"Acre"}'.encode("utf-16")), "not UTF-8"),
        (Answer('{"areaUnit":"Acre"}'.encode("utf-16-le")), "not UTF-8"),
        (Answer('{"x":"ü"}'.encode("latin-1")), "not UTF-8"),
        (Answer('{"x":"ü"}'.encode(), headers={"Content-Type": "application/json; charset=ISO-8859-1"}), "ISO-8859-1"),
        (Answer(b'{"areaUnit":"Acre","date":'), "not valid JSON"),
        (said(SUMMARY | {"totalUniqueArea": -1}), "totalUniqueArea"),
        (Answer(b'{"areaUnit":"Acre"} {}'), "not valid JSON"),
        (Answer(b"[" * 200_000), "JSON|array|nested"),
        (said(SUMMARY | {"areaUnit": "jane@farm.example"}), "areaUnit"),
        (Answer(b"{}", headers={"Content-Encoding": "gzip"}), "compressed"),
    ],
)
def test_an_unusable_answer_is_refused_whole_with_a_masked_sample(
    server: LeafServer, connect: Callable[..., LeafClient], answer: Answer, words: str
) -> None:
    server.script(answer)
    with pytest.raises(LeafMalformed, match=words) as caught:
        connect().fetch_summary("c1")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("GET /services/billingapplication/api/billing/contracts/c1/consumption: ")
    assert len(caught.value.sample.encode()) <= 4096
    assert "jane" not in str(caught.value) + caught.value.sample
    assert len(server.requests) == 1


def test_the_sample_shows_what_came_without_secrets(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    server.script(said(SUMMARY | {"areaUnit": "Furlong", "note": "Bearer tok-123", "mail": "jane@farm.example"}))
    with pytest.raises(LeafMalformed) as caught:
        connect().fetch_summary("c1")
    assert '"areaUnit": "Furlong"' in caught.value.sample
    assert "tok-123" not in caught.value.sample
    assert "jane" not in caught.value.sample


def test_a_gzipped_answer_is_read(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    import gzip

    server.script(Answer(gzip.compress(said(SUMMARY).body), headers={"Content-Encoding": "gzip"}))
    assert isinstance(connect().fetch_summary("c1"), SummaryAnswer)


def test_a_chunked_answer_is_read(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    body = said(SUMMARY).body

    def chunked(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 50):
            part = body[start : start + 50]
            wire.send(b"%x\r\n%s\r\n" % (len(part), part))
        wire.send(b"0\r\n\r\n")

    server.script(chunked)
    assert isinstance(connect().fetch_summary("c1"), SummaryAnswer)


# ------------------------------------------------------------------ secrets and addresses
@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"s3cret-pw jane@farm.example", 401),
        Answer(b'{"id_token": 7, "x": "s3cret-pw"}'),
        Answer(b"s3cret-pw", 500),
        Answer(b'"s3cret-pw"', 418),
        lambda wire: wire.reset(),
    ],
)
def test_secrets_are_in_no_error_no_repr_and_no_log(
    server: LeafServer, connect: Callable[..., LeafClient], answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script(answer)
    credentials = Password("jane@farm.example", "s3cret-pw")
    client = connect(credentials=credentials)
    with pytest.raises(LeafError) as caught:
        client.fetch_contracts()
    shown = [
        repr(client),
        repr(credentials),
        str(caught.value),
        repr(caught.value),
        getattr(caught.value, "sample", ""),
    ]
    shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert not [text for text in shown if "s3cret-pw" in text or "jane@" in text]


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("http://api.withleaf.io", "https://"),
        ("http://10.0.0.1", "https://"),
        ("http://localhost.evil.example", "https://"),
        ("ftp://127.0.0.1", "must look like"),
        ("api.withleaf.io", "must look like"),
        ("", "must look like"),
        ("https://", "must look like"),
        ("https://host:99999", "must look like"),
        ("https://u:s3cret@host", "must not hold"),
        ("https://host/?a=1", "must end before"),
        ("https://ho st", "spaces"),
        ("https://host\n", "spaces"),
        ("https://[::1", "must look like"),
    ],
)
def test_an_unsafe_or_broken_address_is_refused_with_a_sentence(
    connect: Callable[..., LeafClient], base_url: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        connect(base_url=base_url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url", ["http://localhost:1", "http://127.9.9.9:1", "http://[::1]:1", "https://api.withleaf.io"]
)
def test_loopback_may_be_plain_and_everything_else_is_tls(connect: Callable[..., LeafClient], base_url: str) -> None:
    assert "LeafClient(" in repr(connect(base_url=base_url))


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "tökén"])
def test_a_token_that_cannot_be_sent_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        Token(token)
    assert not token or token not in str(caught.value)


def test_empty_credentials_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        Password("", "x")


def test_a_fixed_token_that_is_refused_is_told_in_words(server: LeafServer, connect: Callable[..., LeafClient]) -> None:
    server.script(said({}, 401))
    with pytest.raises(LeafUnauthorized, match="fixed token") as caught:
        connect().fetch_contracts()
    assert caught.value.status == 401
    assert len(server.requests) == 1


def test_times_are_measured_by_the_clock_that_was_given(connect: Callable[..., LeafClient], server: LeafServer) -> None:
    start = time.monotonic()
    records: list[CallRecord] = []
    server.script(said(SUMMARY))
    connect(monotonic=lambda: (time.monotonic() - start) * 2, on_call=records.append).fetch_summary("c1")
    assert 0 < records[0].seconds < timedelta(seconds=10).total_seconds()
