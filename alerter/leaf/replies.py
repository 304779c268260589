"""Read what an answer's status, headers and first bytes say, before its content is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from alerter.errors import (
    LeafError,
    LeafForbidden,
    LeafMalformed,
    LeafNotFound,
    LeafRateLimited,
    LeafRejected,
    LeafUnavailable,
)
from alerter.leaf.masking import mask, one_line, sample_of
from alerter.leaf.transport import Reply

REDIRECTS = range(300, 400)
DEFAULT_RETRY_AFTER_SECONDS = 60.0
SHORTEST_RETRY_AFTER_SECONDS = 1.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0


def retry_after_of(value: str | None, now: datetime) -> float:
    """Return the seconds a Retry-After header asks for, within 1 s and 1 h; 60 where it asks nothing sensible."""
    text = (value or "").strip()
    if re.fullmatch(r"\d{1,400}(\.\d{1,9})?", text, re.ASCII):
        seconds = float(text)
    else:
        try:
            at = parsedate_to_datetime(text)
            seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return DEFAULT_RETRY_AFTER_SECONDS
    return min(max(seconds, SHORTEST_RETRY_AFTER_SECONDS), LONGEST_RETRY_AFTER_SECONDS)


def skew_of(date_header: str | None, now: datetime) -> timedelta | None:
    """Return how far `now` is ahead of the time a Date header tells, None where it tells none."""
    try:
        at = parsedate_to_datetime(date_header or "")
        return now - at.replace(tzinfo=at.tzinfo or UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def error_for(where: str, reply: Reply, *, host: str, now: datetime, secrets: Iterable[str]) -> LeafError:
    """Return the error for an answer that is no 200; `where` is like `GET /path`."""
    status = reply.status
    if status in REDIRECTS:
        return LeafUnavailable(
            f"{where}: {host} redirects elsewhere ({status}), which is never followed; "
            "check base_url, and whether a proxy or captive portal answers in Leaf's place",
            status=status,
        )
    if status >= 500:
        asked = reply.headers.get("Retry-After")
        return LeafUnavailable(
            f"{where}: Leaf has trouble of its own ({status}); it is tried again at the next poll",
            status=status,
            retry_after=None if asked is None else retry_after_of(asked, now),
        )
    if status >= 400:
        return _refusal(where, reply, now, secrets)
    return LeafMalformed(
        f"{where}: the answer has no usable content (status {status} instead of 200)",
        status=status,
        sample=sample_of(reply.body, secrets),
    )


def _refusal(where: str, reply: Reply, now: datetime, secrets: Iterable[str]) -> LeafError:
    match reply.status:
        case 403:
            return LeafForbidden(
                f"{where}: Leaf does not let this account see it (403); ask Leaf for access", status=403
            )
        case 404:
            return LeafNotFound(
                f"{where}: Leaf knows nothing under this address (404); it may be gone, or base_url is wrong",
                status=404,
            )
        case 429:
            seconds = retry_after_of(reply.headers.get("Retry-After"), now)
            return LeafRateLimited(
                f"{where}: too many calls (429); Leaf is asked again in {seconds:.0f} s",
                status=429,
                retry_after=seconds,
            )
    words = one_line(mask(reply.body[:1000].decode("utf-8", "replace"), secrets), 160)
    said = f", saying {words!r}" if words else ""
    return LeafRejected(f"{where}: Leaf did not accept the request ({reply.status}){said}", status=reply.status)


def why_not_json(reply: Reply) -> str:
    """Return what a body is instead of JSON in UTF-8, in words; nothing where it may be JSON."""
    start = reply.body[:512].lstrip()
    if not start:
        return "it is empty"
    if start.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in start:
        return "its text is not UTF-8"
    if start.startswith(b"<"):
        return "it is a web page; a proxy or captive portal may answer in Leaf's place, or base_url is wrong"
    charset = re.search(r"(?i)charset\s*=\s*\"?([\w.:-]+)", reply.headers.get("Content-Type", ""))
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii") and not reply.body.isascii():
        return f"its text claims to be {one_line(charset[1], 30)} instead of UTF-8"
    return ""
