"""The world behind a sandbox: which contracts and users exist at an instant, and their figures.

A pure function of (scenario, instant): nothing that is asked changes what is answered later.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from alerter.core.area import Unit
from alerter.sandbox.figures import CENTI, Amounts, DayFigures, Extra, Late, Plan, TermFigures, heavy_tailed
from alerter.sandbox.names import invented_name
from alerter.sandbox.scenario import (
    ContractSpec,
    ContractVanishes,
    MissingDay,
    NamedUser,
    Revision,
    Scenario,
    Spike,
    Surge,
    UnitSwitch,
    UserAppears,
    UserRef,
    UserVanishes,
)

_FOREVER = date.max.toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxUser:
    """A Leaf user."""

    position: int  # in the scenario's list
    id: str
    name: str
    email: str
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of a contract; `users` are positions in the scenario's list, in the order of the figures' columns."""

    spec: ContractSpec
    number: int  # 0 is the one in the scenario, 1 its successor, -1 its predecessor
    id: str
    start_on: date
    end_on: date | None  # the first day not covered
    users: range | tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRow:
    """One day of a range, in hundredths of an acre."""

    day: date
    total: int
    daily: int


class World:
    """Answer what there is at an instant; thread-safe, lazy, and the same for the same scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.users: tuple[SandboxUser, ...] = tuple(self._make_users())
        self._by_ref: dict[UserRef, int] = {}
        for user in self.users[: len(scenario.users.named)]:
            self._by_ref.setdefault(user.name, user.position)
        self._by_ref |= {user.id: user.position for user in self.users}
        self._absences = tuple(self._find_absences())
        self._terms: dict[tuple[str, int], Term] = {}
        self._figures: dict[str, TermFigures] = {}
        self._lock = threading.Lock()

    # -------------------------------------------------------------- who and what is there
    def terms(self, now: datetime) -> list[Term]:
        """Return the terms listed at `now`: earlier ones, running ones, announced ones; vanished ones left out."""
        found: list[Term] = []
        for spec in self.scenario.contracts:
            if not self._gone(ContractVanishes, "contract", spec.name, now):
                found.extend(self._listed(spec, now.date()))
        return found

    def term(self, contract_id: str, now: datetime) -> Term | None:
        """Return the listed term of that id, or None."""
        return next((term for term in self.terms(now) if term.id == contract_id), None)

    def users_at(self, now: datetime) -> list[SandboxUser]:
        """Return the users there are at `now`."""
        today = now.date().toordinal()
        gone = {user for user, first, end in self._absences if first <= today < end}
        return [user for user in self.users if user.position not in gone] if gone else list(self.users)

    def user(self, user_id: str, now: datetime) -> SandboxUser | None:
        """Return the user of that id who is there at `now`, or None."""
        position = self._by_ref.get(user_id)
        if position is None or self.users[position].id != user_id:
            return None
        return None if position in self.absent(now) else self.users[position]

    def absent(self, now: datetime) -> set[int]:
        """Return the positions of users who are not there at `now`."""
        today = now.date().toordinal()
        return {user for user, first, end in self._absences if first <= today < end}

    def unit(self, term: Term, now: datetime) -> Unit:
        """Return the unit in which this term's figures are given at `now`."""
        unit, switched_at = term.spec.unit, datetime.min.replace(tzinfo=UTC)
        for event in self.scenario.events:
            if isinstance(event, UnitSwitch) and event.contract in (None, term.spec.name):
                at = self.scenario.instant(event.at)
                if switched_at <= at <= now:
                    unit, switched_at = event.to, at
        return unit

    def missing(self, term: Term, day: date, now: datetime) -> MissingDay | None:
        """Return the event that hides this day of this term at `now`, or None."""
        for event in self.scenario.events:
            if isinstance(event, MissingDay) and event.contract == term.spec.name:
                until = self.scenario.day(event.until) if event.until is not None else date.max
                if self.scenario.day(event.day) == day and now.date() < until:
                    return event
        return None

    # -------------------------------------------------------------- figures
    def day(self, term: Term, day: date, now: datetime) -> DayFigures:
        """Return the day's new area per user, as known at `now`."""
        return self.figures(term).day(day.toordinal(), now)

    def user_totals(self, term: Term, day: date, now: datetime) -> Amounts:
        """Return every user's total since the term's start, up to and including `day`, as known at `now`."""
        return self.figures(term).user_totals(day.toordinal(), now)

    def totals(self, term: Term, day: date, now: datetime) -> tuple[int, int]:
        """Return the billed and the unique total since the term's start, up to and including `day`."""
        return self.figures(term).totals(day.toordinal(), now)

    def owner_rows(self, term: Term, first: date, last: date, now: datetime) -> list[RangeRow]:
        """Return the organisation's days from `first` to `last` within the term and up to today, overlap removed."""
        figures = self.figures(term)
        rows = []
        days = self._days(term, first, last, now)
        total = figures.totals(days.start - 1, now)[1] if days else 0
        for day in days:
            daily = figures.day(day, now).unique
            total += daily
            rows.append(RangeRow(day=date.fromordinal(day), total=total, daily=daily))
        return rows

    def user_rows(self, term: Term, column: int, first: date, last: date, now: datetime) -> list[RangeRow]:
        """Return one user's days, like `owner_rows`; `column` is the user's place in `term.users`."""
        figures = self.figures(term)
        rows = []
        days = self._days(term, first, last, now)
        total = int(figures.user_totals(days.start - 1, now)[column]) if days else 0
        for day in days:
            daily = figures.day(day, now).of_user(column)
            total += daily
            rows.append(RangeRow(day=date.fromordinal(day), total=total, daily=daily))
        return rows

    def truth(self, now: datetime) -> list[dict[str, Any]]:
        """Return what the sandbox knows of every listed term: per day billed and unique, known and final, in acres."""
        return [
            {
                "contract": term.spec.name,
                "id": term.id,
                "unit": self.unit(term, now).value,
                "days": [self._true_day(term, day, now) for day in self._days(term, date.min, date.max, now)],
            }
            for term in self.terms(now)
        ]

    def figures(self, term: Term) -> TermFigures:
        """Return the figures of a term."""
        with self._lock:
            if term.id not in self._figures:
                self._figures[term.id] = TermFigures(self._plan(term))
            return self._figures[term.id]

    def _true_day(self, term: Term, day: int, now: datetime) -> dict[str, Any]:
        figures = self.figures(term)
        seen, final = figures.day(day, now), figures.final_day(day)
        billed, unique = figures.totals(day, now)
        return {
            "date": date.fromordinal(day).isoformat(),
            "billed": seen.billed / CENTI,
            "unique": seen.unique / CENTI,
            "billed_total": billed / CENTI,
            "unique_total": unique / CENTI,
            "billed_final": final.billed / CENTI,
            "unique_final": final.unique / CENTI,
        }

    @staticmethod
    def _days(term: Term, first: date, last: date, now: datetime) -> range:
        end = term.end_on.toordinal() if term.end_on else _FOREVER
        start = max(first.toordinal(), term.start_on.toordinal())
        return range(start, max(start, min(last.toordinal(), now.date().toordinal(), end - 1) + 1))

    # -------------------------------------------------------------- making it
    def _make_users(self) -> Iterator[SandboxUser]:
        seed, users = self.scenario.seed, self.scenario.users
        for position in range(users.count):
            named = users.named[position] if position < len(users.named) else None
            named = named or NamedUser(name=invented_name(seed, position))
            yield SandboxUser(
                position=position,
                id=named.id or _uuid(f"{seed} user {position}"),
                name=named.name,
                email=named.email or f"user{position}@example.com",
                external_id=named.external_id,
            )

    def _find_absences(self) -> Iterator[tuple[int, int, int]]:
        for event in self.scenario.events:
            if isinstance(event, UserAppears):
                yield self._position(event.user), 0, self.scenario.day(event.day).toordinal()
            elif isinstance(event, UserVanishes):
                end = self.scenario.day(event.until).toordinal() if event.until is not None else _FOREVER
                yield self._position(event.user), self.scenario.day(event.day).toordinal(), end

    def _position(self, user: UserRef) -> int:
        return user if isinstance(user, int) else self._by_ref[user]

    def _gone(self, kind: type[ContractVanishes], field: str, name: str, now: datetime) -> bool:
        for event in self.scenario.events:
            if isinstance(event, kind) and getattr(event, field) == name:
                until = self.scenario.instant(event.until) if event.until is not None else None
                if self.scenario.instant(event.day) <= now and (until is None or now < until):
                    return True
        return False

    def _listed(self, spec: ContractSpec, today: date) -> Iterator[Term]:
        number = -spec.earlier_terms if spec.end is not None else 0
        keep = self.scenario.conventions.ended_listed
        while True:
            term = self._term(spec, number)
            if number > 0 and term.start_on > today + timedelta(days=spec.renewal_seen):
                return
            if keep is None or term.end_on is None or today < term.end_on + timedelta(days=keep):
                yield term
            if term.end_on is None or (number >= 0 and not spec.renews):
                return
            number += 1

    def _term(self, spec: ContractSpec, number: int) -> Term:
        key = (spec.name, number)
        if key not in self._terms:
            start, end = self.scenario.day(spec.start), spec.end
            users: range | tuple[int, ...]
            if isinstance(spec.users, tuple):
                users = tuple(self._position(user) for user in spec.users)
            else:
                users = range(spec.users or self.scenario.users.count)
            self._terms[key] = Term(
                spec=spec,
                number=number,
                id=spec.id if spec.id and number == 0 else _uuid(f"{self.scenario.seed} {spec.name} {number}"),
                start_on=start if end is None else _shifted(start, start, self.scenario.day(end), number),
                end_on=None if end is None else _shifted(start, start, self.scenario.day(end), number + 1),
                users=users,
            )
        return self._terms[key]

    def _plan(self, term: Term) -> Plan:
        column_of = {position: column for column, position in enumerate(term.users)}
        named = self.scenario.users.named
        fixed = {
            column_of[position]: user.share
            for position, user in enumerate(named)
            if user.share is not None and position in column_of
        }
        return Plan(
            # the sizes of a contract's users carry over to the next term; the days' keys are the days themselves
            seed=f"{self.scenario.seed} {term.spec.name}",
            first=term.start_on.toordinal(),
            end=term.end_on.toordinal() if term.end_on else _FOREVER,
            sizes=heavy_tailed(
                len(term.users),
                tail=term.spec.usage.tail,
                seed=f"{self.scenario.seed} {term.spec.name} sizes",
                fixed=fixed,
            ),
            usage=term.spec.usage,
            refresh=int(self.scenario.conventions.refresh.total_seconds()),
            extras=tuple(self._extras(term, column_of)),
            lates=tuple(self._lates(term, column_of)),
            absences=tuple((column_of[user], a, b) for user, a, b in self._absences if user in column_of),
        )

    def _extras(self, term: Term, column_of: dict[int, int]) -> Iterator[Extra]:
        for event in self.scenario.events:
            if isinstance(event, Spike | Surge) and event.contract == term.spec.name:
                user = None if event.user is None else column_of.get(self._position(event.user), -1)
                if user == -1:
                    continue
                if isinstance(event, Surge):
                    first, last = self.scenario.day(event.from_), self.scenario.day(event.to)
                    yield Extra(first=first.toordinal(), last=last.toordinal(), users=user, factor=event.factor)
                    continue
                day = self.scenario.day(event.day).toordinal()
                plus = round(event.area.to(Unit.ACRE).value * CENTI) if event.area else 0
                yield Extra(first=day, last=day, users=user, plus=plus, plus_usual=event.factor or 0)

    def _lates(self, term: Term, column_of: dict[int, int]) -> Iterator[Late]:
        for event in self.scenario.events:
            if isinstance(event, Revision) and event.contract == term.spec.name:
                day = self.scenario.day(event.day).toordinal()
                user = None if event.user is None else column_of.get(self._position(event.user), -1)
                yield Late(day=day, seen=day + event.after, user=user, factor=event.factor)


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{text}"))


def _shifted(day: date, start: date, end: date, terms: int) -> date:
    """Return `day` moved by so many terms: by years where a term is whole years long, else by its days."""
    if (start.month, start.day) == (end.month, end.day) and (start.month, start.day) != (2, 29):
        return day.replace(year=day.year + terms * (end.year - start.year))
    return day + terms * (end - start)
