"""What each fault does to an answer on its way out."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from alerter.sandbox.faults import Effect, FaultRule
from alerter.sandbox.replies import JSON, Reply, Request, problem_reply

_AREA = re.compile(rb'"(totalUniqueArea|totalArea|dailyArea|quotaInAcres|quotaInHectares)":(-?[0-9.eE+-]+)')
_AREA_KEYS = ("totalUniqueArea", "totalArea", "dailyArea")
_BLANKS = b" " * 65_536
_HTML = b"<!doctype html><html><head><title>Sign in</title></head><body><h1>Welcome to the network</h1></body></html>"


@dataclass(slots=True)
class _Case:
    rule: FaultRule
    request: Request
    reply: Reply
    document: Any = None


def spoil(rule: FaultRule, request: Request, reply: Reply) -> Reply:
    """Return `reply` after the rule's effect; effects on a document leave other bodies alone."""
    case = _Case(rule, request, reply)
    if rule.effect in _ON_REPLIES:
        return _ON_REPLIES[rule.effect](case)
    if rule.effect in _ON_DOCUMENTS and reply.status == 200:
        try:
            case.document = json.loads(reply.body)
        except ValueError:
            return reply
        changed = _ON_DOCUMENTS[rule.effect](case)
        reply.body = json.dumps(changed, ensure_ascii=False, separators=(",", ":")).encode()
    return reply


# ------------------------------------------------------------------ on whole answers
def _status(case: _Case) -> Reply:
    answer = problem_reply(case.rule.status, "a fault on purpose", case.request.path)
    if case.rule.body:
        answer.body = case.rule.body.encode()
    answer.headers |= case.rule.headers
    return answer


def _latency(case: _Case) -> Reply:
    case.reply.delay += case.rule.seconds
    return case.reply


def _trickle(case: _Case) -> Reply:
    case.reply.trickle, case.reply.trickle_headers = case.rule.seconds, case.rule.value == "headers"
    return case.reply


def _reset(case: _Case) -> Reply:
    case.reply.cut = case.rule.at
    return case.reply


def _truncate(case: _Case) -> Reply:
    case.reply.body = case.reply.body[: int(len(case.reply.body) * case.rule.at)]
    return case.reply


def _html(case: _Case) -> Reply:
    status = case.rule.status if "status" in case.rule.model_fields_set else 200
    return Reply(status=status, headers={"Content-Type": "text/html; charset=utf-8"}, body=_HTML)


def _gzip_bomb(case: _Case) -> Reply:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [squeeze.compress(_BLANKS) for _ in range(case.rule.size // len(_BLANKS))]
    parts += [squeeze.compress(_BLANKS[: case.rule.size % len(_BLANKS)]), squeeze.flush()]
    return Reply(headers={"Content-Type": JSON, "Content-Encoding": "gzip"}, body=b"".join(parts))


def _flood(case: _Case) -> Reply:
    case.reply.padding = case.rule.size
    return case.reply


def _body(case: _Case) -> Reply:
    case.reply.body = case.rule.body.encode()
    return case.reply


def _prefix(case: _Case) -> Reply:
    case.reply.body = case.rule.body.encode() + case.reply.body
    return case.reply


def _suffix(case: _Case) -> Reply:
    case.reply.body += case.rule.body.encode()
    return case.reply


def _headers(case: _Case) -> Reply:
    case.reply.headers = {name: text for name, text in (case.reply.headers | case.rule.headers).items() if text}
    return case.reply


def _redirect(case: _Case) -> Reply:
    return Reply(status=302, headers={"Location": case.rule.location})


def _vanish(case: _Case) -> Reply:
    if case.rule.value in case.request.segments:
        return problem_reply(404, "there is no such thing", case.request.path)
    if case.reply.status != 200 or case.rule.value.encode() not in case.reply.body:
        return case.reply
    document = json.loads(case.reply.body)
    rows = _rows(document)
    rows[:] = [row for row in rows if case.rule.value not in (row.get("id"), row.get("leafUserId"))]
    case.reply.body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return case.reply


def _bad_number(case: _Case) -> Reply:
    wanted = case.rule.field.encode() if case.rule.field else None
    for match in _AREA.finditer(case.reply.body):
        if wanted in (None, match[1]):
            case.reply.body = (
                case.reply.body[: match.start(2)] + case.rule.value.encode() + case.reply.body[match.end(2) :]
            )
            break
    return case.reply


def _duplicate_keys(case: _Case) -> Reply:
    match = _AREA.search(case.reply.body)
    if match:
        again = b',"' + match[1] + b'":' + case.rule.value.encode()
        case.reply.body = case.reply.body[: match.end()] + again + case.reply.body[match.end() :]
    return case.reply


def _page_loop(case: _Case) -> Reply:
    if "Link" in case.reply.headers:
        url = f"{case.request.base}{case.request.path}?page=0&size=20"
        case.reply.headers["Link"] = f'<{url}>; rel="next",<{url}>; rel="first"'
    return case.reply


def _page_foreign(case: _Case) -> Reply:
    if "Link" in case.reply.headers:
        case.reply.headers["Link"] = f'<{case.rule.location}>; rel="next"'
    return case.reply


def _page_total(case: _Case) -> Reply:
    if "X-Total-Count" in case.reply.headers:
        case.reply.headers["X-Total-Count"] = case.rule.value
    return case.reply


# ------------------------------------------------------------------ on documents
def _rows(document: Any) -> list[dict[str, Any]]:
    """Return the list inside a document: days, users, contracts; an empty one where there is none."""
    if isinstance(document, dict):
        document = document.get("areaPerDay", document.get("leafUsersAreas"))
    return document if isinstance(document, list) else []


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
    yield from _rows(document)


def _duplicate_days(case: _Case) -> Any:
    rows = _rows(case.document)
    rows[:] = [row for row in rows for _ in range(2)]
    return case.document


def _shuffle_days(case: _Case) -> Any:
    rows = _rows(case.document)
    rows[:] = [rows[at] for at in np.random.default_rng(len(rows)).permutation(len(rows))]
    return case.document


def _drop_days(case: _Case) -> Any:
    del _rows(case.document)[1::3]
    return case.document


def _future_day(case: _Case) -> Any:
    rows = _rows(case.document)
    if rows and "date" in rows[-1]:
        rows.append(rows[-1] | {"date": f"{int(rows[-1]['date'][:4]) + 10}-01-01T00:00:00Z"})
    return case.document


def _offset_dates(case: _Case) -> Any:
    for each in _objects(case.document):
        for key in ("date", "startDate", "endDate"):
            if each.get(key):
                each[key] = each[key].replace("T00:00:00Z", "T02:00:00+02:00")
    return case.document


def _extra_fields(case: _Case) -> Any:
    for each in _objects(case.document):
        each["somethingNew"] = {"of": ["any", "shape", 1, None]}
    return case.document


def _scale(case: _Case) -> Any:
    for each in _objects(case.document):
        for key in _AREA_KEYS:
            if key in each:
                each[key] *= case.rule.factor
    return case.document


def _contradict(case: _Case) -> Any:
    for each in _objects(case.document):
        if "dailyArea" in each:
            each["dailyArea"] = each["totalArea"] + 1.0
    return case.document


def _unit(case: _Case) -> Any:
    if isinstance(case.document, dict) and "areaUnit" in case.document:
        case.document["areaUnit"] = case.rule.value
    return case.document


def _page_shift(case: _Case) -> Any:
    rows = _rows(case.document)
    rows[:] = rows[:1] + rows[:-1]
    return case.document


_ON_REPLIES: dict[Effect, Callable[[_Case], Reply]] = {
    Effect.STATUS: _status,
    Effect.LATENCY: _latency,
    Effect.TRICKLE: _trickle,
    Effect.RESET: _reset,
    Effect.TRUNCATE: _truncate,
    Effect.HTML: _html,
    Effect.EMPTY: lambda _: Reply(status=200, headers={"Content-Type": JSON}),
    Effect.NO_CONTENT: lambda _: Reply(status=204),
    Effect.GZIP_BOMB: _gzip_bomb,
    Effect.FLOOD: _flood,
    Effect.BODY: _body,
    Effect.PREFIX: _prefix,
    Effect.SUFFIX: _suffix,
    Effect.HEADERS: _headers,
    Effect.REDIRECT: _redirect,
    Effect.VANISH: _vanish,
    Effect.BAD_NUMBER: _bad_number,
    Effect.DUPLICATE_KEYS: _duplicate_keys,
    Effect.PAGE_LOOP: _page_loop,
    Effect.PAGE_FOREIGN: _page_foreign,
    Effect.PAGE_TOTAL: _page_total,
}
_ON_DOCUMENTS: dict[Effect, Callable[[_Case], Any]] = {
    Effect.DUPLICATE_DAYS: _duplicate_days,
    Effect.SHUFFLE_DAYS: _shuffle_days,
    Effect.DROP_DAYS: _drop_days,
    Effect.FUTURE_DAY: _future_day,
    Effect.OFFSET_DATES: _offset_dates,
    Effect.EXTRA_FIELDS: _extra_fields,
    Effect.SCALE: _scale,
    Effect.CONTRADICT: _contradict,
    Effect.UNIT: _unit,
    Effect.PAGE_SHIFT: _page_shift,
}
