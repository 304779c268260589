"""One round of ten rules over every series (H2), against numpy on the candidates alone and a plain Python loop."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from alerter.config import build_rules
from alerter.config.load import read_config
from alerter.core.area import Unit
from alerter.core.evaluate import evaluate
from alerter.core.history import USER_WINDOW, TermUsage, build_history
from alerter.core.model import Contract, History, Settling, SummaryMeaning
from alerter.core.rules.base import EvalContext, Rule
from alerter.store import StoredUsage
from bench.polling import CONFIG, ENV, TEN_RULES
from bench.rows import Row, median_cost
from bench.world import ACTIVE, TODAY, Meter, Size, contract_answer

NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)
USER_CAP, DAY_CAP, SIGMA = 900_000.0, 90_000.0, 5.0


def run(size: Size) -> Iterator[Row]:
    """Measure a hot round, and with it building the histories from what the store gives."""
    from pathlib import Path  # noqa: PLC0415 - for the config's name alone

    text = CONFIG.format(url="http://127.0.0.1:9", threads=4, rules=TEN_RULES, database="bench.db")
    rules = build_rules(read_config(text.encode(), Path("bench.yaml"), env=ENV, credentials_dir=None))
    usages = [_usage(300 + n, size) for n in range(size.contracts)]
    histories = [_history(usage, number, size) for number, usage in enumerate(usages)]
    series = size.contracts * size.users
    what = f"{len(rules)} rules × {series:,} series"
    ours = median_cost(lambda: _round(rules, histories), size.runs)
    floor = median_cost(lambda: [_candidates(history) for history in histories], size.runs)
    plain = median_cost(lambda: [_plain(history) for history in histories], min(3, size.runs))
    cold = median_cost(
        lambda: _round(rules, [_history(usage, number, size) for number, usage in enumerate(usages)]), size.runs
    )
    yield Row(
        part="evaluate", what=f"one round, {what}", unit="ms", ours=ours.cpu * 1e3, floor=floor.cpu * 1e3,
        floor_is="caps and deviations by numpy on who was active today", target="≤ 3 ×",
    )  # fmt: skip
    yield Row(
        part="evaluate", what=f"one round, {what}", unit="ms", ours=ours.cpu * 1e3, floor=plain.cpu * 1e3,
        floor_is="the same by a plain Python loop over all series", target="≤ 1/20 ×",
    )  # fmt: skip
    yield Row(
        part="evaluate", what="one round with the histories built anew", unit="ms", ours=cold.cpu * 1e3,
        floor=plain.cpu * 1e3, floor_is="the same by a plain Python loop over all series, nothing built",
    )  # fmt: skip


def _round(rules: tuple[Rule, ...], histories: list[History]) -> int:
    found = 0
    for history in histories:
        context = EvalContext(
            now=NOW, settling=Settling(), cap=None, cap_source="", activated_on={}, watched=frozenset(), successor=False
        )
        found += len(evaluate(rules, history, context))
    return found


def _usage(seed: int, size: Size) -> StoredUsage:
    meter = Meter(seed, size.users)
    columns = []
    for _ in range(min(size.days, USER_WINDOW)):
        meter.raise_share(ACTIVE)
        columns.append(meter.areas)
    areas = np.array(columns).T
    days = np.arange(TODAY.toordinal() - len(columns) + 1, TODAY.toordinal() + 1)
    sums = areas.sum(axis=0)
    return StoredUsage(
        days=days, units=[Unit.ACRE] * len(days), unique=sums * 0.9, user_sum=sums,
        user_count=np.full(len(days), size.users), owner_days=days, owner_units=[Unit.ACRE] * len(days),
        owner_total=sums * 0.9, owner_daily=np.diff(sums * 0.9, prepend=0.0), user_ids=meter.ids, window_days=days,
        user_areas=areas, user_first_on=np.full(size.users, days[0]),
    )  # fmt: skip


def _history(usage: StoredUsage, number: int, size: Size) -> History:
    said = contract_answer(number, TODAY - timedelta(days=min(size.days, USER_WINDOW) - 1))
    contract = Contract(
        account="bench",
        id=said.id,
        product=said.product,
        region=said.region,
        start_at=said.start_at,
        end_at=said.end_at,
    )
    means = SummaryMeaning.CUMULATIVE
    term = TermUsage(contract=contract, columns=usage, meaning=means, unique_meaning=means)
    return build_history(term=term, predecessor=None, snapshot_id=1, fetched_at=NOW, names={})


def _candidates(history: History) -> int:
    """Caps over all totals, deviations for those with use today only."""
    over = np.count_nonzero(history.user_total >= USER_CAP)
    today = history.user_daily[:, -1]
    rows = np.flatnonzero(today > 0)
    before = history.user_daily[rows, :-1]
    used = before > 0
    count = np.maximum(used.sum(axis=1), 1)
    mean = np.where(used, before, 0.0).sum(axis=1) / count
    spread = np.sqrt(np.where(used, (before - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)
    spikes = np.count_nonzero(today[rows] > mean + SIGMA * spread)
    return int(over + spikes + np.count_nonzero(today >= DAY_CAP))


def _plain(history: History) -> int:
    """The same for every series, in plain Python."""
    found = 0
    for total, row in zip(history.user_total.tolist(), history.user_daily.tolist(), strict=True):
        found += total >= USER_CAP
        found += row[-1] >= DAY_CAP
        used = [value for value in row[:-1] if value > 0]
        if len(used) > 1:
            found += row[-1] > statistics.fmean(used) + SIGMA * statistics.pstdev(used)
    return found
