"""What a sandbox pretends: contracts, users, seasons, events and the conventions that the real API leaves open.

Days are written as ISO dates or as whole days from the scenario's `start` (`-30`, `12`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from alerter.core.area import Area, Unit, parse_area, parse_unit
from alerter.sandbox.faults import FaultRule


class Model(BaseModel):
    """A part of a scenario: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


def _read_area(value: Any) -> Any:
    return parse_area(value) if isinstance(value, str) else value


def _read_unit(value: Any) -> Any:
    return parse_unit(value) if isinstance(value, str) else value


def _read_day(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, (int, date)) and not isinstance(value, datetime)):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("write a date (2026-03-02) or whole days from the start (12, -30)") from None


def _read_instant(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


AreaText = Annotated[Area, BeforeValidator(_read_area)]
UnitText = Annotated[Unit, BeforeValidator(_read_unit)]
Day = Annotated[Annotated[int, Field(strict=True, ge=-100_000, le=100_000)] | date, BeforeValidator(_read_day)]
Instant = Annotated[datetime, BeforeValidator(_read_instant)]
Share = Annotated[float, Field(ge=0, le=1)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
UserRef = str | int  # a name, an id, or a position in the list of users


# ------------------------------------------------------------------ people
class Login(Model):
    """The API owner's credentials and how long tokens last."""

    username: str = "owner@example.com"
    password: str = "sandbox"  # noqa: S105 -- the sandbox's public default; it guards made-up figures
    token_lasts: timedelta = timedelta(hours=24)
    remembered_token_lasts: timedelta = timedelta(days=30)


class NamedUser(Model):
    """A user whose name or share matters; any text is allowed as a name, hostile text too."""

    name: str
    id: str | None = None
    email: str | None = None
    external_id: str | None = None
    share: Share | None = None  # of every contract's usage; without it a draw from the heavy tail


class Users(Model):
    """Everybody: the named ones first, then invented ones up to `count`."""

    count: int = Field(default=20, ge=1, le=1_000_000)
    named: tuple[NamedUser, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Users:
        if len(self.named) > self.count:
            raise ValueError(f"{len(self.named)} named users do not fit into count: {self.count}")
        if sum(user.share or 0 for user in self.named) > 1:
            raise ValueError("the named users' shares add up to more than 1")
        return self


# ------------------------------------------------------------------ usage
class Peak(Model):
    """A busy season: around `day` (MM-DD) usage is `height` times the base on top, fading over `width` days."""

    day: Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
    height: float = Field(ge=0, le=100)
    width: float = Field(default=22, gt=0, le=200)


class Usage(Model):
    """How a contract's users behave; the defaults are planting, harvest and quiet Sundays."""

    per_year: AreaText = Area(250_000, Unit.ACRE)
    peaks: tuple[Peak, ...] = (Peak(day="05-01", height=2.0, width=25), Peak(day="10-05", height=2.5, width=25))
    weekdays: tuple[Share, Share, Share, Share, Share, Share, Share] = (1, 1, 1, 1, 1, 0.6, 0.4)  # Monday first
    activity: float = Field(default=0.7, gt=0, le=1)  # chance of a user having any usage on a full weekday
    noise: Share = 0.4  # a user's active day lies within this share of its usual one
    tail: float = Field(default=1.0, ge=0, le=3)  # sd of the logarithm of the users' sizes
    overlap: Share = 0.08  # share of the land outside the day's largest user that somebody else has already
    area_once: bool = False  # land counts once per user and term: the curve flattens
    late_share: Share = 0.0  # share of a day that is only known `late_days` later, trickling in
    late_days: int = Field(default=2, ge=1, le=60)


class ContractSpec(Model):
    """A contract with its first term; further terms follow with new ids where it renews."""

    name: Slug
    product: str
    region: str | None = None
    start: Day
    end: Day | None = None  # the first day not covered
    id: str | None = None  # of the first term
    renews: bool = True
    renewal_seen: int = Field(default=0, ge=0)  # days before its start that the next term is listed
    earlier_terms: int = Field(default=0, ge=0, le=10)
    quota: AreaText | None = None
    unit: UnitText = Unit.ACRE
    users: int | tuple[UserRef, ...] | None = None  # the first so many, or these; None: everybody
    usage: Usage = Usage()


# ------------------------------------------------------------------ events
class Spike(Model):
    """On one day a user (or, without one, everybody) has `area` more, or `factor` times a usual active day more."""

    kind: Literal["spike"]
    contract: str
    user: UserRef | None = None
    day: Day
    area: AreaText | None = None
    factor: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_size(self) -> Spike:
        if (self.area is None) == (self.factor is None):
            raise ValueError("a spike needs either area or factor")
        if self.area is not None and self.user is None:
            raise ValueError("a spike with an area needs a user; for everybody give a factor")
        return self


class Surge(Model):
    """From one day to another (included) a user or everybody has `factor` times the usual."""

    kind: Literal["surge"]
    contract: str
    user: UserRef | None = None
    from_: Day = Field(alias="from")
    to: Day
    factor: float = Field(ge=0)


class Revision(Model):
    """A day's figures are multiplied by `factor`, `after` days later: late processing, or a correction."""

    kind: Literal["revision"]
    contract: str
    user: UserRef | None = None
    day: Day
    after: int = Field(ge=1)
    factor: float = Field(ge=0)


class MissingDay(Model):
    """A day is missing from ranges, and its summary answers 404, nothing, or the day before."""

    kind: Literal["missing_day"]
    contract: str
    day: Day
    until: Day | None = None  # the day it is there after all
    answer: Literal["not_found", "empty", "day_before"] = "not_found"


class UnitSwitch(Model):
    """From an instant on all answers are in `to`: of one contract, or of all."""

    kind: Literal["unit_switch"]
    contract: str | None = None
    at: Day | Instant
    to: UnitText


class UserAppears(Model):
    """A user is new on a day: unknown and idle before."""

    kind: Literal["user_appears"]
    user: UserRef
    day: Day


class UserVanishes(Model):
    """A user is gone from every answer from a day on, until it returns."""

    kind: Literal["user_vanishes"]
    user: UserRef
    day: Day
    until: Day | None = None


class ContractVanishes(Model):
    """A contract is gone from every answer from a day on, until it returns."""

    kind: Literal["contract_vanishes"]
    contract: str
    day: Day
    until: Day | None = None


Event = Annotated[
    Spike | Surge | Revision | MissingDay | UnitSwitch | UserAppears | UserVanishes | ContractVanishes,
    Field(discriminator="kind"),
]


# ------------------------------------------------------------------ the whole
class SummaryMeans(StrEnum):
    """What the areas of a day's summary are."""

    CUMULATIVE = "cumulative"  # since the term's start, up to and including the day
    DAILY = "daily"  # the day's alone


class Conventions(Model):
    """Answers to what the documentation leaves open; clients must cope with all of them."""

    summary_means: SummaryMeans = SummaryMeans.CUMULATIVE
    range_start: Literal["inclusive", "exclusive"] = "inclusive"
    range_end: Literal["inclusive", "exclusive"] = "inclusive"
    zero_days: Literal["listed", "omitted"] = "listed"  # organisation or user without new area that day
    today: Literal["included", "omitted"] = "included"  # in ranges
    range_total: Literal["term", "range"] = "term"  # totalArea counts from the term's or the range's start
    idle_users: Literal["listed", "omitted"] = "omitted"  # users with nothing to show in a summary
    contracts_paged: bool = False
    ended_listed: int | None = Field(default=None, ge=0)  # days that ended terms stay in the list; None: for ever
    refresh: timedelta = timedelta(minutes=15)  # how often the open day's figures move

    @field_validator("refresh")
    @classmethod
    def _positive(cls, refresh: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= refresh <= timedelta(days=1):
            raise ValueError("refresh must be between a second and a day")
        return refresh


class Scenario(Model):
    """Everything a sandbox needs to know; the same scenario gives the same answers at the same instant."""

    name: str = "sandbox"
    seed: int = Field(default=1, ge=0, lt=2**63)
    start: Instant
    days: int = Field(default=75, ge=1)  # how long the story is worth watching
    account: Login = Login()
    users: Users = Users()
    contracts: tuple[ContractSpec, ...]
    events: tuple[Event, ...] = ()
    conventions: Conventions = Conventions()
    faults: tuple[FaultRule, ...] = ()

    def day(self, day: int | date) -> date:
        """Return the date that a scenario's day means."""
        return self.start.date() + timedelta(days=day) if isinstance(day, int) else day

    def instant(self, at: int | date | datetime) -> datetime:
        """Return the instant that a scenario's day (its midnight) or instant means."""
        if isinstance(at, datetime):
            return at
        day = self.day(at)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)

    @model_validator(mode="after")
    def _hangs_together(self) -> Scenario:
        names = [contract.name for contract in self.contracts]
        if not names:
            raise ValueError("there is no contract")
        if len(set(names)) < len(names):
            raise ValueError("two contracts have one name")
        ids = [user.id for user in self.users.named if user.id] + [each.id for each in self.contracts if each.id]
        if len(set(ids)) < len(ids):
            raise ValueError("one id is given twice")
        for number, contract in enumerate(self.contracts):
            self._check_contract(f"contracts[{number}]", contract)
        for number, event in enumerate(self.events):
            self._check_event(f"events[{number}]", event, names)
        return self

    def _check_contract(self, where: str, contract: ContractSpec) -> None:
        if contract.end is not None and self.day(contract.end) <= self.day(contract.start):
            raise ValueError(f"{where}: the end is not after the start")
        if isinstance(contract.users, tuple):
            if not contract.users or len(set(contract.users)) < len(contract.users):
                raise ValueError(f"{where}: users must name somebody, and nobody twice")
            for user in contract.users:
                self._check_user(where, user)
        elif contract.users is not None and not 1 <= contract.users <= self.users.count:
            raise ValueError(f"{where}: users must lie between 1 and users.count ({self.users.count})")

    def _check_event(self, where: str, event: Any, names: list[str]) -> None:
        contract = getattr(event, "contract", None)
        if contract is not None and contract not in names:
            raise ValueError(f"{where}: no contract is named {contract!r}; there are {', '.join(names)}")
        user = getattr(event, "user", None)
        if user is not None:
            self._check_user(where, user)

    def _check_user(self, where: str, user: UserRef) -> None:
        if isinstance(user, int):
            if not 0 <= user < self.users.count:
                raise ValueError(f"{where}: there is no user {user}; positions go from 0 to {self.users.count - 1}")
        elif not any(user in (named.name, named.id) for named in self.users.named):
            raise ValueError(f"{where}: no named user is {user!r}")
