"""`user_cap`: every user's area against a cap of theirs; numpy first, for objects are made only of those near it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import RELATIVE_TOLERANCE, Area
from alerter.core.model import Finding, History, LeafUser, Proof
from alerter.core.rules.base import EvalContext, Measure, Per, Rule
from alerter.core.rules.figures import common, in_unit, known, last_known, named, percent_of
from alerter.core.rules.windows import TERM_KEY, Window, term_proof, windows

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CapOverride:
    """A cap of its own for the users that `user` means: an exact id, an exact name, or a pattern for either."""

    user: str
    cap: Area


@dataclass(frozen=True, slots=True)
class Caps:
    """Each user's cap in the history's unit (U,), NaN for none, and where it came from."""

    amounts: Floats
    sources: list[str]  # what `origin` points at
    origin: NDArray[np.int64]  # (U,)
    notes: dict[int, str] = field(default_factory=dict)  # by user: an override that was not used, and why


@dataclass(frozen=True, slots=True)
class _Amounts:
    window: Window
    values: Floats  # (U,) NaN where nothing is known
    whole: Flags  # (U,) no part of it is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCap(Rule):
    """A cap on each user of a contract: an area, or a share of the contract's cap, and overrides for some."""

    kind: ClassVar[str] = "user_cap"

    cap: Area | None = None
    share: float | None = None
    overrides: tuple[CapOverride, ...] = ()
    per: Per = Per.TERM

    def findings(self, history: History, context: EvalContext) -> Iterator[Finding]:
        """Yield findings of the users near their cap and of the watched ones, by window, then by id."""
        caps = assign_caps(self, history, context)
        watched = self.watched_windows(context)
        seen: set[tuple[str, str]] = set()
        final: set[str] = set()
        shared = common(history, context, measure=Measure.BILLED.value, cap=None, source="")
        for amounts in self._amounts(history, context, {window for _, window in watched}):
            key = amounts.window.key
            if amounts.window.final:
                final.add(key)
            percents = 100 * amounts.values / caps.amounts
            for row in self._rows(history, percents, {who for who, window in watched if window == key}):
                user = history.users[row]
                seen.add((user.id, key))
                figures = self._figures(history, amounts, caps, row)
                yield self._word(history, user, amounts, row, percent=known(percents[row]), figures=shared | figures)
        yield from self._missing(history, sorted(watched - seen), shared, final)

    def _missing(
        self, history: History, unseen: list[tuple[str, str]], shared: dict[str, Any], final: set[str]
    ) -> Iterator[Finding]:
        """Speak of watched users who are in no answer any more: nothing is proved of them."""
        here = {user.id for user in history.users} if unseen else set()
        for who, window in unseen:
            if who not in here:
                user = LeafUser(id=who)
                figures = shared | _blank(user, self.per, window)
                yield self.finding(
                    history.contract, value=None, proof=Proof.UNKNOWN, figures=figures, window=window, user=user,
                    final=window in final,
                )  # fmt: skip

    def _amounts(self, history: History, context: EvalContext, watched: set[str]) -> Iterator[_Amounts]:
        if self.per is not Per.TERM:
            for window in windows(history, context, self.per, rule=self.id, watched=watched):
                yield _window_amounts(history, window)
            return
        newest = last_known(history.billed_total, history.term_index)
        proof = term_proof(history, newest[1] if newest else None)
        window = Window(TERM_KEY, history.term_index, history.days - 1, final=False, proof=proof)
        # Whoever is missing from the newest summaries has at least what was read before.
        newest_two = slice(max(0, history.window - history.days + history.newest_index - 1), history.window)
        recent: Flags = np.asarray(np.isfinite(history.user_daily[:, newest_two]).any(axis=1))
        unknown = np.full_like(history.user_total, np.nan)
        yield _Amounts(window, history.user_total if history.meaning.known else unknown, recent)

    def _rows(self, history: History, percents: Floats, watched: set[str]) -> list[int]:
        """Return the rows of the users to speak of, ascending; users that the rule does not mean are left out."""
        floor = self.clear_below()
        with np.errstate(invalid="ignore"):
            near = percents >= floor - RELATIVE_TOLERANCE * np.maximum(np.abs(percents), abs(floor))
        rows = set(np.flatnonzero(near).tolist())
        if watched:
            rows |= {row for row, user in enumerate(history.users) if user.id in watched}
        return sorted(row for row in rows if self.match.covers_user(history.users[row]))

    def _word(
        self,
        history: History,
        user: LeafUser,
        amounts: _Amounts,
        row: int,
        *,
        percent: float | None,
        figures: dict[str, Any],
    ) -> Finding:
        window = amounts.window
        return self.finding(
            history.contract,
            value=percent,
            proof=window.proof if amounts.whole[row] else Proof.LOWER_BOUND,
            figures=figures,
            window=window.key,
            user=user,
            final=window.final,
        )

    def _figures(self, history: History, amounts: _Amounts, caps: Caps, row: int) -> dict[str, Any]:
        value, cap = known(amounts.values[row]), known(caps.amounts[row])
        origin = caps.sources[int(caps.origin[row])]
        note = caps.notes.get(row)
        return {
            **_blank(history.users[row], self.per, amounts.window.key),
            "value": value,
            "cap": cap,
            "cap_source": origin and f"{self.where}: {origin}",
            "used_percent": percent_of(value, cap),
            "percent": percent_of(value, cap),
            "remaining": None if value is None or cap is None else cap - value,
            "cap_from": f"{origin} ({note})" if note else origin,
            "added_today": known(history.user_daily[row, -1]) if history.window else None,
        }


def _blank(user: LeafUser, per: Per, window: str) -> dict[str, Any]:
    return {
        "user": named(user),
        "value": None,
        "percent": None,
        "remaining": None,
        "cap_from": "",
        "added_today": None,
        "per": per.value,
        "window_start": None if window == TERM_KEY else window,
    }


def _window_amounts(history: History, window: Window) -> _Amounts:
    """Sum each user's days of a window; days before the per-user figures begin are missing."""
    before = history.days - history.window
    part = history.user_daily[:, max(0, window.first - before) : max(0, window.last + 1 - before)]
    finite = np.isfinite(part)
    values = np.where(finite.any(axis=1), np.nansum(part, axis=1), np.nan)
    whole: Flags = np.asarray(finite.all(axis=1)) & np.bool_(window.first >= before)
    return _Amounts(window, values, whole)


# ------------------------------------------------------------------ whose cap
def assign_caps(rule: UserCap, history: History, context: EvalContext) -> Caps:
    """Give each user a cap: an exact id beats an exact name, that beats the first fitting pattern, that the default.

    A name that several users bear is used for none of them, and that is noted.
    """
    amount, origin = _default(rule, history, context)
    count = len(history.users)
    caps = Caps(np.full(count, amount), [origin], np.zeros(count, dtype=np.int64))
    if not rule.overrides:
        return caps
    wanted = {override.user for override in rule.overrides}
    row_of = {user.id: row for row, user in enumerate(history.users) if user.id in wanted}
    names: dict[str, list[int]] = {}
    for row, user in enumerate(history.users):
        if user.name in wanted:
            names.setdefault(user.name, []).append(row)
    ranked = sorted(
        ((*_meant(override.user, row_of, names, history.users), override) for override in rule.overrides),
        key=lambda item: -item[0],
    )
    taken: set[int] = set()
    for strength, rows, override in ranked:
        if strength == _BY_NAME and len(rows) > 1:
            note = f"override {override.user} not used: {len(rows)} users bear that name"
            caps.notes.update(dict.fromkeys(rows, note))
            continue
        caps.sources.append(f"override {override.user}")
        for row in set(rows) - taken:
            caps.amounts[row] = in_unit(override.cap, history) or np.nan
            caps.origin[row] = len(caps.sources) - 1
        taken.update(rows)
    return caps


_BY_ID, _BY_NAME, _BY_PATTERN = 3, 2, 1


def _default(rule: UserCap, history: History, context: EvalContext) -> tuple[float, str]:
    own = in_unit(rule.cap, history)
    if own is not None:
        return own, "default"
    whole = in_unit(context.cap, history)
    if rule.share is not None and whole is not None:
        return rule.share * whole or np.nan, "share"
    return np.nan, ""


def _meant(
    text: str, row_of: dict[str, int], names: dict[str, list[int]], users: Sequence[LeafUser]
) -> tuple[int, list[int]]:
    """Return how exactly `text` names users, and their rows."""
    if text in row_of:
        return _BY_ID, [row_of[text]]
    if text in names:
        return _BY_NAME, names[text]
    if not _GLOB.search(text):
        return _BY_PATTERN, []
    fits = re.compile(translate(text)).match
    rows = [row for row, user in enumerate(users) if fits(user.id) or (user.name is not None and fits(user.name))]
    return _BY_PATTERN, rows
