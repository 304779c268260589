"""Make what a server sent fit to be shown: one line, short, without secrets or addresses of people."""

from __future__ import annotations

import re
from collections.abc import Iterable

SAMPLE_BYTES = 4096
_MASK = "***"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # (repeats are bounded: an unbounded one takes seconds on a hostile body)
    # a value behind a name that promises a secret, in JSON, in a form or in a header
    (
        re.compile(
            r"(?i)(\"?[\w-]{0,40}(?:token|passwo?r?d|secret|authorization|api[_-]?key|credential|cookie|session)[\w-]{0,40}\"?"
            r"\s{0,9}[:=]\s{0,9})(?:\"(?:[^\"\\]|\\.)*\"?|(?:bearer\s+|basic\s+)?[^\s\",;&<>}]+)"
        ),
        rf"\g<1>{_MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\g<1> {_MASK}"),
    (re.compile(r"\beyJ[\w-]{4,}(?:\.[\w-]*)*"), _MASK),  # a JSON web token, also one cut short
    (re.compile(r"[\w.+%-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})*"), f"{_MASK}@{_MASK}"),
    (re.compile(r"[A-Za-z0-9_+/=]{40,}"), _MASK),  # opaque and long: UUIDs are shorter between their hyphens
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without the given secrets and without whatever looks like a credential or an e-mail address."""
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def one_line(text: str, limit: int = 200) -> str:
    """Return `text` without control characters and line ends, at most `limit` characters long."""
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def sample_of(body: bytes, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of a body, masked, at most 4 KiB when encoded as UTF-8."""
    secrets = tuple(secrets)
    text = body[: 2 * SAMPLE_BYTES].decode("utf-8", "replace")
    if len(body) > 2 * SAMPLE_BYTES:  # a secret cut in two by the limit must not escape the mask
        longest = max((len(secret) for secret in secrets), default=0)
        text = text[: len(text) - longest] if longest else text
    text = _CONTROL.sub(" ", mask(text, secrets))
    return text.encode()[:SAMPLE_BYTES].decode("utf-8", "ignore")
