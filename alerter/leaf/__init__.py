"""The Leaf API over HTTP: a strict, bounded client that turns answers into the values of `core.answers`."""

from __future__ import annotations

from alerter.leaf.auth import Credentials, Password, Token
from alerter.leaf.client import CallRecord, LeafClient

__all__ = ["CallRecord", "Credentials", "LeafClient", "Password", "Token"]
