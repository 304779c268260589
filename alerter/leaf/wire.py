"""Parse bodies of the Leaf API into the values of `core.answers`, strictly; nothing is guessed or repaired.

A body that is not exactly what the reference describes is refused whole, by `Unreadable` with a sentence.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from operator import attrgetter, eq
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np

from alerter.core.answers import ContractAnswer, RangeAnswer, RangeDay, SummaryAnswer, UserAnswer
from alerter.core.area import HECTARES_PER_ACRE, Area, Unit
from alerter.leaf.masking import one_line

MAX_AREA = 1e12  # thirty times all land on Earth in acres: no sum of real areas gets there

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
_PlainId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]  # where the body is known to have no escapes
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024, pattern=r"^[^\x00]+$")]
_OptionalText = Annotated[str, msgspec.Meta(max_length=1024, pattern=r"^[^\x00]*$")] | None
_AreaNumber = Annotated[float, msgspec.Meta(ge=0, le=MAX_AREA)]
_DailyArea = Annotated[float, msgspec.Meta(ge=-MAX_AREA, le=MAX_AREA)]  # a fall is told where an area may fall
_Quota = Annotated[float, msgspec.Meta(ge=-MAX_AREA, le=MAX_AREA)] | None
_When = Annotated[str, msgspec.Meta(max_length=40)]

_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
T = TypeVar("T")


class Unreadable(ValueError):
    """A body that is not what the API promises; the message is one line and names the place."""


class _UserArea(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    leafUserId: _PlainId  # noqa: N815  (the API's spelling)
    totalArea: _AreaNumber  # noqa: N815


class _UserAreaWithMore(msgspec.Struct, gc=False):
    leafUserId: _Id  # noqa: N815
    totalArea: _AreaNumber  # noqa: N815


_AnyUserArea = _UserArea | _UserAreaWithMore


class _Summary(msgspec.Struct):
    areaUnit: Unit  # noqa: N815
    date: _When
    totalUniqueArea: _AreaNumber  # noqa: N815
    leafUsersAreas: msgspec.Raw  # noqa: N815


class _SummaryDocument(msgspec.Struct):
    areaUnit: Unit  # noqa: N815
    date: _When
    totalUniqueArea: _AreaNumber  # noqa: N815
    leafUsersAreas: list[_UserAreaWithMore]  # noqa: N815


class _RangeDay(msgspec.Struct):
    date: _When
    totalArea: _AreaNumber  # noqa: N815
    dailyArea: _DailyArea  # noqa: N815


class _Range(msgspec.Struct):
    areaUnit: Unit  # noqa: N815
    areaPerDay: list[_RangeDay]  # noqa: N815


class _Contract(msgspec.Struct):
    id: _Id
    product: _Text
    startDate: _When  # noqa: N815
    endDate: _When | None = None  # noqa: N815
    region: _OptionalText = None
    quotaInAcres: _Quota = None  # noqa: N815
    quotaInHectares: _Quota = None  # noqa: N815


class _User(msgspec.Struct):
    id: _Id
    name: _OptionalText = None
    email: _OptionalText = None
    externalId: str | int | None = None  # noqa: N815


class _Login(msgspec.Struct):
    id_token: Annotated[str, msgspec.Meta(min_length=1, max_length=16384, pattern=r"^[\x21-\x7e]+$")]


_SUMMARY = msgspec.json.Decoder(_Summary)
_USER_AREAS = msgspec.json.Decoder(list[_UserArea])


# ------------------------------------------------------------------ JSON
def _guarded(decode: Callable[[], T]) -> T:
    """Run a decoding step; raise Unreadable for everything that a body can do to it."""
    try:
        return decode()
    except msgspec.ValidationError as error:
        raise Unreadable(one_line(str(error).replace("`", ""))) from None
    except msgspec.DecodeError as error:
        raise Unreadable(f"it is not valid JSON ({one_line(str(error))})") from None
    except UnicodeDecodeError:
        raise Unreadable("its text is not UTF-8") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Unreadable(f"the key {one_line(twice, 40)!r} occurs twice in one object")
    return found


def _refuse_duplicate_keys(body: bytes) -> None:
    """Raise Unreadable where an object has a key twice; msgspec would keep the last one silently."""
    try:
        json.loads(body, object_pairs_hook=_unique_pairs)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None


def parse_json(body: bytes) -> Any:
    """Return the document; raise Unreadable unless it is plain JSON in UTF-8 without duplicate keys."""
    document = _guarded(lambda: msgspec.json.decode(body))
    _refuse_duplicate_keys(body)
    return document


def _convert(document: Any, kind: type[T]) -> T:
    return _guarded(lambda: msgspec.convert(document, kind, strict=True))


def _extra(document: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in kind.__struct_fields__}


def _objects(document: Any) -> list[dict[str, Any]]:
    return _convert(document, list[dict[str, Any]])


# ------------------------------------------------------------------ parts
def parse_instant(text: str) -> datetime:
    """Read `2024-01-15T00:00:00Z`, with fractions or an offset, or a plain date, as UTC; raise ValueError otherwise."""
    if _DATE.fullmatch(text) is None:
        raise ValueError(f"{one_line(text, 40)!r} is not a date like 2024-01-15T00:00:00Z")
    try:
        instant = datetime.fromisoformat(text)
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{one_line(text, 40)!r} is not a date of the calendar") from None
    if instant.year < 1970:
        raise ValueError(f"{text!r} is too long ago to be meant")
    return instant


def parse_day(text: str) -> date:
    """Read a date as the API writes it and return its UTC day; raise ValueError otherwise."""
    return parse_instant(text).date()


def _day(text: str, place: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise Unreadable(f"{place}: {error}") from None


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


body_hash = _digest


# ------------------------------------------------------------------ answers
def parse_summary(body: bytes) -> SummaryAnswer:
    """Parse one day's summary; users come out ordered by id, one listed twice with different areas is refused."""
    quick = _quick_summary(body)
    extra, summary, users = quick if quick is not None else _slow_summary(body)
    users = sorted(users, key=attrgetter("leafUserId"))
    if any(map(eq, map(attrgetter("leafUserId"), users), map(attrgetter("leafUserId"), islice(users, 1, None)))):
        users = _without_repeats(users)
    return SummaryAnswer(
        day=_day(summary.date, "date"),
        unit=summary.areaUnit,
        unique_area=summary.totalUniqueArea + 0.0,
        user_ids=tuple(map(attrgetter("leafUserId"), users)),
        user_areas=np.fromiter(map(attrgetter("totalArea"), users), np.float64, len(users)) + 0.0,  # no negative zeros
        body_hash=_digest(body),
        extra=extra,
    )


_Parts = tuple[dict[str, Any], "_Summary | _SummaryDocument", "Sequence[_AnyUserArea]"]


def _quick_summary(body: bytes) -> _Parts | None:
    """Parse a summary three times faster where duplicate keys can be ruled out by counting, else return None.

    Without escapes in the list of users each key is spelled one way only; as many spellings as users, each of
    which has the key and no other, leave none for a duplicate.  What surrounds the list is small and read slowly.
    """
    try:
        summary = _SUMMARY.decode(body)
        listed = memoryview(summary.leafUsersAreas)  # the list within the body, not copied
        users = _USER_AREAS.decode(listed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    start = body.rfind(listed)
    end = start + len(listed)
    if any(body.find(odd, start, end) >= 0 for odd in (b"\\", b"\x7f")) or any(
        body.count(key, start, end) != len(users) for key in (b'"leafUserId"', b'"totalArea"')
    ):
        return None
    rest = parse_json(body[:start] + b"null" + body[end:])
    if not isinstance(rest, dict) or "leafUsersAreas" not in rest or rest["leafUsersAreas"] is not None:
        return None
    return _extra(rest, _Summary), summary, users


def _slow_summary(body: bytes) -> _Parts:
    document = parse_json(body)
    summary = _convert(document, _SummaryDocument)
    return _extra(document, _SummaryDocument), summary, summary.leafUsersAreas


def _without_repeats(users: Iterable[_AnyUserArea]) -> list[_AnyUserArea]:
    """Return each user once; raise Unreadable for one who is listed with two different areas."""
    found: dict[str, _AnyUserArea] = {}
    for user in users:
        if found.setdefault(user.leafUserId, user).totalArea != user.totalArea:
            raise Unreadable(
                f"leafUsersAreas: user {one_line(user.leafUserId, 60)} is listed twice with different areas"
            )
    return list(found.values())


def parse_range(body: bytes, *, may_fall: bool = False) -> RangeAnswer:
    """Parse a usage range; days come out ascending, one listed twice with different figures is refused.

    `may_fall`: the area is a stock, such as current boundaries, so a day may bring less than nothing.
    """
    document = parse_json(body)
    answer = _convert(document, _Range)
    days: dict[date, RangeDay] = {}
    for index, item in enumerate(answer.areaPerDay):
        day = _day(item.date, f"areaPerDay[{index}].date")
        if item.dailyArea < 0 and not may_fall:
            raise Unreadable(f"areaPerDay[{index}].dailyArea: {item.dailyArea:g} is negative")
        said = RangeDay(day=day, total_area=item.totalArea + 0.0, daily_area=item.dailyArea + 0.0)
        if days.setdefault(day, said) != said:
            raise Unreadable(f"areaPerDay: {day} is listed twice with different figures")
    return RangeAnswer(
        unit=answer.areaUnit,
        days=tuple(days[day] for day in sorted(days)),
        body_hash=_digest(body),
        extra=_extra(document, _Range),
    )


def parse_contract(body: bytes) -> ContractAnswer:
    """Parse the details of one contract."""
    return _contract(_convert(parse_json(body), dict[str, Any]), "the contract")


def parse_contracts(body: bytes) -> list[ContractAnswer]:
    """Parse a list of contracts, in its order, repeats included; refused whole when one is unreadable."""
    return [_contract(item, f"contract {index + 1}") for index, item in enumerate(_objects(parse_json(body)))]


def _contract(document: dict[str, Any], place: str) -> ContractAnswer:
    name = document.get("id")
    place = f"contract {one_line(name, 60)}" if isinstance(name, str) and name else place
    try:
        said = _convert(document, _Contract)
    except Unreadable as error:
        raise Unreadable(f"{place}: {error}") from None
    start_at = _instant(said.startDate, f"{place}: startDate")
    end_at = None if said.endDate is None else _instant(said.endDate, f"{place}: endDate")
    if end_at is not None and end_at < start_at:
        raise Unreadable(f"{place}: endDate: it ends before it starts")
    return ContractAnswer(
        id=said.id,
        product=said.product,
        start_at=start_at,
        end_at=end_at,
        region=said.region or None,
        quota=_quota(said),
        extra=_extra(document, _Contract),
    )


def _instant(text: str, place: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise Unreadable(f"{place}: {error}") from None


def _quota(said: _Contract) -> Area | None:
    """Return the quota above zero; of two that disagree the smaller one, which warns earlier."""
    acres, hectares = said.quotaInAcres or 0.0, said.quotaInHectares or 0.0
    if acres > 0 and (hectares <= 0 or _agree(acres, hectares) or acres * HECTARES_PER_ACRE < hectares):
        return Area(acres, Unit.ACRE)
    return Area(hectares, Unit.HECTARE) if hectares > 0 else None


def _agree(acres: float, hectares: float) -> bool:
    return math.isclose(acres * HECTARES_PER_ACRE, hectares, rel_tol=0.01)  # older answers rounded


def parse_users(body: bytes) -> list[UserAnswer]:
    """Parse a list of Leaf users, in its order, repeats included."""
    return [_user(item) for item in _convert(parse_json(body), list[_User])]


def _user(said: _User) -> UserAnswer:
    external = None if said.externalId is None else str(said.externalId)
    return UserAnswer(id=said.id, name=said.name or None, email=said.email or None, external_id=external)


def parse_login(body: bytes) -> str:
    """Parse the answer to a login and return the token."""
    return _convert(parse_json(body), _Login).id_token


def refuse_ambiguous(items: Iterable[ContractAnswer]) -> tuple[ContractAnswer, ...]:
    """Return each contract once, in order of appearance; raise Unreadable where two with one id differ."""
    found: dict[str, ContractAnswer] = {}
    for item in items:
        if found.setdefault(item.id, item) != item:
            raise Unreadable(f"contract {one_line(item.id, 60)} is listed twice with different contents")
    return tuple(found.values())
