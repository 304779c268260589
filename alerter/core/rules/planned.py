"""Planned activity: days of which the config says that much use is expected of somebody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alerter.core.model import Contract, LeafUser
    from alerter.core.rules.base import Match


PLANNED = "planned"  # why a finding is muted, and why an alert was closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """UTC days `first_on` to `last_on`, both included, on which much use of `match` is no news."""

    first_on: date
    last_on: date
    match: Match
    reason: str = ""
    where: str = ""  # the place in the config

    def covers(self, contract: Contract, user: LeafUser | None, day: date) -> bool:
        """Say whether this very subject is meant on that day; an entry that names users is not about the contract."""
        if not self.first_on <= day <= self.last_on or not self.match.covers(contract):
            return False
        return not self.match.user if user is None else self.match.covers_user(user)

    def words(self) -> dict[str, Any]:
        """Return this as plain figures."""
        return {
            "reason": self.reason,
            "from": self.first_on.isoformat(),
            "to": self.last_on.isoformat(),
            "where": self.where,
        }


def plan_for(planned: Iterable[Planned], contract: Contract, user: LeafUser | None, day: date) -> Planned | None:
    """Return the first entry that means this subject on that day, or None."""
    return next((one for one in planned if one.covers(contract, user, day)), None)
