"""`contract_end`: the days until a term ends; levels are ranks of the day tiers passed, so urgency only rises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from alerter.core.area import reaches
from alerter.core.model import Finding, History, Proof
from alerter.core.rules.base import EvalContext, Measure, Rule
from alerter.core.rules.figures import common, in_unit

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractEnd(Rule):
    """Warn before a term ends; `days` descend, and tier n (at n) belongs to the n-th of them."""

    kind: ClassVar[str] = "contract_end"

    days: tuple[int, ...]
    gap: float = 0.0  # ranks have nothing between them

    def findings(self, history: History, context: EvalContext) -> Iterator[Finding]:
        """Yield one finding; none for a term without an end, unless an alert is out that a lifted end date resolves.

        The calendar needs no fresh usage: this proves in both directions whenever it is asked.
        """
        end_at = history.contract.end_at
        if end_at is None and not self.watched_windows(context, ""):
            return
        left = None if end_at is None else (end_at - context.now) / DAY
        # Renewed: whatever the calendar says, nobody has to act.
        rank = 0.0 if left is None or context.successor else float(sum(reaches(day, left) for day in self.days))
        cap = in_unit(context.cap, history)
        figures = common(history, context, measure=Measure.BILLED.value, cap=cap, source=context.cap_source)
        used = figures["used_billed"]
        figures |= {
            "days_left": left,
            "end_at": None if end_at is None else end_at.isoformat(),
            "unused": None if cap is None or used is None else cap - used,
            "successor": context.successor,
        }
        yield self.finding(history.contract, value=rank, proof=Proof.FRESH, figures=figures)
