"""Read a list that may come in pages, from a server that may not mean what it says about them.

The lists of the API take `page` (from 0) and `size` (at most 100) and answer `X-Total-Count` and a `Link` header;
whether the contract list does is not documented.  A list is complete only when nothing contradicts that.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urljoin, urlsplit

from alerter.errors import LeafNotFound, LeafRejected, LeafUnavailable
from alerter.leaf.masking import one_line

log = logging.getLogger("alerter.leaf")

PAGE_SIZE = 100
DEFAULT_SIZES = (20, 100)  # as many items as this, and no word about pages: there may be more

_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_REL = re.compile(r"""(?i);\s*rel\s*=\s*(?:"([^"]*)"|([^\s";,]+))""")
_COUNT = re.compile(r"\d{1,12}", re.ASCII)

Query = dict[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One answer of a list: its items and its headers (any case)."""

    items: Sequence[T]
    headers: Mapping[str, str]


class ForeignLink(ValueError):
    """A link to the next page that leads away from the list's own address."""


def next_link(header: str, url: str) -> Query | None:
    """Return the query of the `rel="next"` link, None where there is none; raise ForeignLink if it leaves `url`."""
    for target, attributes in _LINK.findall(header):
        rel = _REL.search(attributes)
        if rel is None or "next" not in (rel[1] or rel[2]).lower().split():
            continue
        try:
            here, there = urlsplit(url), urlsplit(urljoin(url, target))
            same = (here.scheme, here.hostname, here.port, here.path) == (
                there.scheme, there.hostname, there.port, there.path,
            )  # fmt: skip
            query = dict(parse_qsl(there.query, keep_blank_values=True, max_num_fields=20))
        except ValueError:
            raise ForeignLink(one_line(target)) from None
        if not same or there.username is not None:
            raise ForeignLink(one_line(target))
        return query
    return None


class PageWalk(Generic[T]):
    """Walk over the pages of one list at `url`; `items` holds each item's newest version by its key."""

    def __init__(
        self,
        fetch: Callable[[Query], Page[T]],
        *,
        url: str,
        key: Callable[[T], Hashable],
        page_cap: int,
    ) -> None:
        self.items: list[T] = []
        self.why_incomplete = ""
        self._fetch = fetch
        self._url = url
        self._key = key
        self._page_cap = page_cap
        self._keys: set[Hashable] = set()
        self._totals: set[int] = set()
        self._asked: list[Query] = []
        self._first: Page[T] | None = None
        self._promised = False  # the server itself spoke of more pages

    def run(self, query: Query) -> bool:
        """Fetch all pages from `query` on, and return whether the list is surely complete; raise LeafError.

        A later page that fails for lack of an answer, or that the server rejects, leaves the list incomplete.
        """
        following: Query | None = query
        while following is not None:
            if len(self._asked) >= self._page_cap:
                return self._incomplete("page cap reached")
            self._asked.append(following)
            try:
                page = self._fetch(following)
            except (LeafUnavailable, LeafRejected, LeafNotFound) as failure:
                if self._first is None:
                    raise
                if not self._promised and not isinstance(failure, LeafUnavailable):
                    break  # it was only our question whether there are pages, and the answer is no
                return self._incomplete(f"page {len(self._asked)} failed: {failure.reason}")
            new = self._take(page)
            try:
                following = self._next(page, new)
            except ForeignLink:
                return self._incomplete("the link to the next page leads elsewhere")
            if following is not None and following in self._asked:
                return self._incomplete("the pages go round in a circle")
        if self._totals and self._totals != {len(self._keys)}:
            return self._incomplete("the server's total differs from what it listed")
        return not self.why_incomplete

    def _incomplete(self, why: str) -> bool:
        self.why_incomplete = why
        log.warning(
            "action=list_incomplete",
            extra={
                "fields": {
                    "path": urlsplit(self._url).path,
                    "why": why,
                    "pages": len(self._asked),
                    "items": len(self._keys),
                }
            },
        )
        return False

    def _take(self, page: Page[T]) -> int:
        """Add a page's items, repeats included, and return how many keys were new."""
        before = len(self._keys)
        self._keys.update(self._key(item) for item in page.items)
        self.items.extend(page.items)
        total = page.headers.get("X-Total-Count", "").strip()
        if _COUNT.fullmatch(total):
            self._totals.add(int(total))
        self._first = self._first or page
        return len(self._keys) - before

    def _next(self, page: Page[T], new: int) -> Query | None:
        """Return the next question, None at the end; raise ForeignLink."""
        link = next_link(page.headers.get("Link", ""), self._url)
        if not page.items:
            return None
        if new == 0:
            if link is not None or self._promised:
                self._incomplete("a page brought nothing new")
            return None  # a server that knows no pages answers the same list again
        if link is not None:
            self._promised = True
            return link
        if "Link" in page.headers and not self._short_of_total():
            return None
        return self._by_number(page)

    def _short_of_total(self) -> bool:
        return bool(self._totals) and len(self._keys) < max(self._totals)

    def _by_number(self, page: Page[T]) -> Query | None:
        """Return the question for the next page by its number, where there may be one."""
        assert self._first is not None  # noqa: S101  (a page was taken before)
        asked = self._asked[-1]
        size = int(asked["size"]) if asked.get("size", "").isdecimal() else len(self._first.items)
        short = self._short_of_total()
        self._promised = self._promised or short
        likely = self._promised or size in DEFAULT_SIZES
        if not short and (self._totals == {len(self._keys)} or len(page.items) < size or not likely):
            return None
        number = int(asked["page"]) if asked.get("page", "").isdecimal() else 0
        return {"page": str(number + 1), "size": str(min(len(self._first.items), size))}
