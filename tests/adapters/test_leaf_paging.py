from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from alerter.errors import LeafError, LeafMalformed, LeafRateLimited, LeafUnavailable
from alerter.leaf import LeafClient, Token
from alerter.leaf.client import CONTRACT_PAGE_CAP
from alerter.leaf.paging import ForeignLink, next_link
from tests.leaf_server import Answer, LeafServer, Request, Scripted, said

CONTRACTS = "/services/billingapplication/api/billing/contracts"


def contract(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "product": "P", "startDate": "2024-01-01", "endDate": None, "region": None} | changes


@pytest.fixture
def server() -> Iterator[LeafServer]:
    with LeafServer() as running:
        yield running


@pytest.fixture
def client(server: LeafServer) -> Iterator[LeafClient]:
    made = LeafClient(
        base_url=server.url,
        credentials=Token("t"),
        monotonic=time.monotonic,
        now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        wait=lambda _: False,
        deadline=5,
    )
    yield made
    made.close()


class Pager:
    """A list in pages, with the ways of real and broken servers."""

    def __init__(
        self, count: int, *, default: int = 20, most: int = 100, total: int | None = None, link: bool = False
    ) -> None:
        self.items = [contract(number) for number in range(count)]
        self.default, self.most, self.total, self.link = default, most, total, link

    def __call__(self, request: Request) -> Scripted:
        query = {key: values[0] for key, values in parse_qs(request.query).items()}
        size = min(int(query.get("size", self.default)), self.most)
        start = int(query.get("page", 0)) * size
        headers = {}
        if self.total is not None:
            headers["X_Total_Count"] = str(self.total)
        if self.link:
            following = start + size < len(self.items)
            page = start // size
            headers["Link"] = f'<{CONTRACTS}?page=0&size={size}>; rel="first"'
            if following:
                headers["Link"] = (
                    f'<http://{request.headers["host"]}{CONTRACTS}?page={page + 1}&size={size}>; rel="next",'
                    + headers["Link"]
                )
        return said(self.items[start : start + size], **headers)


def listed(client: LeafClient) -> tuple[list[str], bool]:
    answer = client.fetch_contracts()
    return [item.id for item in answer.contracts], answer.complete


def ids(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


# ------------------------------------------------------------------ honest servers
@pytest.mark.parametrize("count", [0, 1, 19, 21, 50, 300])
def test_a_bare_list_is_complete_after_one_call(server: LeafServer, client: LeafClient, count: int) -> None:
    server.handler = lambda _: said([contract(number) for number in range(count)])
    assert listed(client) == (ids(count), True)
    assert [request.target for request in server.requests] == [CONTRACTS]


@pytest.mark.parametrize("count", [20, 100])
def test_a_bare_list_as_long_as_a_page_is_asked_once_more(server: LeafServer, client: LeafClient, count: int) -> None:
    server.handler = lambda _: said([contract(number) for number in range(count)])
    assert listed(client) == (ids(count), True)
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_server_that_rejects_parameters_has_told_all(server: LeafServer, client: LeafClient, status: int) -> None:
    server.handler = lambda request: said({}, status) if request.query else said([contract(n) for n in range(20)])
    assert listed(client) == (ids(20), True)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("with_total", [False, True])
@pytest.mark.parametrize("count", [0, 5, 20, 21, 40, 47])
def test_a_paged_list_is_read_to_its_end(
    server: LeafServer, client: LeafClient, count: int, with_total: bool, link: bool
) -> None:
    server.handler = Pager(count, total=count if with_total else None, link=link)
    assert listed(client) == (ids(count), True)
    if with_total or link:
        assert len(server.requests) == max(1, -(-count // 20))


@pytest.mark.parametrize("default", [7, 33])
def test_an_unusual_page_size_is_found_out(server: LeafServer, client: LeafClient, default: int) -> None:
    server.handler = Pager(70, default=default, most=33, total=70)
    assert listed(client) == (ids(70), True)


def test_leaf_users_are_read_in_large_pages(server: LeafServer, client: LeafClient) -> None:
    server.handler = Pager(250, total=250, link=False)
    assert [user.id for user in client.fetch_users()] == ids(250)
    assert [request.query for request in server.requests] == [f"page={page}&size=100" for page in range(3)]


def test_leaf_users_survive_a_smaller_largest_page(server: LeafServer, client: LeafClient) -> None:
    server.handler = Pager(90, most=25, total=90)
    assert [user.id for user in client.fetch_users()] == ids(90)


# ------------------------------------------------------------------ others
@pytest.mark.parametrize(("total", "count"), [(99, 3), (99, 60), (1, 60), (0, 5), (59, 60), (61, 60)])
def test_a_lying_total_makes_the_list_incomplete(
    server: LeafServer, client: LeafClient, total: int, count: int
) -> None:
    server.handler = Pager(count, total=total)
    assert listed(client) == (ids(count), False)


def test_a_nonsense_total_is_no_total(server: LeafServer, client: LeafClient) -> None:
    server.handler = lambda _: said([contract(1)], X_Total_Count="-5")
    assert listed(client) == (["c1"], True)


def test_overlapping_pages_give_each_contract_once(server: LeafServer, client: LeafClient) -> None:
    pages = [range(20), range(15, 35), range(34, 40)]
    server.script(*(said([contract(n) for n in page], X_Total_Count="40") for page in pages))
    assert listed(client) == (ids(40), True)


def test_a_page_that_shifted_makes_the_list_incomplete(server: LeafServer, client: LeafClient) -> None:
    pages = [range(20), range(21, 40)]  # one was deleted meanwhile, and c20 slipped to the page before
    server.script(
        *(
            said([contract(n) for n in page], X_Total_Count=total)
            for page, total in zip(pages, ("40", "39"), strict=True)
        )
    )
    found, complete = listed(client)
    assert "c20" not in found
    assert not complete


def test_a_page_that_repeats_for_ever_ends(server: LeafServer, client: LeafClient) -> None:
    server.handler = lambda _: said([contract(n) for n in range(20)], X_Total_Count="1000")
    assert listed(client) == (ids(20), False)
    assert len(server.requests) == 2


def test_links_that_go_round_in_a_circle_end(server: LeafServer, client: LeafClient) -> None:
    def handler(request: Request) -> Scripted:
        page = int(parse_qs(request.query).get("page", ["0"])[0])
        return said([contract(page)], Link=f'<{CONTRACTS}?page={(page + 1) % 3}>; rel="next"')

    server.handler = handler
    found, complete = listed(client)
    assert (found, complete) == (ids(3), False)
    assert len(server.requests) <= 5


def test_a_list_without_end_stops_at_the_page_cap(server: LeafServer, client: LeafClient) -> None:
    counter = iter(range(10**6))
    server.handler = lambda _: said([contract(n := next(counter))], Link=f'<?cursor={n}>; rel="next"')
    found, complete = listed(client)
    assert (len(found), complete) == (CONTRACT_PAGE_CAP, False)


def test_a_cursor_in_the_link_is_followed(server: LeafServer, client: LeafClient) -> None:
    server.script(
        said([contract(0)], Link='<?cursor=a%26b&x=1>; rel="next"'), said([contract(1)], Link='<?x>; rel="prev"')
    )
    assert listed(client) == (ids(2), True)
    assert server.requests[1].query == "cursor=a%26b&x=1"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/services/billingapplication/api/billing/contracts?page=1",
        "//evil.example/x?page=1",
        "/other?page=1",
        "http://127.0.0.1:1/services/billingapplication/api/billing/contracts?page=1",
        "http://[::1?page=1",
        "file:///etc/passwd",
    ],
)
def test_a_link_that_leads_elsewhere_is_never_followed(server: LeafServer, client: LeafClient, target: str) -> None:
    with LeafServer() as other:
        server.handler = lambda _: said(
            [contract(0)], Link=f'<{target.replace("evil.example", f"127.0.0.1:{other.port}")}>; rel="next"'
        )
        assert listed(client) == (["c0"], False)
        assert other.requests == []
    assert len(server.requests) == 1


def test_a_link_with_credentials_is_foreign() -> None:
    with pytest.raises(ForeignLink):
        next_link('<https://u:p@host/a?page=1>; rel="next"', "https://host/a")


@pytest.mark.parametrize(
    ("header", "query"),
    [
        ('<https://host/a?page=2&size=5>; rel="next"', {"page": "2", "size": "5"}),
        ("</a?page=2>; rel=next", {"page": "2"}),
        ('</a?page=9>; rel="last", </a?page=2>; title="x"; REL="prev next"', {"page": "2"}),
        ("", None),
        ("garbage", None),
        ("<a", None),
        ('</a?page=2>; rel="last"', None),
        ("</a?page=2>", None),
    ],
)
def test_link_headers_are_read_in_every_spelling(header: str, query: dict[str, str] | None) -> None:
    assert next_link(header, "https://host/a") == query


@pytest.mark.parametrize(
    "failure", [Answer(status=500), Answer(status=400), Answer(status=404), lambda wire: wire.reset()]
)
def test_a_later_page_that_fails_makes_the_list_incomplete(
    server: LeafServer, client: LeafClient, failure: Scripted
) -> None:
    server.script(said([contract(n) for n in range(20)], X_Total_Count="40"), failure)
    assert listed(client) == (ids(20), False)


def test_a_first_page_that_fails_is_an_error(server: LeafServer, client: LeafClient) -> None:
    server.script(Answer(status=500))
    with pytest.raises(LeafUnavailable):
        client.fetch_contracts()


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(said({}, 429), LeafRateLimited), (Answer(b"<html>"), LeafMalformed), (said([{"id": 7}]), LeafMalformed)],
)
def test_a_later_page_that_speaks_of_us_or_is_nonsense_is_an_error(
    server: LeafServer, client: LeafClient, failure: Scripted, kind: type[LeafError]
) -> None:
    server.script(said([contract(n) for n in range(20)], X_Total_Count="40"), failure)
    with pytest.raises(kind):
        client.fetch_contracts()


def test_a_contract_listed_twice_counts_once_unless_its_contents_differ(server: LeafServer, client: LeafClient) -> None:
    server.script(said([contract(1), contract(2), contract(1)]), said([contract(1), contract(1, endDate="2025-01-01")]))
    assert listed(client) == (["c1", "c2"], True)
    with pytest.raises(LeafMalformed, match="c1 is listed twice"):
        client.fetch_contracts()
