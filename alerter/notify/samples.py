"""Sample payloads, one of each kind and reason: what templates are checked and previews are made with."""

from __future__ import annotations

import copy
from typing import Any

REASONS = ("firing", "escalated", "resolved", "reminder", "closed")
_RULE_KINDS = ("contract_cap", "user_cap", "contract_end", "daily_spike", "exhaustion")
_OTHERS = ("storm", "test", "health")
KINDS = (*_RULE_KINDS, "mixed", "other", *_OTHERS)

_USED = {
    "unit": "ac", "measure": "billed", "used_billed": 659_234.4, "used_unique": 612_480.9, "overlap": 46_753.5,
    "overlap_share": 0.0709, "cap": 800_000.0, "cap_source": "contracts[0].cap", "used_percent": 82.404,
    "term_start": "2026-01-01", "term_end": "2027-01-01", "term_elapsed_percent": 36.6,
    "as_of": "2026-05-14T06:10:00+00:00", "newest_day": "2026-05-14",
}  # fmt: skip
_PRAIRIE = {"id": "8f3c1d7e-52a1-4d0f-9b7e-0c5a4b1f2e11", "name": "Prairie Co-op"}
_LOMA = {"id": "b02e77aa-90c4-4f6e-8a1d-77c8e1a9d3f2", "name": "Finca La Loma"}
_HOF = {"id": "4d11c0de-1c7b-4e55-a4cb-5fb2a6c0e9ab", "name": "Hof Grünewald"}

_FIGURES: dict[str, dict[str, Any]] = {
    "contract_cap": {
        **_USED, "value": 659_234.4, "percent": 82.404, "remaining": 140_765.6, "per": "term",
        "window_start": "2026-01-01",
        "rate_7d": 4_120.2, "rate_28d": 3_010.7,
        "top_users": [
            {**_PRAIRIE, "area": 31_204.0, "share": 0.37}, {**_LOMA, "area": 18_870.5, "share": 0.224},
            {**_HOF, "area": 6_021.0, "share": 0.071},
        ],
        "next_tier": {"at": 100, "label": "100 %", "area_left": 140_765.6},
    },
    "user_cap": {
        **_USED, "user": _PRAIRIE, "value": 41_602.5, "cap": 40_000.0, "percent": 104.006, "remaining": -1_602.5,
        "cap_from": "override Prairie Co-op", "added_today": 1_204.0, "per": "term", "window_start": "2026-01-01",
    },
    "contract_end": {
        **_USED, "days_left": 14, "end_at": "2027-01-01T00:00:00+00:00", "unused": 140_765.6, "successor": False,
    },
    "daily_spike": {
        **_USED, "scope": "contract", "user": None, "day": "2026-05-14", "day_class": "open", "value": 18_402.0,
        "bar": 5_210.0, "normal": 1_152.0, "ratio": 15.97, "excess": 17_250.0, "method": "active",
        "method_reason": "no previous term is stored",
        "baseline": {"days": 56, "active_days": 41, "mean": 1_152.0, "sd": 811.6, "sigma": 5.0, "left_out": 3,
                     "from": "2026-03-17", "to": "2026-05-11"},
        "minimum": 16_000.0, "cap_percent_before": 80.1, "cap_percent_after": 82.4,
        "contributors": [
            {**_PRAIRIE, "value": 15_702.0, "own_mean": 0.0, "share_of_excess": 0.91, "is_new": True},
            {**_LOMA, "value": 1_480.0, "own_mean": 610.0, "share_of_excess": 0.05, "is_new": False},
        ],
        "others": {"count": 410, "value": 1_220.0},
        "breadth": {"top1_share": 0.91, "users_above_mean": 12, "users": 412}, "planned": None,
    },
    "exhaustion": {
        **_USED, "probability_percent": 92.4, "total": 861_300.0, "p10": 803_000.0, "p90": 931_500.0,
        "overage": 61_300.0, "exhaust_on": "2026-10-03", "is_date_certain": True, "settled_on": "2026-05-11",
        "with_last_term": True, "days": 3,
    },
    "health": {"message": "two logins in a row were refused", "failing_since": "2026-05-14T05:55:00+00:00",
               "status": 401, "next_try_at": "2026-05-14T06:25:00+00:00"},
    "other": {"unit": "ac", "value": 12.5, "note": "a kind without words of its own"},
}  # fmt: skip
_LEVELS: dict[str, tuple[str, float, str, str]] = {
    "contract_cap": ("warning", 80.0, "80 %", "80 %"),
    "user_cap": ("critical", 100.0, "100 %", "100 %"),
    "contract_end": ("warning", 4.0, "14 days", "14 days"),
    "daily_spike": ("warning", 100.0, "100 %", "100 %"),
    "exhaustion": ("critical", 90.0, "90 %", "90 %"),
    "health": ("critical", 1.0, "", "two failed logins in a row"),
    "other": ("info", 1.0, "115 %", ""),
}
_DETAILS = {"resolved": "recovered", "closed": "rule_removed"}


def item(kind: str, reason: str = "firing", **changes: Any) -> dict[str, Any]:
    """Make one item of a payload."""
    severity, level, tier, threshold = _LEVELS[kind]
    made: dict[str, Any] = {
        "reason": reason, "detail": _DETAILS.get(reason, ""), "rule": kind.replace("_", "-"), "kind": kind,
        "severity": severity, "level": level, "tier": tier, "passed": [tier] if tier else [],
        "user": _PRAIRIE if kind == "user_cap" else None, "since": "2026-05-11T06:10:00+00:00",
        "repeat": 2 if reason == "reminder" else 0,
        "remind_for_s": None if kind in ("daily_spike", "contract_end") else 604_800.0,
        "fingerprint": "7c1e09a4b2f84d6e9a3c5b7d1f2e4a60", "episode": 1, "where": "alerter.yaml: rules[1]",
        "threshold": threshold, "held": False, "figures": copy.deepcopy(_FIGURES[kind]),
    }  # fmt: skip
    if kind == "health":
        made["rule"] = made["kind"] = "login_failed"
    if reason == "resolved" and kind == "contract_cap":
        made["figures"].update(value=612_000.0, percent=76.5, remaining=188_000.0)
    if reason == "resolved" and kind == "contract_end":
        made["detail"] = "renewed"
        made["figures"].update(successor=True)
    if reason == "resolved" and kind == "daily_spike":
        made["detail"] = "corrected"
        made["figures"].update(value=3_120.0, ratio=2.71, excess=1_968.0, day_class="provisional", day="2026-05-13")
    if reason == "escalated" and kind == "daily_spike":
        season = {"largest": 6_310.0, "largest_on": "2025-05-19", "growth": 1.24, "days": 57}
        made["figures"].update(method="season", bar=9_780.0, method_reason="auto: 1.25 times the largest day")
        made["figures"]["baseline"].update(season=season, factor=1.0, lift=0.0)
    if reason == "closed" and kind == "daily_spike":
        made["detail"] = "planned"
        plan = {"from": "2026-05-10", "to": "2026-05-24", "reason": "import of old seasons"}
        made["figures"]["planned"] = plan | {"where": "alerter.yaml: planned[0]"}
    if reason == "resolved" and kind == "user_cap":
        made["figures"].update(value=37_100.0, percent=92.75, remaining=2_900.0)
    if reason == "closed" and kind == "exhaustion":
        made["detail"] = "exhausted"
    if reason == "resolved" and kind == "exhaustion":
        made["figures"].update(probability_percent=31.0, total=771_000.0, overage=-29_000.0, exhaust_on=None)
    made.update(changes)
    return made


def payload(items: list[dict[str, Any]], kind: str = "alert", more: int = 0, **changes: Any) -> dict[str, Any]:
    """Make one payload around items."""
    rank = {"info": 0, "warning": 1, "critical": 2}
    worst = max((one["severity"] for one in items), key=lambda name: rank[name], default="info")
    made: dict[str, Any] = {
        "schema": 1, "kind": kind, "key": "7c1e09a4b2f84d6e9a3c5b7d1f2e4a60:1:firing:100:0:ops-slack",
        "recipient": "ops-slack", "account": "prod",
        "contract": {
            "id": "c5a9f1d2-7b3e-4c18-8d60-2f9e1a7b4c33", "product": "OPERATIONS_FILE", "region": "US",
            "label": "OPERATIONS_FILE (US)", "start_on": "2026-01-01", "end_on": "2027-01-01",
        },
        "severity": worst, "made_at": "2026-05-14T06:10:04+00:00", "data_at": "2026-05-14T06:10:00+00:00",
        "newest_day": "2026-05-14", "items": items, "more": more,
    }  # fmt: skip
    made.update(changes)
    return made


def _users(count: int, reason: str = "firing") -> list[dict[str, Any]]:
    """Make several users over their caps."""
    made = []
    for number in range(count):
        user = (
            (_PRAIRIE, _LOMA, _HOF)[number % 3]
            if number < 3
            else {"id": f"{number:04x}-user", "name": f"Farm {number}"}
        )
        figures = copy.deepcopy(_FIGURES["user_cap"])
        value = 41_602.5 - 450.0 * number
        default = {"cap": 40_000.0, "cap_from": "default" if number else "override Prairie Co-op"}
        figures.update(user=user, value=value, percent=value / 400.0, remaining=40_000.0 - value, **default)
        made.append(item("user_cap", reason, user=user, figures=figures))
    return made


def samples(kind: str) -> list[dict[str, Any]]:
    """Return sample payloads of `kind`, one per reason at least; raise KeyError for an unknown one."""
    if kind == "test":
        return [payload([], "test", contract=None, data_at=None, newest_day=None)]
    if kind == "storm":
        many = [item("daily_spike", severity="critical"), item("contract_cap"), *_users(6), item("contract_end")]
        return [payload(many, "storm", more=28, contract=None)]
    if kind == "health":
        return [payload([item("health", reason)], "health", contract=None, newest_day=None) for reason in REASONS]
    if kind == "mixed":
        return [
            payload([item("contract_cap"), item("daily_spike"), *_users(2)]),
            payload([item("contract_cap"), item("other")]),
        ]
    made = [payload([item(kind, reason)]) for reason in REASONS]
    if kind == "daily_spike":
        made.append(payload([item(kind), item(kind, user=_PRAIRIE), item(kind, user=_LOMA)], more=9))
    if kind == "user_cap":
        made += [payload(_users(12), more=3), payload([*_users(2), *_users(1, "resolved")])]
    return made
