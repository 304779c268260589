"""Take secrets out of text, however they were written into it."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"
_SHORTEST_ANYWHERE = 4  # a shorter secret is masked only where it stands alone, or no line would stay readable
_SHORTEST_PART = 8  # of a URL: what is shorter, or has no digit, is a word of the address rather than a token
_PLAIN_HOSTS = frozenset(
    {"http", "https", "json", "jsons", "form", "forms", "xml", "xmls", "mailto", "mailtos", "smtp"}
)
_DEEPEST = 6


class Redactor:
    """Mask every occurrence of the given secrets: raw, URL-encoded, base64 at any offset, JSON- and HTML-escaped.

    Of a secret that is a URL (a notification service's) its password and token-like parts are secrets too.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        whole = {secret for secret in secrets if secret.strip()}
        whole |= {part for secret in whole for part in _url_parts(secret)}
        spellings = {spelling for secret in whole for spelling in _spellings(secret)}
        # The longest first, so that no remainder of a secret that contains another one stays behind.
        patterns = [_pattern(spelling) for spelling in sorted(spellings, key=lambda text: (-len(text), text))]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def text(self, text: str) -> str:
        """Return `text` without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return plain data without secrets in it; what is neither text, number, list nor mapping becomes text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict) and depth < _DEEPEST:
            return {self.text(str(key)): self.value(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
            return [self.value(item, depth + 1) for item in value]
        return self.text(str(value))


def _pattern(spelling: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(spelling) >= _SHORTEST_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    if secret != secret.strip():
        yield secret.strip()  # a trailing line feed of a file is lost on most ways
    for encoded in (quote(secret), quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe="")):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    yield from _base64(secret.encode("utf-8", "surrogatepass"))


def _base64(secret: bytes) -> Iterator[str]:
    """Yield what base64 makes of `secret` wherever it stands in a longer text, less the characters it shares."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + secret).decode().rstrip("=")
        first = (0, 2, 3)[offset]
        last = len(encoded) if (offset + len(secret)) % 3 == 0 else len(encoded) - 1
        if last - first >= _SHORTEST_ANYWHERE:
            yield encoded[first:last]
            yield encoded[first:last].translate(str.maketrans("+/", "-_"))


def _url_parts(secret: str) -> Iterator[str]:
    scheme, colon, rest = secret.partition("://")
    if not colon:
        return
    try:
        password = urlsplit(secret).password
    except ValueError:  # no valid URL: its parts are looked at all the same
        password = None
    if password:
        yield password
        yield unquote(password)
    parts = re.split(r"[/?&=:@,]+", rest)
    for part in parts[1:] if scheme.lower() in _PLAIN_HOSTS and "@" not in rest.partition("/")[0] else parts:
        word = "." not in part and len(part) >= _SHORTEST_PART
        if word and re.search(r"\d", part) and re.search("[A-Za-z]", part):
            yield part
            yield unquote(part)
