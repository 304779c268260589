"""Access tokens shaped like JWTs: signed, expiring by the given instant, revocable all at once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import threading
from datetime import datetime, timedelta
from typing import Any


class Tokens:
    """Issue and check tokens; the key comes from `seed`, so a restarted sandbox knows its own tokens."""

    def __init__(self, *, seed: int, lasts_for: timedelta, remembered_for: timedelta) -> None:
        self._key = hashlib.sha256(f"sandbox token key {seed}".encode()).digest()
        self._lasts_for = lasts_for
        self._remembered_for = remembered_for
        self._generation = 0
        self._lock = threading.Lock()

    def issue(self, username: str, *, now: datetime, remember: bool) -> str:
        """Return a token that is good from `now` on, for a day or (remembered) a month, or as configured."""
        expires_at = now + (self._remembered_for if remember else self._lasts_for)
        with self._lock:
            generation = self._generation
        claims = {"sub": username, "auth": "ROLE_API_OWNER", "gen": generation, "exp": expires_at.timestamp()}
        signed = f"{_pack({'alg': 'HS256', 'typ': 'JWT'})}.{_pack(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def accepts(self, token: str, *, now: datetime) -> bool:
        """Say whether `token` was issued here, is not expired at `now` and not revoked."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        claims = _unpack(signed.partition(".")[2])
        with self._lock:
            return claims.get("gen") == self._generation and now.timestamp() < float(claims.get("exp", 0))

    def revoke_all(self) -> None:
        """Make every token issued so far an expired one."""
        with self._lock:
            self._generation += 1

    def _signature(self, signed: str) -> str:
        return _encode(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _pack(document: dict[str, Any]) -> str:
    return _encode(json.dumps(document, separators=(",", ":")).encode())


def _unpack(part: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return document if isinstance(document, dict) else {}
