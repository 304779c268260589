"""Single values as people write them: durations, percents, areas, numbers, names and globs.

Every type takes the text of a YAML scalar (or the finished value) and answers a bad one with a sentence; a value that
came out of the environment is never repeated in it.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from itertools import islice
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from alerter.core.area import Area, parse_area
from alerter.core.model import Severity

Steps = tuple[str | int, ...]


class Scalar(str):
    """The text of a YAML scalar; `source` is what the file says before `${env:…}` was filled in."""

    __slots__ = ("source",)

    source: str

    def __new__(cls, value: str, source: str | None = None) -> Self:
        """Keep `value`, and `source` for messages about it."""
        scalar = super().__new__(cls, value)
        scalar.source = value if source is None else source
        return scalar


# ------------------------------------------------------------------ complaints
def wrong(message: str) -> PydanticCustomError:
    """Return the error that puts `message` at the value being validated."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


Complaint = tuple[Steps, str, Steps | None]


def at(steps: Steps, message: str, *, instead: Steps | None = None) -> Complaint:
    """Place a message at `steps` from the value (`..` goes up); where nothing is written there, at `instead`."""
    return steps, message, instead


def all_wrong(complaints: Iterable[Complaint]) -> PydanticCustomError:
    """Return one error that carries several messages, each with its own place."""
    return PydanticCustomError("wrong", "several problems", {"complaints": tuple(complaints)})


def shown(value: object) -> str:
    """Return the value as a message may repeat it: as the file says it, short, without control characters."""
    text = value.source if isinstance(value, Scalar) else str(value)
    return repr(text if len(text) <= 60 else text[:57] + "…")


_MOST_NAMED = 100  # words that are compared or listed: more helps nobody, and costs time


def listed(words: Iterable[str]) -> str:
    """Return the words with commas between, the first hundred of them."""
    return ", ".join(islice(words, _MOST_NAMED))


def closest(word: str, words: Iterable[str], *, most: int = _MOST_NAMED) -> str:
    """Return `, did you mean 'x'?` for the nearest of `words`, or nothing."""
    by_case = {known.lower(): known for known in islice(words, most)}
    near = difflib.get_close_matches(str(word).lower()[:80], by_case, n=1)
    return f", did you mean {by_case[near[0]]!r}?" if near else ""


def text_of(value: object, expected: str) -> str:
    """Return the text of a scalar; raise an error that names what was `expected` for anything else."""
    if value is None:
        raise wrong(f"has no value, expected {expected}")
    if isinstance(value, dict):
        raise wrong(f"expected {expected}, found a mapping")
    if isinstance(value, (list, tuple)):
        raise wrong(f"expected {expected}, found a list")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


# ------------------------------------------------------------------ numbers
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def parse_number(value: object, expected: str = "a number") -> float:
    """Read `4`, `010` (ten), `2.5` or `1e6`; raise an error for all else, infinity and NaN included."""
    text = text_of(value, expected).strip()
    if not _NUMBER.fullmatch(text):
        raise wrong(f"expected {expected}, found {shown(value)}")
    number = float(text.replace("_", ""))
    if not math.isfinite(number):
        raise wrong(f"{shown(value)} is too large")
    return number


def between(low: float, high: float, *, whole: bool = False, above: bool = False) -> Callable[[object], Any]:
    """Return a reader of numbers from `low` (left out when `above`) to `high`; `whole` ones become int."""
    expected = "a whole number" if whole else "a number"

    def read(value: object) -> float | int:
        number = parse_number(value, expected)
        if whole and not number.is_integer():
            raise wrong(f"expected {expected}, found {shown(value)}")
        if number < low or number > high or (above and number == low):
            raise wrong(f"{shown(value)} is out of range, expected {'more than' if above else 'from'} {low:g} "
                        f"{'and at most' if above else 'to'} {high:g}")  # fmt: skip
        return int(number) if whole else number

    return read


_YES_NO = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_yes_no(value: object) -> bool:
    """Read true, yes, on, false, no or off in any case."""
    answer = _YES_NO.get(text_of(value, "true or false").strip().lower())
    if answer is None:
        raise wrong(f"expected true or false, found {shown(value)}")
    return answer


# ------------------------------------------------------------------ durations
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"\s*".join(rf"(?:([0-9.]+)\s*{unit})?" for unit in _SECONDS))


def parse_duration(value: object) -> timedelta:
    """Read `15m`, `2d`, `1h30m`, `90s` or `0s`: weeks, days, hours, minutes, seconds in that order."""
    if isinstance(value, timedelta):
        return value
    text = text_of(value, "a duration").strip().lower()
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        hint = "; a unit is missing" if _NUMBER.fullmatch(text) else ""
        raise wrong(f"{shown(value)} is not a duration{hint}; write for example 90s, 15m, 1h30m or 2d")
    try:
        seconds = sum(float(n) * size for n, size in zip(match.groups(), _SECONDS.values(), strict=True) if n)
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise wrong(f"{shown(value)} is not a duration; write for example 90s, 15m, 1h30m or 2d") from None


def duration_text(duration: timedelta) -> str:
    """Write a duration the way the config does: `1h30m`, `2d`, `0s`."""
    rest, parts = duration.total_seconds(), []
    for unit, size in list(_SECONDS.items())[1:]:
        count, rest = divmod(rest, size)
        if unit == "s" and rest:
            count += rest
        if count:
            parts.append(f"{count:g}{unit}")
    return "".join(parts) or "0s"


def lasting(low: str, high: str) -> Callable[[object], timedelta]:
    """Return a reader of durations from `low` to `high`, both as the config writes them."""
    least, most = parse_duration(low), parse_duration(high)

    def read(value: object) -> timedelta:
        duration = parse_duration(value)
        if not least <= duration <= most:
            raise wrong(f"{shown(value)} is out of range, expected from {low} to {high}")
        return duration

    return read


# ------------------------------------------------------------------ days
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(value: object) -> date:
    """Read a UTC day, written 2026-05-14."""
    if isinstance(value, date):
        return value
    text = text_of(value, "a day").strip()
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        raise wrong(f"there is no day {shown(value)}") from None
    raise wrong(f"{shown(value)} is not a day; write for example 2026-05-14")


# ------------------------------------------------------------------ percents and areas
def parse_percent(value: object) -> float:
    """Read `50%`, `50 %` or plain `50`; return percent points (50.0), more than 0 and at most 100,000."""
    text = text_of(value, "a percentage").strip()
    bare = text[:-1].strip() if text.endswith("%") else text
    if not _NUMBER.fullmatch(bare):
        raise wrong(f"{shown(value)} is not a percentage; write for example 50%")
    points = float(bare.replace("_", ""))
    if not 0 < points <= 100_000:
        raise wrong(f"{shown(value)} is out of range, expected more than 0% and at most 100000%")
    return points


def parse_points(value: object) -> float:
    """Read percent points, written `2` or `2%`, from 0 to 100."""
    text = text_of(value, "percent points").strip().removesuffix("%").strip()
    points = float(text.replace("_", "")) if _NUMBER.fullmatch(text) else math.nan
    if not 0 <= points <= 100:
        raise wrong(f"{shown(value)} is no number of percent points, expected from 0 to 100")
    return points


_DECIMAL_COMMA = re.compile(r"[0-9.,' _]*,(?![0-9]{3}(?![0-9]))[0-9.,' _]*\s*[A-Za-z]*")
_UNIT = re.compile(r".*?[0-9]\s*([A-Za-z]+)\s*")
_UNITS = ("acre", "acres", "ac", "hectare", "hectares", "ha")


def parse_any_area(value: object) -> Area:
    """Read `800000 acre`, `5,000 ac`, `320.5 ha` or zero with a unit."""
    if isinstance(value, Area):
        return value
    text = text_of(value, "an area")
    if _DECIMAL_COMMA.fullmatch(text.strip()):
        raise wrong(f"{shown(value)}: a comma groups thousands (5,000 acre); write decimals with a point (5.5 acre)")
    unit = _UNIT.fullmatch(text)
    if unit and unit[1].lower() not in _UNITS:
        raise wrong(f"unknown unit in {shown(value)}, expected acre or hectare{closest(unit[1], _UNITS)}")
    try:
        return parse_area(text)
    except ValueError:  # its sentence repeats the value, which may come from the environment
        hint = "; the unit is missing" if _NUMBER.fullmatch(text.strip().replace(",", "")) else ""
        raise wrong(f"{shown(value)} is not an area{hint}; write a number and a unit, for example 5000 acre") from None


def parse_some_area(value: object) -> Area:
    """Read an area above zero."""
    area = parse_any_area(value)
    if area.value <= 0:
        raise wrong(f"{shown(value)} is out of range, expected more than 0")
    return area


def parse_bar(value: object) -> Area | float:
    """Read an area, or a percentage of the cap as a share (`2%` gives 0.02)."""
    if isinstance(value, (Area, float)):
        return value
    text = text_of(value, "an area or a percentage of the cap").strip()
    return parse_percent(value) / 100 if text.endswith("%") else parse_some_area(value)


# ------------------------------------------------------------------ words
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parse_text(value: object) -> str:
    """Read any text that is not empty."""
    text = text_of(value, "text")
    if not text.strip():
        raise wrong("is empty, expected text")
    return str(text)


def parse_slug(value: object) -> str:
    """Read a name of letters, digits, `-`, `_` and `.`, at most 64 of them."""
    text = text_of(value, "a name")
    if not SLUG.fullmatch(text):
        raise wrong(f"{shown(value)} cannot be a name; use letters, digits, - _ and ., starting with a letter or digit")
    return str(text)


def one_of(words: Iterable[str], make: Callable[[str], Any] = str) -> Callable[[object], Any]:
    """Return a reader of exactly one of `words`, in any case."""
    known = tuple(words)

    def read(value: object) -> Any:
        text = text_of(value, " or ".join(known)).strip().lower()
        if text not in known:
            raise wrong(f"{shown(value)} is not one of {', '.join(known)}{closest(text, known)}")
        return make(text)

    return read


def why_bad_glob(text: str) -> str:
    """Say what is wrong with a glob, or return nothing."""
    rest = text
    while "[" in rest:
        start = rest.index("[")
        end = rest.find("]", start + (3 if rest[start + 1 : start + 2] == "!" else 2))
        if end < 0:
            return "has a [ without its ]; write [[] for a bracket itself"
        for low, high in re.findall(r"(.)-(.)", rest[start + 1 : end]):
            if low > high:
                return f"has the empty range {low}-{high}"
        rest = rest[end + 1 :]
    return ""


def parse_globs(value: object) -> tuple[str, ...]:
    """Read one glob or a list of them (`*`, `?`, `[abc]`; case matters)."""
    if value == ():  # the default: everything
        return ()
    if isinstance(value, (list, tuple)):
        items: list[object] = list(value)
        problems = [at((index,), message) for index, item in enumerate(items) if (message := _why_no_glob(item))]
        if not items:
            raise wrong("is an empty list; leave the key out to match everything")
        if problems:
            raise all_wrong(problems)
        return tuple(str(item) for item in items)
    if message := _why_no_glob(value):
        raise wrong(message)
    return (str(value),)


def _why_no_glob(value: object) -> str:
    if isinstance(value, (dict, list, tuple)):
        return f"expected text or a list of texts, found a {'mapping' if isinstance(value, dict) else 'list'}"
    if value is None or not str(value).strip():
        return "is empty, expected text; leave the key out to match everything"
    bad = why_bad_glob(str(value))
    return f"the glob {shown(value)} {bad}" if bad else ""


def globs_cover(outer: tuple[str, ...], inner: tuple[str, ...]) -> bool:
    """Say whether `outer` surely matches all that `inner` does (no globs: everything)."""
    if not outer or "*" in outer:
        return True
    return bool(inner) and all(any(one == other or _literal_in(one, other) for other in outer) for one in inner)


def _literal_in(one: str, glob: str) -> bool:
    return not re.search(r"[*?\[]", one) and fnmatch.fnmatchcase(one, glob)


def parse_zone(value: object) -> str:
    """Read the name of a time zone, such as America/Chicago or UTC."""
    text = text_of(value, "a time zone").strip()
    try:
        ZoneInfo(text)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder's name an OSError
        near = (
            closest(text, sorted(available_timezones()), most=1000) or ", expected a name like America/Chicago or UTC"
        )
        raise wrong(f"unknown time zone {shown(value)}{near}") from None
    return str(text)


# ------------------------------------------------------------------ the types
def _type(read: Callable[[object], Any], example: str, kinds: list[str]) -> tuple[PlainValidator, WithJsonSchema]:
    schema: dict[str, Any] = {"type": kinds if len(kinds) > 1 else kinds[0]}
    if example:
        schema["examples"] = [example]
    return PlainValidator(read), WithJsonSchema(schema if "string" in kinds else _or_filled_in(schema))


def _words(words: Iterable[str], make: Callable[[str], Any] = str) -> tuple[PlainValidator, WithJsonSchema]:
    known = tuple(words)
    return PlainValidator(one_of(known, make)), WithJsonSchema(_or_filled_in({"enum": list(known)}))


def _or_filled_in(schema: dict[str, Any]) -> dict[str, Any]:
    """Let the editors' schema accept a value that comes out of the environment."""
    return {"anyOf": [schema, {"type": "string", "pattern": r"\$\{env:"}]}


_AS_TEXT = PlainSerializer(str)
Text = Annotated[str, *_type(parse_text, "", ["string", "number", "boolean"])]
Slug = Annotated[str, *_type(parse_slug, "", ["string", "number"])]
YesNo = Annotated[bool, *_type(parse_yes_no, "", ["boolean"])]
Count = Annotated[int, *_type(between(1, 1000, whole=True), "", ["integer"])]
Percent = Annotated[float, *_type(parse_percent, "50%", ["string", "number"])]
Points = Annotated[float, *_type(parse_points, "2", ["number", "string"])]
SomeArea = Annotated[Area, *_type(parse_some_area, "5000 acre", ["string"]), _AS_TEXT]
AnyArea = Annotated[Area, *_type(parse_any_area, "5000 acre", ["string"]), _AS_TEXT]
Bar = Annotated[Area | float, *_type(parse_bar, "500 acre", ["string"]), _AS_TEXT]
Day = Annotated[date, *_type(parse_day, "2026-05-14", ["string"]), PlainSerializer(date.isoformat, when_used="json")]
_TEXT: dict[str, Any] = {"type": ["string", "number"]}
_TEXTS: dict[str, Any] = {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}]}
Globs = Annotated[tuple[str, ...], PlainValidator(parse_globs), WithJsonSchema(_TEXTS), PlainSerializer(list)]
Zone = Annotated[str, *_type(parse_zone, "America/Chicago", ["string"])]
SeverityWord = Annotated[Severity, *_words([severity.value for severity in Severity], Severity), _AS_TEXT]


def duration(low: str, high: str) -> tuple[PlainValidator, WithJsonSchema, PlainSerializer]:
    """Return the annotations of a duration from `low` to `high`."""
    return *_type(lasting(low, high), "15m", ["string"]), PlainSerializer(duration_text, when_used="json")


def number(
    low: float, high: float, *, whole: bool = False, above: bool = False
) -> tuple[PlainValidator, WithJsonSchema]:
    """Return the annotations of a number from `low` to `high`."""
    return _type(between(low, high, whole=whole, above=above), "", ["integer" if whole else "number"])


def words(*known: str) -> tuple[PlainValidator, WithJsonSchema]:
    """Return the annotations of a choice of words."""
    return _words(known)
