"""The sandbox over HTTP: the documented paths, documents, paging and refusals, under a clock that tests hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from alerter.sandbox import SandboxClock, SandboxServer, Scenario, demo_scenario

START = datetime(2026, 3, 2, tzinfo=UTC)
BILLING = "/services/billingapplication/api/billing/contracts"
USERS = "/services/usermanagement/api/users"


def scenario(**changes: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "start": START,
            "users": {"count": 45, "named": [{"name": "<b>Ann</b>"}, {"name": "Bob", "id": "a/b c?%"}]},
            "contracts": [
                {"name": "ops", "product": "OPERATIONS_FILE", "start": -40, "end": 100, "id": "c/1 ü"},
                {
                    "name": "open",
                    "product": "FIELDS_BOUNDARY",
                    "region": "US",
                    "start": -4,
                    "quota": "100 acre",
                    "users": 3,
                },
            ],
            **changes,
        }
    )


class Caller:
    """A client that knows nothing but HTTP."""

    def __init__(self, server: SandboxServer, clock: SandboxClock) -> None:
        self.server, self.clock = server, clock
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {server.token()}"

    def get(self, path: str, **query: str) -> requests.Response:
        return self.session.get(self.server.url + path, params=query, timeout=10)

    def login(self, **body: Any) -> requests.Response:
        return self.session.post(self.server.url + "/api/authenticate", json=body, timeout=10)


@pytest.fixture
def serve() -> Iterator[Any]:
    running: list[Caller] = []

    def start(**changes: Any) -> Caller:
        clock = SandboxClock(START + timedelta(days=3, hours=12))
        running.append(Caller(SandboxServer(scenario(**changes), clock=clock).start(), clock))
        return running[-1]

    yield start
    for caller in running:
        caller.session.close()
        caller.server.stop()


def span(first: str, last: str) -> dict[str, str]:
    return {"startTime": f"{first}T00:00:00.000Z", "endTime": f"{last}T00:00:00.000Z"}


# ------------------------------------------------------------------ documents
def test_contracts_are_a_bare_array_of_the_documented_fields(serve: Any) -> None:
    caller = serve()
    answer = caller.get(BILLING)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.text.startswith(
        '[{"id":"c/1 ü","product":"OPERATIONS_FILE","startDate":"2026-01-21T00:00:00Z",'
        '"endDate":"2026-06-10T00:00:00Z","region":null},'
    )
    other = answer.json()[1]
    assert list(other) == ["id", "product", "startDate", "endDate", "region", "quotaInAcres", "quotaInHectares"]
    assert (other["endDate"], other["region"], other["quotaInHectares"]) == (None, "US", 40.468564224)


def test_one_contract_is_answered_like_its_entry_in_the_list(serve: Any) -> None:
    caller = serve()
    assert caller.get(f"{BILLING}/c%2F1%20%C3%BC").json() == caller.get(BILLING).json()[0]


def test_a_summary_has_the_documented_fields_in_their_order(serve: Any) -> None:
    document = serve().get(f"{BILLING}/c%2F1%20%C3%BC/consumption", timestamp="2026-03-01T00:00:00.000Z").json()
    assert list(document) == ["areaUnit", "date", "totalUniqueArea", "leafUsersAreas"]
    assert (document["areaUnit"], document["date"]) == ("Acre", "2026-03-01T00:00:00Z")
    assert all(list(user) == ["leafUserId", "totalArea"] for user in document["leafUsersAreas"])
    assert all(isinstance(user["totalArea"], float) for user in document["leafUsersAreas"])
    assert 0 < document["totalUniqueArea"] < sum(user["totalArea"] for user in document["leafUsersAreas"])


def test_without_a_timestamp_the_summary_is_todays_and_grows(serve: Any) -> None:
    caller = serve()
    noon = caller.get(f"{BILLING}/c%2F1%20%C3%BC/consumption").json()
    caller.clock.advance(timedelta(hours=6))
    evening = caller.get(f"{BILLING}/c%2F1%20%C3%BC/consumption").json()
    assert noon["date"] == evening["date"] == "2026-03-05T00:00:00Z"
    assert noon["totalUniqueArea"] < evening["totalUniqueArea"]


def test_ranges_have_the_documented_fields_and_agree_with_summaries(serve: Any) -> None:
    caller = serve()
    base = f"{BILLING}/c%2F1%20%C3%BC/consumption"
    owner = caller.get(f"{base}/api-owner", **span("2026-02-20", "2026-03-09")).json()
    assert list(owner) == ["areaUnit", "areaPerDay"]
    assert all(list(day) == ["date", "totalArea", "dailyArea"] for day in owner["areaPerDay"])
    assert [day["date"][:10] for day in owner["areaPerDay"]][::13] == ["2026-02-20", "2026-03-05"]
    user = caller.get(f"{base}/leaf-user/a%2Fb%20c%3F%25", **span("2026-02-20", "2026-03-09")).json()
    for mine, all_ in zip(user["areaPerDay"], owner["areaPerDay"], strict=True):
        summary = caller.get(base, timestamp=mine["date"].replace("Z", ".000Z")).json()
        assert summary["totalUniqueArea"] == all_["totalArea"]
        assert {"leafUserId": "a/b c?%", "totalArea": mine["totalArea"]} in summary["leafUsersAreas"]


def test_users_are_paged_with_total_and_links(serve: Any) -> None:
    caller = serve()
    first = caller.get(USERS)
    assert len(first.json()) == 20
    assert list(first.json()[0]) == ["id", "name", "email", "phone", "address", "externalId"]
    assert first.json()[0]["name"] == "<b>Ann</b>"
    assert first.headers["X-Total-Count"] == "45"
    assert {rel: link["url"].partition("?")[2] for rel, link in first.links.items()} == {
        "next": "page=1&size=20", "last": "page=2&size=20", "first": "page=0&size=20",
    }  # fmt: skip
    second = caller.session.get(first.links["next"]["url"], timeout=10)
    last = caller.session.get(first.links["last"]["url"], timeout=10)
    ids = [user["id"] for page in (first, second, last) for user in page.json()]
    assert len(set(ids)) == 45
    assert "next" not in last.links
    assert len(caller.get(USERS, size="1000").json()) == 45
    assert caller.get(USERS, page="9").json() == []


def test_one_user_is_answered_by_id(serve: Any) -> None:
    assert serve().get(f"{USERS}/a%2Fb%20c%3F%25").json()["name"] == "Bob"


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (f"{BILLING}/nobody", {}, 404),
        (f"{BILLING}/nobody/consumption", {}, 404),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption/leaf-user/nobody", span("2026-03-01", "2026-03-02"), 404),
        (f"{BILLING}/c%2F1%20%C3%BC/somewhere", {}, 404),
        (f"{USERS}/nobody", {}, 404),
        ("/services/else", {}, 404),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption", {"timestamp": "yesterday"}, 400),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption", {"timestamp": "2026-03-01"}, 400),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption", {"timestamp": "2026-02-30T00:00:00.000Z"}, 400),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption/api-owner", {}, 400),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption/api-owner", {"startTime": "2026-03-01T00:00:00.000Z"}, 400),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption/api-owner", {"endTime": "2026-03-01T00:00:00.000Z"}, 400),
        (f"{BILLING}/c%2F1%20%C3%BC/consumption/api-owner", span("2026-03-02", "2026-03-01"), 400),
        (USERS, {"page": "-1"}, 400),
        (USERS, {"size": "many"}, 400),
    ],
)
def test_what_cannot_be_answered_gets_its_status_and_a_sentence(
    serve: Any, path: str, query: dict[str, str], status: int
) -> None:
    answer = serve().get(path, **query)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["detail"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x.y.z", "Basic b3duZXI6c2FuZGJveA==", "Bearer ü"])
def test_without_a_good_token_every_service_says_401(serve: Any, header: str | None) -> None:
    caller = serve()
    headers = {} if header is None else {"Authorization": header.encode()}
    del caller.session.headers["Authorization"]
    for path in (BILLING, USERS, f"{BILLING}/nobody", "/services/else"):
        answer = caller.session.get(caller.server.url + path, headers=headers, timeout=10)
        assert answer.status_code == 401


def test_other_methods_are_refused(serve: Any) -> None:
    caller = serve()
    assert caller.session.post(caller.server.url + BILLING, timeout=10).status_code == 405
    assert caller.get("/api/authenticate").status_code == 405


# ------------------------------------------------------------------ login
@pytest.mark.parametrize(("remember", "hours"), [("false", 24), ("true", 30 * 24), (None, 24), (True, 30 * 24)])
def test_a_token_lasts_as_long_as_documented(serve: Any, remember: Any, hours: int) -> None:
    caller = serve()
    body = {"username": "owner@example.com", "password": "sandbox"}
    answer = caller.login(**body, **({} if remember is None else {"rememberMe": remember}))
    assert list(answer.json()) == ["id_token"]
    token = answer.json()["id_token"]
    assert token.count(".") == 2
    caller.session.headers["Authorization"] = f"Bearer {token}"
    caller.clock.advance(timedelta(hours=hours, seconds=-1))
    assert caller.get(BILLING).status_code == 200
    caller.clock.advance(timedelta(seconds=1))
    assert caller.get(BILLING).status_code == 401


def test_wrong_credentials_are_401_and_nonsense_is_400(serve: Any) -> None:
    caller = serve()
    assert caller.login(username="owner@example.com", password="wrong").status_code == 401
    assert caller.login().status_code == 401
    for body in (b"", b"{", b"[]", b"\xff"):
        url = caller.server.url + "/api/authenticate"
        assert caller.session.post(url, data=body, timeout=10).status_code == 400


def test_a_restarted_sandbox_keeps_its_port_and_knows_its_tokens(serve: Any) -> None:
    caller = serve()
    url = caller.server.url
    caller.session.close()
    caller.server.stop()
    with pytest.raises(requests.ConnectionError):
        caller.get(BILLING)
    caller.server.start()
    assert caller.server.url == url
    assert caller.get(BILLING).status_code == 200


# ------------------------------------------------------------------ conventions
def test_summaries_can_be_daily(serve: Any) -> None:
    caller = serve(conventions={"summary_means": "daily", "idle_users": "listed"})
    base = f"{BILLING}/c%2F1%20%C3%BC/consumption"
    day = caller.get(f"{base}/api-owner", **span("2026-03-03", "2026-03-03")).json()["areaPerDay"][0]
    summary = caller.get(base, timestamp="2026-03-03T00:00:00.000Z").json()
    assert summary["totalUniqueArea"] == day["dailyArea"] < day["totalArea"]
    assert len(summary["leafUsersAreas"]) == 45
    assert 0.0 in [user["totalArea"] for user in summary["leafUsersAreas"]]


@pytest.mark.parametrize(
    ("conventions", "first", "last"),
    [
        ({}, "2026-03-01", "2026-03-05"),
        ({"range_start": "exclusive"}, "2026-03-02", "2026-03-05"),
        ({"today": "omitted"}, "2026-03-01", "2026-03-04"),
    ],
)
def test_ranges_follow_the_conventions(serve: Any, conventions: dict[str, str], first: str, last: str) -> None:
    caller = serve(conventions=conventions)
    days = caller.get(f"{BILLING}/c%2F1%20%C3%BC/consumption/api-owner", **span("2026-03-01", "2026-03-09")).json()[
        "areaPerDay"
    ]
    assert (days[0]["date"][:10], days[-1]["date"][:10]) == (first, last)


def test_a_range_can_leave_out_its_end_and_count_from_its_start(serve: Any) -> None:
    caller = serve(conventions={"range_end": "exclusive", "range_total": "range"})
    path = f"{BILLING}/c%2F1%20%C3%BC/consumption/api-owner"
    days = caller.get(path, **span("2026-03-01", "2026-03-04")).json()["areaPerDay"]
    assert [day["date"][:10] for day in days] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert days[0]["totalArea"] == days[0]["dailyArea"]


def test_idle_days_can_be_left_out(serve: Any) -> None:
    query = span("2026-02-01", "2026-03-05")
    path = f"{BILLING}/c%2F1%20%C3%BC/consumption/leaf-user/a%2Fb%20c%3F%25"
    listed = serve().get(path, **query).json()["areaPerDay"]
    omitted = serve(conventions={"zero_days": "omitted"}).get(path, **query).json()["areaPerDay"]
    assert omitted == [day for day in listed if day["dailyArea"]]
    assert len(omitted) < len(listed)


def test_the_contract_list_can_be_paged(serve: Any) -> None:
    caller = serve(conventions={"contracts_paged": True})
    answer = caller.get(BILLING, size="1")
    assert len(answer.json()) == 1
    assert answer.headers["X-Total-Count"] == "2"
    assert "page=1&size=1" in answer.links["next"]["url"]


@pytest.mark.parametrize(("answer", "status"), [("not_found", 404), ("empty", 200), ("day_before", 200)])
def test_a_missing_day_is_not_in_ranges_and_its_summary_as_the_scenario_says(
    serve: Any, answer: str, status: int
) -> None:
    caller = serve(events=[{"kind": "missing_day", "contract": "ops", "day": 1, "until": 6, "answer": answer}])
    base = f"{BILLING}/c%2F1%20%C3%BC/consumption"
    days = caller.get(f"{base}/api-owner", **span("2026-03-02", "2026-03-04")).json()["areaPerDay"]
    assert [day["date"][:10] for day in days] == ["2026-03-02", "2026-03-04"]
    summary = caller.get(base, timestamp="2026-03-03T00:00:00.000Z")
    assert summary.status_code == status
    if answer == "empty":
        assert summary.json()["leafUsersAreas"] == []
    if answer == "day_before":
        assert summary.json()["date"] == "2026-03-02T00:00:00Z"
    caller.clock.set(START + timedelta(days=6))
    assert caller.get(base, timestamp="2026-03-03T00:00:00.000Z").json()["date"] == "2026-03-03T00:00:00Z"


def test_hectares_are_exact_conversions_of_the_acres(serve: Any) -> None:
    acres, hectares = serve(), serve(events=[{"kind": "unit_switch", "at": 0, "to": "Hectare"}])
    path = f"{BILLING}/c%2F1%20%C3%BC/consumption"
    one, other = acres.get(path).json(), hectares.get(path).json()
    assert (one["areaUnit"], other["areaUnit"]) == ("Acre", "Hectare")
    assert other["totalUniqueArea"] == pytest.approx(one["totalUniqueArea"] * 0.40468564224, rel=1e-12)


# ------------------------------------------------------------------ load and life
def test_a_crowd_of_users_is_served_whole(serve: Any) -> None:
    caller = serve(users={"count": 20_000}, contracts=[
        {"name": "big", "product": "X", "start": -100, "usage": {"activity": 0.1}}
    ])  # fmt: skip
    contract = caller.get(BILLING).json()[0]["id"]
    document = caller.get(f"{BILLING}/{contract}/consumption").json()
    assert len(document["leafUsersAreas"]) > 19_000
    assert caller.get(USERS).headers["X-Total-Count"] == "20000"


def test_many_threads_get_the_answers_that_one_would(serve: Any) -> None:
    caller = serve()
    token, url, found = caller.server.token(), caller.server.url, []

    def ask() -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {token}"
            for day in range(1, 29):
                path = f"{BILLING}/c%2F1%20%C3%BC/consumption?timestamp=2026-02-{day:02}T00:00:00.000Z"
                found.append((day, session.get(url + path, timeout=10).content))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 * 28
    assert len(set(found)) == 28


def test_stop_ends_idle_connections_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    server = SandboxServer(demo_scenario(), clock=SandboxClock(START)).start()
    with requests.Session() as session:
        assert session.get(server.url + BILLING, timeout=10).status_code == 401
        server.stop()
        server.stop()
    assert set(threading.enumerate()) == before


def test_requests_are_recorded_as_answered(serve: Any) -> None:
    caller = serve()
    caller.get(BILLING)
    caller.get(f"{BILLING}/nobody", a="b c")
    records = caller.server.requests
    assert [(each.method, each.path, each.query, each.status) for each in records] == [
        ("GET", BILLING, "", 200),
        ("GET", f"{BILLING}/nobody", "a=b+c", 404),
    ]
    assert records[0].at == START + timedelta(days=3, hours=12)
    caller.server.clear_requests()
    assert caller.server.requests == []
