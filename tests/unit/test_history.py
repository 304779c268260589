"""The columnar history says what was said: converted, never repaired."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from alerter.core.area import Unit
from alerter.core.history import TermUsage, build_history
from alerter.core.model import Contract, History, SummaryMeaning

START = date(2026, 3, 1)
EMPTY = np.array([], dtype=np.float64)


@dataclass
class Columns:
    days: np.ndarray
    units: list[Unit]
    unique: np.ndarray
    user_sum: np.ndarray
    user_ids: tuple[str, ...]
    window_days: np.ndarray
    user_areas: np.ndarray
    user_first_on: np.ndarray
    owner_days: np.ndarray = field(default_factory=lambda: np.array([], dtype=np.int64))
    owner_units: list[Unit] = field(default_factory=list)
    owner_total: np.ndarray = field(default_factory=lambda: EMPTY)
    owner_daily: np.ndarray = field(default_factory=lambda: EMPTY)


def columns(said: dict[str, dict[date, float]], days: list[date], units: dict[date, Unit] | None = None) -> Columns:
    ids = tuple(sorted(said))
    areas = np.array([[said[user].get(day, np.nan) for day in days] for user in ids]).reshape(len(ids), len(days))
    ordinals = np.array([day.toordinal() for day in days], dtype=np.int64)
    first = [min((day.toordinal() for day, area in said[user].items() if area > 0), default=0) for user in ids]
    total = np.nansum(areas, axis=0)
    return Columns(
        days=ordinals,
        units=[(units or {}).get(day, Unit.ACRE) for day in days],
        unique=total * 0.9,
        user_sum=total,
        user_ids=ids,
        window_days=ordinals,
        user_areas=areas,
        user_first_on=np.array(first, dtype=np.int64),
    )


def contract(start: date = START, ident: str = "c1") -> Contract:
    at = datetime(start.year, start.month, start.day, tzinfo=UTC)
    return Contract(account="a", id=ident, product="P", region=None, start_at=at, end_at=at + timedelta(days=365))


def build(
    cols: Columns, today: date, meaning: SummaryMeaning = SummaryMeaning.CUMULATIVE, before: TermUsage | None = None
) -> History:
    return build_history(
        term=TermUsage(contract=contract(), columns=cols, meaning=meaning, unique_meaning=meaning),
        predecessor=before,
        snapshot_id=1,
        fetched_at=datetime(today.year, today.month, today.day, 12, tzinfo=UTC),
        names={},
    )


def day(n: int) -> date:
    return START + timedelta(days=n)


def test_cumulative_and_daily_answers_of_the_same_usage_give_the_same_history() -> None:
    per_day = {"u1": [5.0, 0.0, 2.0, 4.0], "u2": [0.0, 1.0, 0.0, 3.0]}
    days = [day(n) for n in range(4)]
    daily = {user: dict(zip(days, areas, strict=True)) for user, areas in per_day.items()}
    summed = {user: dict(zip(days, np.cumsum(areas).tolist(), strict=True)) for user, areas in per_day.items()}
    one = build(columns(summed, days), day(3))
    other = build(columns(daily, days), day(3), SummaryMeaning.DAILY)
    np.testing.assert_allclose(one.billed_daily, [5, 1, 2, 7])
    for name in ("billed_daily", "billed_total", "user_daily", "user_total"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name))


def test_a_missing_day_is_a_gap_and_the_day_after_has_no_daily_figure() -> None:
    days = [day(0), day(1), day(3), day(4)]
    history = build(columns({"u1": dict(zip(days, [1.0, 2.0, 9.0, 10.0], strict=True))}, days), day(4))
    assert np.isnan(history.billed_daily[[2, 3]]).all()
    assert history.billed_daily[4] == 1
    assert history.billed_total[3] == 9
    assert np.isnan(history.user_daily[0, [2, 3]]).all()
    assert not history.total_is_lower_bound


def test_a_hole_makes_a_sum_of_daily_figures_a_lower_bound() -> None:
    days = [day(0), day(2)]
    history = build(columns({"u1": {day(0): 1.0, day(2): 2.0}}, days), day(2), SummaryMeaning.DAILY)
    assert history.total_is_lower_bound
    assert history.user_total[0] == 3


def test_an_unproven_meaning_leaves_every_billed_figure_unknown() -> None:
    days = [day(0), day(1)]
    history = build(columns({"u1": {day(0): 1.0, day(1): 2.0}}, days), day(1), SummaryMeaning.UNPROVEN)
    for figures in (history.billed_daily, history.billed_total, history.user_total, history.user_daily):
        assert np.isnan(figures).all()


@pytest.mark.parametrize("newest", [0.0, 7.0])
def test_where_only_the_newest_day_has_use_both_meanings_say_the_same(newest: float) -> None:
    days = [day(n) for n in range(4)]
    said = {"u1": dict(zip(days, [0.0, 0.0, 0.0, newest], strict=True))}
    history = build(columns(said, days), day(3), SummaryMeaning.UNPROVEN)
    assert history.billed_total[3] == newest
    assert history.billed_daily[3] == newest
    assert history.unique_total[3] == pytest.approx(0.9 * newest)
    assert history.user_total[0] == newest
    assert np.isnan(build(columns(said, days), day(3), SummaryMeaning.CONTRADICTED).billed_total).all()


@pytest.mark.parametrize("switched_on", [0, 2, 3])
def test_a_unit_switch_is_no_usage(switched_on: int) -> None:
    days = [day(n) for n in range(4)]
    acres = [10.0, 20.0, 30.0, 40.0]
    units = {day(n): Unit.HECTARE for n in range(switched_on, 4)}
    said = {d: a * (0.40468564224 if d in units else 1) for d, a in zip(days, acres, strict=True)}
    history = build(columns({"u1": said}, days, units), day(3))
    assert history.unit is Unit.HECTARE
    np.testing.assert_allclose(history.billed_daily, [4.0468564224] * 4)
    np.testing.assert_allclose(history.user_daily[0], [4.0468564224] * 4)


def test_a_user_left_out_before_its_first_use_had_none() -> None:
    days = [day(0), day(1), day(2)]
    history = build(columns({"u1": dict.fromkeys(days, 1.0), "u2": {day(2): 7.0}}, days), day(2))
    np.testing.assert_allclose(history.user_daily[1], [0, 0, 7])


def test_a_user_who_vanished_makes_the_total_a_lower_bound_and_keeps_its_last_figure() -> None:
    days = [day(0), day(1), day(2)]
    history = build(columns({"u1": dict.fromkeys(days, 1.0), "u2": {day(0): 5.0, day(1): 6.0}}, days), day(2))
    assert history.total_is_lower_bound
    assert history.user_total[1] == 6
    assert np.isnan(history.user_daily[1, 2])


def test_the_newest_day_decides_freshness() -> None:
    days = [day(0), day(1)]
    cols = columns({"u1": dict.fromkeys(days, 1.0)}, days)
    assert build(cols, day(1)).fresh
    assert build(cols, day(2)).fresh
    assert not build(cols, day(3)).fresh


def test_the_predecessor_term_fills_the_days_before_without_touching_the_totals() -> None:
    older_start = START - timedelta(days=365)
    older_days = [START - timedelta(days=n) for n in (3, 2, 1)]
    older = TermUsage(
        contract=contract(older_start, "c0"),
        columns=columns({"u1": dict(zip(older_days, [100.0, 110.0, 130.0], strict=True))}, older_days),
        meaning=SummaryMeaning.CUMULATIVE,
        unique_meaning=SummaryMeaning.CUMULATIVE,
    )
    history = build(columns({"u1": {day(0): 4.0}, "u9": {day(0): 1.0}}, [day(0)]), day(0), before=older)
    assert history.day_at(history.term_index) == START
    np.testing.assert_allclose(history.billed_daily[-3:], [10, 20, 5])
    assert history.billed_total[-1] == 5
    np.testing.assert_allclose(history.user_daily[0, -3:], [10, 20, 4])
    np.testing.assert_allclose(history.user_daily[1, -3:], [0, 0, 1])
    assert history.user_first_on.tolist() == [older_days[0].toordinal(), START.toordinal()]


def test_the_whole_previous_term_is_there_however_long_it_was() -> None:
    older_start = START - timedelta(days=500)
    older_days = [older_start + timedelta(days=n) for n in range(500)]
    older = TermUsage(
        contract=contract(older_start, "c0"),
        columns=columns(
            {"u1": {one: 2.0 * n for n, one in enumerate(older_days)}},
            older_days,
            dict.fromkeys(older_days, Unit.HECTARE),
        ),
        meaning=SummaryMeaning.CUMULATIVE,
        unique_meaning=SummaryMeaning.UNPROVEN,
    )
    history = build(columns({"u1": {day(0): 4.0}}, [day(0)]), day(0), before=older)
    assert history.term_index == 120
    assert history.previous is not None
    assert history.previous.first_on == older_start
    np.testing.assert_allclose(history.previous.billed_daily, [0.0] + [2 / 0.40468564224] * 499)
    assert np.isnan(history.previous.unique_daily).all()
    assert build(columns({"u1": {day(0): 4.0}}, [day(0)]), day(0)).previous is None


def test_the_organisations_range_fills_what_summaries_lack() -> None:
    cols = columns({"u1": {day(0): 10.0, day(1): 12.0}}, [day(0), day(1)])
    cols.owner_days = np.array([day(1).toordinal()], dtype=np.int64)
    cols.owner_units = [Unit.ACRE]
    cols.owner_total, cols.owner_daily = np.array([10.8]), np.array([1.5])
    history = build(cols, day(1))
    np.testing.assert_allclose(history.unique_daily, [9, 1.5])
    np.testing.assert_allclose(history.unique_total, [9, 10.8])


def test_a_history_without_any_answer_is_all_unknown() -> None:
    history = build(columns({}, []), day(3))
    assert history.days == 4
    assert not history.fresh
    assert np.isnan(history.billed_total).all()
    assert history.user_daily.shape == (0, 4)
