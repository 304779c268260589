"""`contract_cap`: the contract's area against a cap, over the term or a month, week or day of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from alerter.core.area import Area, reaches
from alerter.core.model import Finding, History, Proof
from alerter.core.rules.base import EvalContext, Measure, Per, Rule
from alerter.core.rules.figures import UNIQUE_BOUND, common, in_unit, last_known, percent_of, rate, top_users
from alerter.core.rules.windows import TERM_KEY, term_proof, windows


@dataclass(frozen=True, slots=True)
class _Used:
    """An amount used in one window, None where nothing is known, and what it proves."""

    window: str
    value: float | None
    proof: Proof
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCap(Rule):
    """A cap on one contract; level = percent of the cap.  `cap` None: the contract's own."""

    kind: ClassVar[str] = "contract_cap"

    cap: Area | None = None
    measure: Measure = Measure.BILLED
    per: Per = Per.TERM

    def findings(self, history: History, context: EvalContext) -> Iterator[Finding]:
        """Yield one finding for the term, or one for each window that can still change; none without a cap."""
        cap = in_unit(self.cap or context.cap, history)
        watched = {window for _, window in self.watched_windows(context, "")}
        if cap is None:
            for window in sorted(watched):
                yield self._word(history, context, _Used(window, None, Proof.UNKNOWN), None, Measure.BILLED.value)
            return
        # Land is counted at least once: unknown billed area is no less than the unique one.
        stands_in = self.measure is Measure.BILLED and not history.meaning.known
        unique = stands_in or self.measure is Measure.UNIQUE
        label = UNIQUE_BOUND if stands_in else self.measure.value
        for used in self._used(history, context, unique, watched):
            bound = stands_in and used.proof is Proof.FRESH
            lowered = _Used(used.window, used.value, Proof.LOWER_BOUND, used.final) if bound else used
            yield self._word(history, context, lowered, cap, label)

    def _used(self, history: History, context: EvalContext, unique: bool, watched: set[str]) -> Iterator[_Used]:
        if self.per is Per.TERM:
            series = history.unique_total if unique else history.billed_total
            newest = last_known(series, history.term_index)
            proof = term_proof(history, newest[1] if newest else None)
            yield _Used(TERM_KEY, newest[0], proof) if newest else _Used(TERM_KEY, None, Proof.UNKNOWN)
            return
        daily = history.unique_daily if unique else history.billed_daily
        for window in windows(history, context, self.per, rule=self.id, watched=watched):
            value, proof = summed(daily[window.first : window.last + 1], window.proof)
            yield _Used(window.key, value, proof, window.final)

    def _word(
        self, history: History, context: EvalContext, used: _Used, cap: float | None, measure: str
    ) -> Finding:  # fmt: skip
        percent = percent_of(used.value, cap)
        daily = history.unique_daily if measure != Measure.BILLED.value else history.billed_daily
        source = f"{self.where}.cap" if self.cap else context.cap_source
        near = percent is not None and reaches(percent, self.clear_below())
        figures = {
            **common(history, context, measure=measure, cap=cap, source=source),
            "value": used.value,
            "percent": percent,
            "remaining": None if used.value is None or cap is None else cap - used.value,
            "per": self.per.value,
            "window_start": None if used.window == TERM_KEY else used.window,
            "rate_7d": rate(daily, history, 7),
            "rate_28d": rate(daily, history, 28),
            "top_users": top_users(history) if near else [],
            "next_tier": self._next_tier(percent, used.value, cap),
        }
        return self.finding(
            history.contract, value=percent, proof=used.proof, figures=figures, window=used.window, final=used.final
        )

    def _next_tier(self, percent: float | None, value: float | None, cap: float | None) -> dict[str, Any] | None:
        if percent is None or value is None or cap is None:
            return None
        above = [tier for tier in self.tiers if not reaches(percent, tier.at)]
        tier = min(above, key=lambda one: one.at, default=None)
        return None if tier is None else {"at": tier.at, "label": tier.label, "area_left": tier.at / 100 * cap - value}


def summed(daily: NDArray[np.float64], proof: Proof) -> tuple[float | None, Proof]:
    """Sum the days of a window; an unknown day leaves a lower bound, nothing but unknown days leaves nothing."""
    finite = daily[np.isfinite(daily)]
    if not len(finite):
        return None, Proof.UNKNOWN
    return float(finite.sum()), proof if len(finite) == len(daily) else Proof.LOWER_BOUND
