"""The `rules:` of the config, one model per kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from alerter.config.base import Section, setting
from alerter.config.matching import ALERT_LABELS, RuleMatch
from alerter.config.values import (
    AnyArea,
    Bar,
    Complaint,
    Percent,
    Points,
    SeverityWord,
    Slug,
    SomeArea,
    Text,
    YesNo,
    all_wrong,
    at,
    duration,
    number,
    shown,
    words,
    wrong,
)
from alerter.core.model import Severity

Snapshots = Annotated[int, *number(1, 100, whole=True)]
Remind = Annotated[timedelta, *duration("1m", "365d")]
_MEASURE = words("billed", "unique")
_PER = words("term", "month", "week", "day")


# ------------------------------------------------------------------ tiers
class TierConfig(Section):
    """A step at which a message is sent."""

    at: Percent = Field(description="The step, in percent; over 100 is fine.")
    severity: SeverityWord = setting("warning", "info, warning or critical.")
    remind: Remind | None = setting(None, "Say it again this often while it lasts; unset: say it once.")


class DayTierConfig(Section):
    """A number of days before the end at which a message is sent."""

    days: Annotated[int, *number(0, 3650, whole=True)] = Field(description="Days before the term's end.")
    severity: SeverityWord | None = setting(None, "Unset: critical from 7 days, warning from 30, else info.")
    remind: Remind | None = setting(None, "Say it again this often while it lasts; unset: say it once.")

    @property
    def grade(self) -> Severity:
        """The severity set, or the one that fits the days."""
        if self.severity is not None:
            return self.severity
        if self.days <= 7:
            return Severity.CRITICAL
        return Severity.WARNING if self.days <= 30 else Severity.INFO


def _day_or_tier(value: object) -> object:
    return value if isinstance(value, (dict, DayTierConfig, list)) else {"days": value}


def why_unfit_tiers(tiers: Mapping[int, float], gap: float, *, bar: float = 0.0) -> Iterator[Complaint]:
    """Yield what is wrong with tiers (index to percent) that do not rise above `bar` in steps larger than `gap`."""
    before = bar
    if bar and bar <= gap:
        yield at(("..", "gap"), f"the gap must be less than {bar:g} points, or the alert is never over")
    for index, percent in tiers.items():
        if percent <= before:
            why = f"comes after {before:g}%" if index else f"is not above the bar, which is {before:g}%"
            yield at((index, "at"), f"tiers must rise, but {percent:g}% {why}")
        elif percent - before <= gap:
            room = f"{before:g}%" if before else "zero"
            why = f"{percent:g}% must be further from {room} than the gap of {gap:g} points"
            yield at((index, "at"), why, instead=("..", "gap"))
        before = percent


# ------------------------------------------------------------------ rules
class RuleConfig(Section):
    """What every rule has."""

    id: Slug = Field(description="Your name for the rule; keep it, for state hangs on it.")
    kind: Text = Field(description="What the rule watches.")
    enabled: YesNo = setting(True, "Switch the rule off without deleting it.")
    match: RuleMatch = setting({}, "Which contracts and users: account, product, region, contract, user.")
    labels: dict[Slug, Text] = setting({}, "Labels of your own, for routes.")
    confirm: Snapshots = setting(1, "Polls in a row that must agree before it fires.")
    resolve_confirm: Snapshots = setting(2, "Fresh polls in a row that must agree before it is over.")
    previous_ids: tuple[Slug, ...] = setting((), "Former names of this rule, so that a renaming keeps its state.")

    @field_validator("labels")
    @classmethod
    def _own_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        why = "is a label that every alert has; choose another name"
        taken = [at((label, "[key]"), f"{label!r} {why}") for label in labels if label in ALERT_LABELS]
        if taken:
            raise all_wrong(taken)
        return labels


class ContractCapRule(RuleConfig):
    """A contract's use against its cap."""

    kind: Literal["contract_cap"] = Field(description="A contract's use against its cap.")
    measure: Annotated[str, *_MEASURE] = setting("billed", "billed: the sum over users; unique: overlap removed.")
    cap: SomeArea | None = setting(None, "A cap of this rule's own; unset: the one in `contracts`, or the API's.")
    per: Annotated[str, *_PER] = setting("term", "The window that is counted: term, month, week or day (UTC).")

    gap: Points = setting(2, "Percent points below a tier before it counts as left again.")
    tiers: tuple[TierConfig, ...] = setting(
        (
            {"at": "50%", "severity": "info"},
            {"at": "80%", "severity": "warning", "remind": "7d"},
            {"at": "100%", "severity": "critical", "remind": "1d"},
        ),
        "At which percentages of the cap to send a message.",
    )

    @field_validator("tiers")
    @classmethod
    def _tiers_fit(cls, tiers: tuple[TierConfig, ...], info: ValidationInfo) -> tuple[TierConfig, ...]:
        return _fitting(tiers, info)


class CapOverrideConfig(Section):
    """Another cap for one user or a group of them."""

    user: Text = Field(description="A Leaf user's id, name, or a glob over names.")
    cap: SomeArea = Field(description="Their cap.")


class UserCapRule(RuleConfig):
    """Each Leaf user's use against a cap of their own."""

    kind: Literal["user_cap"] = Field(description="Each Leaf user's use against a cap.")
    cap: SomeArea | None = setting(None, "The cap of every user.")
    share: Percent | None = setting(None, "Instead of `cap`: a percentage of the contract's cap.")
    overrides: tuple[CapOverrideConfig, ...] = setting((), "Other caps: an id beats a name, a name beats a glob.")
    per: Annotated[str, *_PER] = setting("term", "The window that is counted: term, month, week or day (UTC).")

    gap: Points = setting(2, "Percent points below a tier before it counts as left again.")
    severity: SeverityWord = setting("warning", "The severity at 100 %, where no tiers are given.")
    tiers: tuple[TierConfig, ...] = setting((), "At which percentages of the cap to send a message; unset: at 100 %.")

    @field_validator("tiers")
    @classmethod
    def _tiers_fit(cls, tiers: tuple[TierConfig, ...], info: ValidationInfo) -> tuple[TierConfig, ...]:
        return _fitting(tiers, info, bar=0.0 if tiers else 100.0)

    @field_validator("share")
    @classmethod
    def _cap_or_share(cls, share: float | None, info: ValidationInfo) -> float | None:
        if share is not None and info.data.get("cap") is not None:
            raise wrong("stands beside `cap`; give one of the two")
        return share

    @field_validator("overrides")
    @classmethod
    def _some_cap(cls, overrides: tuple[CapOverrideConfig, ...], info: ValidationInfo) -> tuple[CapOverrideConfig, ...]:
        if not overrides and info.data.get("cap", 0) is None and info.data.get("share", 0) is None:
            raise all_wrong([at(("..",), "has no cap; give `cap`, `share` or `overrides`")])
        return overrides

    @field_validator("overrides")
    @classmethod
    def _one_cap_each(cls, overrides: tuple[CapOverrideConfig, ...]) -> tuple[CapOverrideConfig, ...]:
        seen: set[str] = set()
        problems: list[Complaint] = []
        for index, override in enumerate(overrides):
            if override.user in seen:
                problems.append(at((index, "user"), f"{shown(override.user)} has an override already"))
            seen.add(override.user)
        if problems:
            raise all_wrong(problems)
        return overrides


class DailySpikeRule(RuleConfig):
    """A day with far more use than usual."""

    kind: Literal["daily_spike"] = Field(description="A day with far more use than usual.")
    severity: SeverityWord = setting("warning", "info, warning or critical.")
    gap: Points = setting(10, "Percent points below the bar before a revised day counts as corrected.")
    scope: Annotated[str, *words("contract", "user")] = setting("contract", "Watch the contract's sum, or each user.")
    method: Annotated[str, *words("auto", "active", "season", "absolute", "ratio")] = setting(
        "auto",
        "Where the bar is: active (mean and spread of the last 56 days with use), season (the same weeks of the "
        "previous term), absolute (`at_least`), ratio (`ratio` times the median); auto takes season where the previous "
        "term is stored, else active, and says which.",
    )
    sensitivity: Annotated[str, *words("low", "normal", "high")] = setting(
        "normal", "Of the active bar: 6, 4.75, 4 sigma."
    )
    at_least: Bar | None = setting(None, "The bar of method absolute: an area, or a percentage of the cap.")
    ratio: Annotated[float, *number(1, 1000, above=True)] = setting(
        3, "The bar of method ratio: this many times the median."
    )
    minimum: AnyArea | None = setting(
        None, "Days below this area are never spikes; unset: 2 % of the cap, for users 25 % of the mean active day."
    )
    measure: Annotated[str, *_MEASURE] = setting("billed", "billed: the sum over users; unique: overlap removed.")
    tiers: tuple[TierConfig, ...] = setting((), "More steps above the bar, which is 100 %: e.g. 200 % critical.")

    @field_validator("tiers")
    @classmethod
    def _tiers_fit(cls, tiers: tuple[TierConfig, ...], info: ValidationInfo) -> tuple[TierConfig, ...]:
        return _fitting(tiers, info, bar=100.0)

    @field_validator("at_least")
    @classmethod
    def _absolute_needs_a_bar(cls, at_least: Any, info: ValidationInfo) -> Any:
        if at_least is None and info.data.get("method") == "absolute":
            needs = "method absolute needs `at_least`: an area, or a percentage of the cap"
            raise all_wrong([at(("..", "method"), needs)])
        return at_least


class ContractEndRule(RuleConfig):
    """The days until a term ends."""

    kind: Literal["contract_end"] = Field(description="The days until a term ends.")
    days: tuple[Annotated[DayTierConfig, BeforeValidator(_day_or_tier)], ...] = setting(
        (60, 30, 14, 7, 1), "How many days before the end to send a message; or {days: 14, severity: warning}."
    )

    @field_validator("days")
    @classmethod
    def _descending(cls, days: tuple[DayTierConfig, ...]) -> tuple[DayTierConfig, ...]:
        if not days:
            raise wrong("is empty; leave the key out for 60, 30, 14, 7 and 1 days")
        seen: set[int] = set()
        problems: list[Complaint] = []
        for index, tier in enumerate(days):
            if tier.days in seen:
                problems.append(at((index, "days"), f"{tier.days} days is there already"))
            seen.add(tier.days)
        if problems:
            raise all_wrong(problems)
        return tuple(sorted(days, key=lambda tier: -tier.days))


class ExhaustionRule(RuleConfig):
    """The probability that the cap is reached before the term ends."""

    kind: Literal["exhaustion"] = Field(description="A forecast: will the cap be reached before the term ends?")
    cap: SomeArea | None = setting(None, "A cap of this rule's own; unset: the one in `contracts`, or the API's.")
    days: Annotated[int, *number(1, 30, whole=True)] = setting(3, "Settled days running that must agree.")
    gap: Points = setting(10, "Percent points below a tier before it counts as left again.")
    tiers: tuple[TierConfig, ...] = setting(
        ({"at": "50%", "severity": "warning"}, {"at": "90%", "severity": "critical"}),
        "At which probabilities to send a message; a likely day within 30 days counts as 90 %.",
    )

    @field_validator("tiers")
    @classmethod
    def _tiers_fit(cls, tiers: tuple[TierConfig, ...], info: ValidationInfo) -> tuple[TierConfig, ...]:
        beyond = [
            at((index, "at"), "no probability is above 100%") for index, tier in enumerate(tiers) if tier.at > 100
        ]
        if beyond:
            raise all_wrong(beyond)
        return _fitting(tiers, info)


def _fitting(tiers: tuple[TierConfig, ...], info: ValidationInfo, *, bar: float = 0.0) -> tuple[TierConfig, ...]:
    if not tiers and not bar:
        raise wrong("is empty; leave the key out for the default tiers")
    if "gap" not in info.data:  # it is wrong itself, and says so
        return tiers
    complaints = tuple(why_unfit_tiers({index: tier.at for index, tier in enumerate(tiers)}, info.data["gap"], bar=bar))
    if complaints:
        raise all_wrong(complaints)
    return tiers


AnyRule = Annotated[
    ContractCapRule | UserCapRule | DailySpikeRule | ContractEndRule | ExhaustionRule,
    Field(discriminator="kind"),
]
RULE_KINDS: dict[str, type[RuleConfig]] = {
    "contract_cap": ContractCapRule,
    "user_cap": UserCapRule,
    "daily_spike": DailySpikeRule,
    "contract_end": ContractEndRule,
    "exhaustion": ExhaustionRule,
}


def default_rules() -> Any:
    """Return the rules that are in force where the file names none, written as the file would."""
    return [
        {"id": "spike", "kind": "daily_spike"},
        {"id": "contract-cap", "kind": "contract_cap"},
        {"id": "term-end", "kind": "contract_end"},
    ]
