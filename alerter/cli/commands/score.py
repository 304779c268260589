"""`alerter score`: detection and forecasts on series from standard input, for measuring them."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

import json
import math
import sys
from typing import Any

import click

from alerter.cli.frame import Command
from alerter.errors import UsageError


@click.group("score", short_help="Measure spike detection and forecasts on series of yours.")
def command() -> None:
    """Run the rules' own detection and forecast code over series from standard input.

    One JSON document in, one out; docs/rules.md describes both.

    \b
    Example:
      alerter score detect < series.json
    """


@command.command("detect", cls=Command, short_help="Say which values of each series are spikes.")
def detect() -> None:
    """Say which values of each series `daily_spike` alarms on, with its defaults and no cap.

    \b
    Example:
      echo '{"series": [{"id": "a", "values": [1, 1, 2, 9]}]}' | alerter score detect
    """
    from alerter.core import scoring

    alarms = {}
    for item in _items("series"):
        values = _numbers(item, "values")
        alarms[str(item.get("id", ""))] = scoring.detect(values, week=int(_number(item, "step_per_week", 7)))
    click.echo(json.dumps({"alarms": alarms}))


@command.command("forecast", cls=Command, short_help="Forecast the total of each term.")
def forecast() -> None:
    """Forecast each term's total, an interval that holds it in 80 of 100 cases, and whether a cap will be reached.

    \b
    Example:
      echo '{"tasks": [{"id": "a", "history": [5, 5, 5], "term_start": 0,
        "term_days": 365, "cap": 900}]}' | alerter score forecast
    """
    from alerter.core import scoring

    said = {}
    for item in _items("tasks"):
        history = _numbers(item, "history")
        begin, days = int(_number(item, "term_start", 0)), int(_number(item, "term_days", 365))
        if not 0 <= begin < len(history) or days < 1:
            raise UsageError(f"{item.get('id')!r} has no known day in its term")
        cap = None if item.get("cap") is None else _number(item, "cap")
        said[str(item.get("id", ""))] = scoring.forecast_term(history, term_start=begin, term_days=days, cap=cap)
    click.echo(json.dumps({"forecasts": said}))


def _items(key: str) -> list[dict[str, Any]]:
    """Return the list under `key` of the document on standard input."""
    try:
        document = json.load(sys.stdin)
    except ValueError:
        raise UsageError("standard input is not JSON") from None
    items = document.get(key) if isinstance(document, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UsageError(f"standard input has no list of {key}")
    return items


def _numbers(item: dict[str, Any], key: str) -> list[float]:
    values = item.get(key)
    if not isinstance(values, list):
        raise UsageError(f"{item.get('id')!r} has no list of {key}")
    return [_checked(item, value) for value in values]


def _number(item: dict[str, Any], key: str, default: float | None = None) -> float:
    value = item.get(key, default)
    if value is None:
        raise UsageError(f"{item.get('id')!r} has no {key}")
    return _checked(item, value)


def _checked(item: dict[str, Any], value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{item.get('id')!r} holds {str(value)[:40]!r}, which is no number")
    return float(value)
