from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.answers import ContractAnswer, RangeDay
from alerter.core.area import Area, Unit
from alerter.leaf import wire
from alerter.leaf.masking import SAMPLE_BYTES, mask, one_line, sample_of
from alerter.leaf.replies import retry_after_of
from alerter.leaf.wire import Unreadable

# The reference's own examples, byte for byte.
CONTRACTS = b"""[
  {
    "id": "unique id",
    "product": "FIELDS_BOUNDARY",
    "startDate": "2023-01-01T00:00:00Z",
    "endDate": "2024-01-01T00:00:00Z",
    "region": null
  }
]
"""
CONTRACT = b"""{
  "id": "unique id",
  "product": "FIELDS_BOUNDARY",
  "startDate": "2023-01-01T00:00:00Z",
  "endDate": "2024-01-01T00:00:00Z",
  "region": null
}
"""
SUMMARY = b"""{
  "areaUnit": "Acre",
  "date": "2024-01-15T00:00:00Z",
  "totalUniqueArea": 0.8,
  "leafUsersAreas": [
    {
      "leafUserId": "uuid1",
      "totalArea": 0.6
    },
    {
      "leafUserId": "uuid2",
      "totalArea": 0.4
    }
  ]
}
"""
OWNER_RANGE = b"""{
  "areaUnit": "Acre",
  "areaPerDay": [
    {
      "date": "2024-01-02T00:00:00Z",
      "totalArea": 90.0,
      "dailyArea": 65.0
    },
    {
      "date": "2024-01-03T00:00:00Z",
      "totalArea": 90.0,
      "dailyArea": 0.0
    }
  ]
}
"""
USER_RANGE = OWNER_RANGE.replace(b"90.0", b"0.6").replace(b"65.0", b"0.6")

EXAMPLE_CONTRACT = ContractAnswer(
    id="unique id",
    product="FIELDS_BOUNDARY",
    start_at=datetime(2023, 1, 1, tzinfo=UTC),
    end_at=datetime(2024, 1, 1, tzinfo=UTC),
    region=None,
)


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "areaUnit": "Hectare",
        "date": "2024-01-15T00:00:00Z",
        "totalUniqueArea": 5,
        "leafUsersAreas": [{"leafUserId": "a", "totalArea": 2.5}, {"leafUserId": "b", "totalArea": 3}],
    } | changes


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


# ------------------------------------------------------------------ what is documented
def test_the_documented_contract_list_is_read_exactly() -> None:
    assert wire.parse_contracts(CONTRACTS) == [EXAMPLE_CONTRACT]


def test_the_documented_contract_is_read_exactly() -> None:
    assert wire.parse_contract(CONTRACT) == EXAMPLE_CONTRACT


def test_the_documented_summary_is_read_exactly() -> None:
    answer = wire.parse_summary(SUMMARY)
    assert (answer.day, answer.unit, answer.unique_area) == (date(2024, 1, 15), Unit.ACRE, 0.8)
    assert answer.user_ids == ("uuid1", "uuid2")
    assert answer.user_areas.tolist() == [0.6, 0.4]
    assert answer.user_areas.dtype == np.float64
    assert answer.user_sum == 1.0
    assert answer.body_hash == wire.body_hash(SUMMARY)
    assert answer.extra == {}


@pytest.mark.parametrize(("body", "totals", "days"), [(OWNER_RANGE, 90.0, [65.0, 0.0]), (USER_RANGE, 0.6, [0.6, 0.0])])
def test_the_documented_ranges_are_read_exactly(body: bytes, totals: float, days: list[float]) -> None:
    answer = wire.parse_range(body)
    assert answer.unit is Unit.ACRE
    assert answer.days == tuple(
        RangeDay(day=date(2024, 1, 2 + index), total_area=totals, daily_area=daily) for index, daily in enumerate(days)
    )
    assert (answer.extra, answer.body_hash) == ({}, wire.body_hash(body))


def test_empty_lists_are_answers_too() -> None:
    assert wire.parse_contracts(b"[]") == []
    assert wire.parse_users(b" [ ] \n") == []
    assert wire.parse_range(b'{"areaUnit":"Acre","areaPerDay":[]}').days == ()
    answer = wire.parse_summary(encoded(summary(leafUsersAreas=[], more=[])))
    assert answer.user_ids == ()
    assert answer.user_sum == 0
    assert answer.extra == {"more": []}


def test_an_open_end_and_a_region_are_read() -> None:
    body = b'[{"id":"x/../y","product":"NEW","startDate":"2023-01-01","endDate":null,"region":"US"},'
    body += b'{"id":"z","product":"NEW","startDate":"2023-01-01T12:00:00.000+02:00"}]'
    first, second = wire.parse_contracts(body)
    assert (first.id, first.end_at, first.region) == ("x/../y", None, "US")
    assert (second.start_at, second.end_at, second.region) == (datetime(2023, 1, 1, 10, tzinfo=UTC), None, None)


@pytest.mark.parametrize(
    ("acres", "hectares", "expected"),
    [
        (5000, 2023.43, Area(5000, Unit.ACRE)),
        (None, 2000.5, Area(2000.5, Unit.HECTARE)),
        (0, 2000.5, Area(2000.5, Unit.HECTARE)),
        (5000, 0, Area(5000, Unit.ACRE)),
        (0, 0.0, None),
        (-1, None, None),
        (None, None, None),
        (5000, 100, Area(100, Unit.HECTARE)),  # they disagree: the one that warns earlier
        (5000, 9000, Area(5000, Unit.ACRE)),
    ],
)
def test_a_quota_above_zero_is_kept(acres: float | None, hectares: float | None, expected: Area | None) -> None:
    document = json.loads(CONTRACT) | {"quotaInAcres": acres, "quotaInHectares": hectares}
    assert wire.parse_contract(encoded(document)).quota == expected


def test_unknown_fields_are_kept_of_documents_and_contracts_but_not_of_users() -> None:
    assert wire.parse_contract(encoded(json.loads(CONTRACT) | {"tier": {"a": [1]}})).extra == {"tier": {"a": [1]}}
    assert wire.parse_range(encoded(json.loads(OWNER_RANGE) | {"note": 1})).extra == {"note": 1}
    users = [{"leafUserId": "a", "totalArea": 1, "name": "x"}]
    answer = wire.parse_summary(encoded(summary(leafUsersAreas=users, note="n")))
    assert answer.extra == {"note": "n"}
    assert answer.user_ids == ("a",)


def test_leaf_users_are_read_with_what_they_have() -> None:
    body = encoded(
        [{"id": "1", "name": "Ann", "email": "a@b.c", "externalId": 7, "phone": "1"}, {"id": "2", "name": None}]
    )
    first, second = wire.parse_users(body)
    assert (first.id, first.name, first.email, first.external_id) == ("1", "Ann", "a@b.c", "7")
    assert (second.id, second.name, second.email, second.external_id) == ("2", None, None, None)


# ------------------------------------------------------------------ dates
@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-01-15T00:00:00Z", date(2024, 1, 15)),
        ("2024-01-15T00:00:00.000Z", date(2024, 1, 15)),
        ("2024-01-15T23:59:59.999999999Z", date(2024, 1, 15)),
        ("2024-01-15", date(2024, 1, 15)),
        ("2024-01-15T00:00:00", date(2024, 1, 15)),
        ("2024-01-15T00:00:00+02:00", date(2024, 1, 14)),
        ("2024-01-14T23:00:00-05:00", date(2024, 1, 15)),
        ("2024-01-14T23:00:00-0500", date(2024, 1, 15)),
        ("2024-02-29T00:00:00Z", date(2024, 2, 29)),
        ("2024-12-31T23:30:00-01:00", date(2025, 1, 1)),
    ],
)
def test_dates_are_utc_days_in_every_spelling(text: str, day: date) -> None:
    assert wire.parse_day(text) == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "20240115",
        "2024-1-5",
        "2023-02-29",
        "2024-13-01",
        "2024-01-15T25:00:00Z",
        "2024-W03-1",
        "15.01.2024",
        "2024-01-15 00:00:00",
        "2024-01-15T00:00:00Z ",
        "٢٠٢٤-01-15",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01",
        "1705276800",
        "2024-01-15T00:00:00+99:99",
        "null",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match=r"date|long ago"):
        wire.parse_day(text)


@given(st.integers(1, 4 * 10**9), st.integers(-23 * 60, 23 * 60))
@settings(max_examples=60)
def test_an_offset_never_moves_the_instant(seconds: int, minutes: int) -> None:
    aware = datetime.fromtimestamp(86400 + seconds, tz=timezone(timedelta(minutes=minutes)))
    assert wire.parse_instant(aware.isoformat()) == aware


@pytest.mark.parametrize(
    ("key", "value"), [("startDate", "soon"), ("endDate", "2024-02-30T00:00:00Z"), ("startDate", None)]
)
def test_a_contract_with_an_unreadable_date_is_refused_by_name_and_field(key: str, value: object) -> None:
    good = json.loads(CONTRACT)
    with pytest.raises(Unreadable, match=f"contract bad one.*{key}"):
        wire.parse_contracts(encoded([good, good | {"id": "bad one", key: value}]))


def test_a_contract_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(Unreadable, match="unique id: endDate: it ends before it starts"):
        wire.parse_contract(encoded(json.loads(CONTRACT) | {"endDate": "2022-01-01T00:00:00Z"}))


# ------------------------------------------------------------------ what is refused
BAD_NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "-1",
    "-0.001",
    "true",
    "false",
    "null",
    '"1"',
    "1e13",
    "9" * 5000,
    "9" * 400 + ".5",
    "[]",
    "{}",
    "01",
    "1.",
    ".5",
    "+1",
    "0x10",
    "1e",
    "1_000",
]


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("place", ["unique", "user", "total", "daily"])
def test_numbers_that_are_no_areas_are_refused(number: str, place: str) -> None:
    body, parse = SUMMARY.decode(), wire.parse_summary
    if place in ("total", "daily"):
        body, parse = OWNER_RANGE.decode(), wire.parse_range  # type: ignore[assignment]
    old = {"unique": "0.8", "user": "0.4", "total": "90.0", "daily": "65.0"}[place]
    with pytest.raises(Unreadable):
        parse(body.replace(old, number, 1).encode())


@pytest.mark.parametrize("number", ["0", "-0.0", "0.0", "1", "1e3", "1E-3", "123456789.123456789", "1e12"])
def test_numbers_that_are_areas_are_kept_as_said(number: str) -> None:
    answer = wire.parse_summary(SUMMARY.replace(b"0.4", number.encode()))
    assert answer.user_areas[1] == float(number)
    assert not np.signbit(answer.user_areas).any()


@pytest.mark.parametrize("unit", ["acre", "ACRE", "Acres", "Hectares", "ha", "", "SquareMetre", None, 1])
def test_an_unknown_unit_is_refused(unit: object) -> None:
    with pytest.raises(Unreadable, match="areaUnit"):
        wire.parse_summary(encoded(summary(areaUnit=unit)))
    with pytest.raises(Unreadable, match="areaUnit"):
        wire.parse_range(encoded({"areaUnit": unit, "areaPerDay": []}))


@pytest.mark.parametrize("key", ["areaUnit", "date", "totalUniqueArea", "leafUsersAreas"])
def test_a_missing_field_is_refused_by_name(key: str) -> None:
    document = summary()
    del document[key]
    with pytest.raises(Unreadable, match=key):
        wire.parse_summary(encoded(document))


@pytest.mark.parametrize(
    "body",
    [
        b'{"areaUnit":"Acre","areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":[]}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"totalUniqueArea":2,"leafUsersAreas":[]}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":[],"leafUsersAreas":[]}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":[],"x":{"y":1,"y":1}}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":[{"leafUserId":"a","totalArea":1,"totalArea":2}]}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":[{"leafUserId":"a","leafUserId":"b","totalArea":1}]}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":[{"leafUserId":"a","totalArea":1,"total\\u0041rea":2}]}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":[{"leafUserId":"a","totalArea":1,"z":1,"z":1}]}',
    ],
)
def test_duplicate_keys_are_refused_wherever_they_are(body: bytes) -> None:
    with pytest.raises(Unreadable, match="occurs twice"):
        wire.parse_summary(body)


def test_duplicate_keys_are_refused_in_every_other_document() -> None:
    for parse, body in (
        (wire.parse_contracts, CONTRACTS.replace(b'"region": null', b'"id": "other"')),
        (wire.parse_contract, CONTRACT.replace(b'"region": null', b'"id": "other"')),
        (wire.parse_range, OWNER_RANGE.replace(b'"dailyArea": 0.0', b'"dailyArea": 0.0, "dailyArea": 1')),
        (wire.parse_users, b'[{"id":"1","id":"2"}]'),
        (wire.parse_login, b'{"id_token":"a","id_token":"b"}'),
    ):
        with pytest.raises(Unreadable, match="occurs twice"):
            parse(body)  # type: ignore[operator]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"7",
        b'"text"',
        b"{",
        b"[[",
        SUMMARY[:-3],
        SUMMARY + b"x",
        SUMMARY + SUMMARY,
        b"\xef\xbb\xbf" + SUMMARY,
        SUMMARY.decode().encode("utf-16"),
        SUMMARY.decode().encode("utf-32"),
        b"<html></html>",
        SUMMARY.replace(b"uuid1", b"\xfc"),
        SUMMARY.replace(b"uuid1", b"\\ud800"),
        SUMMARY.replace(b"uuid1", b"a\nb"),
        b"[" * 200_000,
        b'{"a":' * 200_000,
        SUMMARY.replace(b'"uuid1"', b'"' + b"a" * 300 + b'"'),
        SUMMARY.replace(b'"uuid1"', b'""'),
        SUMMARY.replace(b'"uuid1"', b"1"),
        SUMMARY.replace(b"uuid1", b"a\\u0000"),
        SUMMARY.replace(b"'", b'"').replace(b'"areaUnit"', b"areaUnit"),
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":null}',
        b'{"areaUnit":"Acre","date":"2024-01-15","totalUniqueArea":1,"leafUsersAreas":{}}',
    ],
)
def test_what_is_no_summary_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        wire.parse_summary(body)
    assert "\n" not in str(caught.value)
    assert 5 < len(str(caught.value)) < 300


@given(st.data())
@settings(max_examples=150)
def test_a_mutated_answer_is_refused_or_read_but_never_breaks_the_parser(data: st.DataObject) -> None:
    parse, body = data.draw(
        st.sampled_from(
            [(wire.parse_summary, SUMMARY), (wire.parse_range, OWNER_RANGE), (wire.parse_contracts, CONTRACTS)]
        )
    )
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 12)))
    filling = data.draw(
        st.one_of(st.binary(max_size=4), st.sampled_from([b"NaN", b'"', b"-", b"1e999", b"{}", b"\\u0000"]))
    )
    try:
        parse(body[:start] + filling + body[end:])  # type: ignore[operator]
    except Unreadable as error:
        assert "\n" not in str(error)  # noqa: PT017  (an answer is fine too)


# ------------------------------------------------------------------ order and repeats
areas = st.floats(0, 1e6, allow_nan=False)
user_lists = st.dictionaries(st.text("abc", min_size=1, max_size=4), areas, max_size=12)


@given(user_lists, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_and_repeats_of_users_change_nothing(users: dict[str, float], order: random.Random) -> None:
    listed = [{"leafUserId": user, "totalArea": area} for user, area in users.items()]
    straight = wire.parse_summary(encoded(summary(leafUsersAreas=listed)))
    shuffled = listed + order.choices(listed, k=3) if listed else []
    order.shuffle(shuffled)
    other = wire.parse_summary(encoded(summary(leafUsersAreas=shuffled)))
    assert other.user_ids == straight.user_ids == tuple(sorted(users))
    assert other.user_areas.tolist() == straight.user_areas.tolist() == [users[user] for user in straight.user_ids]
    assert other.user_sum == straight.user_sum


@given(user_lists, st.booleans(), st.booleans())
@settings(max_examples=60)
def test_the_quick_way_reads_what_the_slow_way_reads(users: dict[str, float], more: bool, ascii_only: bool) -> None:
    listed = [{"leafUserId": user + ("" if ascii_only else "é"), "totalArea": area} for user, area in users.items()]
    body = encoded(summary(leafUsersAreas=listed, **({"more": listed} if more else {})))
    quick, slow = wire._quick_summary(body), wire._slow_summary(body)
    if quick is not None:
        assert quick[0] == slow[0]
        assert [(user.leafUserId, user.totalArea) for user in quick[2]] == [
            (user.leafUserId, user.totalArea) for user in slow[2]
        ]
    assert quick is not None or more or not ascii_only


def test_a_user_listed_twice_with_different_areas_is_refused() -> None:
    users = [{"leafUserId": "a", "totalArea": 1}, {"leafUserId": "a", "totalArea": 2}]
    with pytest.raises(Unreadable, match="user a is listed twice"):
        wire.parse_summary(encoded(summary(leafUsersAreas=users)))


@given(
    st.dictionaries(st.dates(date(2023, 1, 1), date(2023, 3, 1)), st.tuples(areas, areas), max_size=9),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_the_order_and_repeats_of_days_change_nothing(
    days: dict[date, tuple[float, float]], order: random.Random
) -> None:
    listed = [{"date": f"{d}T00:00:00Z", "totalArea": t, "dailyArea": a} for d, (t, a) in days.items()]
    listed += [item | {"date": item["date"].replace("T00:00:00Z", "T01:00:00.000+01:00")} for item in listed[:3]]  # type: ignore[union-attr]
    order.shuffle(listed)
    answer = wire.parse_range(encoded({"areaUnit": "Hectare", "areaPerDay": listed}))
    assert [day.day for day in answer.days] == sorted(days)
    assert {day.day: (day.total_area, day.daily_area) for day in answer.days} == days


def test_a_day_listed_twice_with_different_figures_is_refused() -> None:
    with pytest.raises(Unreadable, match="2024-01-03 is listed twice"):
        wire.parse_range(OWNER_RANGE.replace(b"2024-01-02", b"2024-01-03"))


def test_a_day_above_its_own_total_is_kept_as_said() -> None:
    answer = wire.parse_range(OWNER_RANGE.replace(b"65.0", b"650.5"))
    assert (answer.days[0].total_area, answer.days[0].daily_area) == (90.0, 650.5)


# ------------------------------------------------------------------ masking
@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ('{"id_token":"abc.def"}', "abc.def"),
        ('{"password": "hun\\"ter2"}', "ter2"),
        ("Authorization: Bearer abc-123", "abc-123"),
        ("bearer abc-123", "abc-123"),
        ("mail to jane.doe+x@farm.example.org now", "jane"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIi"),
        ("eyJhbGciOiJIUzI1NiJ9", "eyJh"),
        ("my correct horse here", "correct horse"),
        ("client_secret=topsecret&x=1", "topsecret"),
        ("A" * 60, "A" * 40),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, gone: str) -> None:
    assert gone not in mask(text, ["correct horse"])
    assert "***" in mask(text, ["correct horse"])


def test_ids_stay_readable_in_a_sample() -> None:
    text = '{"leafUserId": "8f3cbd02-66f5-4a3b-9b5c-4a3d6f1f2b11", "totalArea": 1.5}'
    assert sample_of(text.encode()) == text


def test_a_sample_is_bounded_masked_and_without_control_characters() -> None:
    body = b"\x00\x1b[31m\xff" + "é jane@farm.example ".encode() * 2000
    sample = sample_of(body, ["secret"])
    assert len(sample.encode()) <= SAMPLE_BYTES
    assert "jane" not in sample
    assert sample.isprintable()


@given(st.integers(0, 3 * SAMPLE_BYTES))
@settings(max_examples=40)
def test_a_secret_cut_by_the_limit_does_not_escape(offset: int) -> None:
    secret = "Zq9!" * 6
    sample = sample_of(b"a " * (offset // 2) + secret.encode() + b" b" * SAMPLE_BYTES, [secret])
    assert "Zq9!" not in sample


@pytest.mark.parametrize(
    "hostile", ["a" * 20000, "a-" * 10000, '"' * 20000, "a@" * 10000, "token" * 4000, "eyJ" * 7000, "=" * 20000]
)
@pytest.mark.timeout(5)
def test_masking_a_hostile_body_takes_no_time(hostile: str) -> None:
    assert len(sample_of(hostile.encode(), ["x"])) <= SAMPLE_BYTES


def test_one_line_is_one_line() -> None:
    assert one_line("a\r\nb\u2028c\x1b[0m\u202ed") == "a b c [0m d"
    assert one_line("x" * 300, 10) == "x" * 9 + "…"


# ------------------------------------------------------------------ Retry-After
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 1),
        ("120", 120),
        ("1.5", 1.5),
        ("3600", 3600),
        ("99999", 3600),
        ("9" * 300, 3600),
        (" 12 ", 12),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120),
        ("Sun, 01 Mar 2026 14:00:00 GMT", 3600),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120),
        (None, 60),
        ("", 60),
        ("-5", 60),
        ("soon", 60),
        ("nan", 60),
        ("inf", 60),
        ("Sun, 99 Mar 2026 12:02:00 GMT", 60),
        ("1e3", 60),
        ("٣", 60),
    ],
)
def test_retry_after_is_honoured_within_limits(value: str | None, seconds: float) -> None:
    assert retry_after_of(value, NOW) == seconds


# ------------------------------------------------------------------ areas that may shrink
def test_a_day_may_bring_less_than_nothing_only_where_the_area_may_fall() -> None:
    body = (
        b'{"areaUnit": "Acre", "areaPerDay": [{"date": "2024-01-02T00:00:00Z", "totalArea": 85.0, "dailyArea": -5.0}]}'
    )
    with pytest.raises(wire.Unreadable, match=r"areaPerDay\[0\]\.dailyArea: -5 is negative"):
        wire.parse_range(body)
    assert wire.parse_range(body, may_fall=True).days[0].daily_area == -5.0
    with pytest.raises(wire.Unreadable, match="totalArea"):
        wire.parse_range(body.replace(b"85.0", b"-85.0"), may_fall=True)
