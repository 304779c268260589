"""Addresses of servers and proxies: what may be talked to, and in the clear only on this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import PlainValidator, WithJsonSchema

from alerter.config.values import shown, text_of, wrong


def is_loopback(host: str) -> bool:
    """Say whether `host` names this very machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_server(value: object) -> str:
    """Read the address of a server: https, or plain http to this machine only; no password, query or fragment."""
    text = text_of(value, "an https:// address").strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise wrong(f"{shown(value)} is not an address") from None
    if parts.scheme not in ("https", "http") or not host or re.search(r"\s", text):
        raise wrong(f"expected an address such as https://api.example.com, found {shown(value)}")
    if parts.username is not None or parts.password is not None:
        raise wrong("a user or a password does not belong in this address")
    if parts.query or parts.fragment:
        raise wrong("this address takes neither ? nor #")
    if parts.scheme == "http" and not is_loopback(host):
        raise wrong("plain http is allowed to this machine only (127.0.0.1, localhost); write https://")
    return text.rstrip("/")


def parse_proxy(value: object) -> str:
    """Read `http://host:port`, perhaps with user and password in front of the host."""
    text = text_of(value, "a proxy address").strip()
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        fits = False
    if not fits or re.search(r"\s", text):
        raise wrong("expected a proxy such as http://proxy.example.com:3128")
    return str(text)


Server = Annotated[
    str, PlainValidator(parse_server), WithJsonSchema({"type": "string", "examples": ["https://api.withleaf.io"]})
]
Proxy = Annotated[
    str, PlainValidator(parse_proxy), WithJsonSchema({"type": "string", "examples": ["http://proxy.example.com:3128"]})
]
