"""`alerter contracts` and `alerter usage` against figures that were served: now, then, per user, in every form."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.cli_world import Ran, run
from tests.plain_leaf import PlainContract, PlainLeaf

START = date(2026, 2, 1)
TODAY = date(2026, 3, 10)
REVISED, MISSING = date(2026, 3, 8), date(2026, 2, 20)
HOSTILE = '=HYPERLINK("http://x")\x1b[31m\u202e,""evil'
HECTARES = 0.40468564224

CONFIG = """\
accounts:
  - {{name: prod, base_url: "{url}", username: owner@example.com, password: s3cret-pass, aliases: {{u-2: Two & Sons}}}}
contracts:
  - {{match: {{product: OPERATIONS_FILE}}, cap: 12000 acre, name: Field work}}
rules:
  - {{id: contract-cap, kind: contract_cap}}
channels:
  screen: {{url: "console://"}}
database: state.db
"""


def days_up_to(last: date) -> list[date]:
    return [START + timedelta(days=n) for n in range((last - START).days + 1)]


@dataclass
class Seen:
    """A database after two polls: of 9 March, and of 10 March, when 8 March was revised upwards."""

    config: Path
    operations: PlainContract

    def run(self, *args: str, columns: int = 80) -> Ran:
        return run(*args, env={"ALERTER_CONFIG": str(self.config), "ALERTER_DATABASE": None, "COLUMNS": str(columns)})


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    config = tmp_path_factory.mktemp("usage") / "alerter.yaml"
    every = days_up_to(TODAY)
    usage = {
        "u-1": {day: 10.0 + index for index, day in enumerate(every)},
        "u-2": dict.fromkeys(every, 4.0),
        "u-bad": dict.fromkeys(every, 1.0),
    }
    operations = PlainContract("ops-1", "OPERATIONS_FILE", START, date(2027, 2, 1), usage, missing={MISSING})
    over = PlainContract("fld-1", "FIELDS_BOUNDARY", date(2025, 3, 5), date(2026, 3, 5), {"u-1": {START: 5.0}})
    new = PlainContract("fld-2", "FIELDS_BOUNDARY", date(2026, 3, 5), None, {"u-1": {TODAY: 2.0}}, unit="Hectare")
    names = {"u-bad": HOSTILE, "u-1": "Prairie Co-op"}
    with PlainLeaf([operations, over, new], TODAY - timedelta(days=1), names=names) as leaf:
        made = Seen(config, operations)
        config.write_text(CONFIG.format(url=leaf.url), "utf-8")
        config.chmod(0o600)
        assert made.run("once", "--at", "2026-03-09T06:00").code == 0
        leaf.today = TODAY
        usage["u-1"][REVISED] += 100.0
        assert made.run("once", "--at", "2026-03-10T06:00").code == 0
        yield made


def day_of(document: dict, day: date) -> dict:  # type: ignore[type-arg]
    (found,) = [one for one in document["days"] if one["day"] == day.isoformat()]
    return found


# ------------------------------------------------------------------ usage
def test_every_day_is_what_the_server_said(seen: Seen) -> None:
    document = seen.run("usage", "ops-1", "--format", "json").json
    assert [one["day"] for one in document["days"]] == [day.isoformat() for day in days_up_to(TODAY)]
    for day in days_up_to(TODAY):
        if day not in (MISSING, MISSING + timedelta(days=1)):
            billed = sum(areas[day] for areas in seen.operations.usage.values())
            assert day_of(document, day)["billed"] == pytest.approx(billed)
            assert day_of(document, day)["overlap"] == pytest.approx(0.1 * billed)
    states = {one["day"][5:]: one["state"] for one in document["days"]}
    assert (states["03-10"], states["03-09"], states["03-06"], states["02-01"]) == (
        "open",
        "provisional",
        "settled",
        "final",
    )
    total = sum(sum(areas.values()) for areas in seen.operations.usage.values())
    assert document["totals"]["billed"] == pytest.approx(total), "the totals span the gap"
    assert document["totals"]["complete"]


def test_a_gap_is_a_gap_and_no_zero(seen: Seen) -> None:
    document = seen.run("usage", "ops-1", "--format", "json").json
    assert day_of(document, MISSING)["billed"] is None
    assert document["totals"]["gaps"] == 2, "the day after a gap spans two"
    table = seen.run("usage", "ops-1").out
    (line,) = [line for line in table.splitlines() if line.startswith(MISSING.isoformat())]
    assert line.split()[1] == "gap"
    assert "2 days without a billed figure" in table
    chart = seen.run("usage", "ops-1", "--format", "chart").out
    (line,) = [line for line in chart.splitlines() if line.startswith(MISSING.isoformat())]
    assert line.endswith("gap: no figure")


def test_history_is_shown_as_it_was_known_then(seen: Seen) -> None:
    now = seen.run("usage", "ops-1", "--format", "json").json
    then = seen.run("usage", "ops-1", "--as-of", "2026-03-09T12:00", "--format", "json").json
    assert then["data_at"].startswith("2026-03-09T06:00")
    assert then["days"][-1]["day"] == "2026-03-09"
    assert day_of(now, REVISED)["billed"] - day_of(then, REVISED)["billed"] == pytest.approx(100)
    assert then["as_of"] == "2026-03-09T12:00:00+00:00"
    before = seen.run("usage", "ops-1", "--as-of", "2026-03-01")
    assert before.code == 2
    assert "the first complete answer is of 2026-03-09 06:00 UTC" in before.err


def test_areas_come_in_either_unit(seen: Seen) -> None:
    acres = seen.run("usage", "ops-1", "--format", "json").json
    hectares = seen.run("usage", "ops-1", "--unit", "hectare", "--format", "json").json
    assert (acres["unit"], hectares["unit"]) == ("ac", "ha")
    assert hectares["totals"]["billed"] == pytest.approx(acres["totals"]["billed"] * HECTARES)
    assert hectares["days"][-1]["billed"] == pytest.approx(acres["days"][-1]["billed"] * HECTARES)


@pytest.mark.parametrize("wanted", ["u-1", "Prairie Co-op", "prairie"])
def test_a_users_days_are_what_the_server_said_of_them(seen: Seen, wanted: str) -> None:
    document = seen.run("usage", "ops-1", "--user", wanted, "--format", "json").json
    assert document["user"] == {"id": "u-1", "name": "Prairie Co-op"}
    for day in days_up_to(TODAY):
        if day not in (MISSING, MISSING + timedelta(days=1)):
            assert day_of(document, day)["billed"] == pytest.approx(seen.operations.usage["u-1"][day])
    assert document["totals"]["billed"] == pytest.approx(sum(seen.operations.usage["u-1"].values()))
    assert document["totals"]["unique"] is None


def test_a_part_of_the_days_has_its_own_totals(seen: Seen) -> None:
    document = seen.run("usage", "ops-1", "--from", "2026-03-01", "--to", "2026-03-03", "--format", "json").json
    wanted = [START + timedelta(days=n) for n in (28, 29, 30)]
    billed = sum(areas[day] for areas in seen.operations.usage.values() for day in wanted)
    assert len(document["days"]) == 3
    assert document["totals"]["billed"] == pytest.approx(billed)
    assert (document["from"], document["to"]) == ("2026-03-01", "2026-03-03")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("ops", "ops-1"), ("operations_file", "ops-1"), ("field work", "ops-1"), ("FIELDS_BOUNDARY", "fld-2"),
        ("fld-1", "fld-1"), ("fld-1@2025-03-05", "fld-1"),
    ],
)  # fmt: skip
def test_a_contract_is_named_in_many_ways(seen: Seen, wanted: str, found: str) -> None:
    assert seen.run("usage", wanted, "--format", "json").json["contract"]["id"] == found


@pytest.mark.parametrize(
    ("args", "fragment"),
    [
        (("nope",), "no contract is 'nope'; there is"),
        (("fld-1", "--user", "zz"), "no user with use in this term is or begins with 'zz'"),
        (("ops-1", "--user", "u-"), "3 users fit 'u-': u-1 (Prairie Co-op); u-2 (Two & Sons)"),
        (("ops-1", "--from", "2027-01-01"), "there is no such day in this term"),
        (("ops-1", "--from", "2026-03-02", "--to", "2026-03-01"), "lies before --from"),
        (("ops-1", "--from", "tomorrow"), "is no date; write 2026-05-16"),
    ],
)
def test_what_is_not_there_is_said(seen: Seen, args: tuple[str, ...], fragment: str) -> None:
    ran = seen.run("usage", *args)
    assert ran.code == 2
    assert fragment in " ".join(ran.err.split())


def test_several_contracts_that_fit_are_listed(seen: Seen) -> None:
    ran = seen.run("usage", "f", "--as-of", "2026-03-09T12:00")
    assert ran.code == 0, "of those that fit, one runs"
    twice = seen.run("usage", "f", "--as-of", "2026-03-09T12:00", "--format", "json").json
    assert twice["contract"]["id"] == "fld-2"


# ------------------------------------------------------------------ forms
def test_csv_holds_exact_numbers_and_no_formula(seen: Seen) -> None:
    ran = seen.run("usage", "ops-1", "--user", "u-bad", "--format", "csv")
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert len(rows) == len(days_up_to(TODAY))
    assert {row["user_name"] for row in rows} == {"'" + HOSTILE.replace("\x1b", "").replace("\u202e", "")}
    whole = [row for row in rows if row["billed"]]
    assert all(float(row["billed"]) == pytest.approx(1.0) for row in whole)
    assert [row["day"] for row in rows if not row["billed"]] == ["2026-02-20", "2026-02-21"]


@pytest.mark.parametrize("columns", [60, 80, 132])
@pytest.mark.parametrize(
    "look",
    [
        ("contracts", "--at", "2026-03-10T07:00"),
        ("usage", "ops-1", "--format", "chart"),
        ("usage", "ops-1", "--user", "u-bad", "--format", "chart"),
    ],
    ids=["contracts", "chart", "chart of a user"],
)
def test_output_fits_the_terminal_and_names_are_only_text(seen: Seen, look: tuple[str, ...], columns: int) -> None:
    ran = seen.run(*look, columns=columns)
    assert max(len(line) for line in ran.out.splitlines()) <= columns
    assert ran.err == ""
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out


def test_the_longest_bar_is_the_largest_day(seen: Seen) -> None:
    lines = seen.run("usage", "ops-1", "--format", "chart").out.splitlines()
    bars = {line[:10]: line.count("#") + line.count("+") for line in lines if line[:4] == "2026"}
    assert max(bars, key=bars.__getitem__) == REVISED.isoformat()
    assert any(line.startswith("# unique + overlap; 1 = ") for line in lines)


# ------------------------------------------------------------------ contracts
def test_contracts_say_what_was_found_out_and_from_what(seen: Seen) -> None:
    rows = {
        one["id"]: one
        for one in seen.run("contracts", "--at", "2026-03-10T07:00", "--format", "json").json["contracts"]
    }
    assert set(rows) == {"ops-1", "fld-1", "fld-2"}, "a term's last figures move for a week"
    ops = rows["ops-1"]
    assert (ops["name"], ops["cap"], ops["users"]) == ("Field work", 12000, 3)
    assert {one["figure"]: one["answer"] for one in ops["meanings"]} == {"billed": "cumulative", "unique": "cumulative"}
    assert all(0 < one["days_cumulative"] <= one["days_compared"] for one in ops["meanings"])
    later = seen.run("contracts", "--at", "2026-03-10T07:00").out
    assert "billed figures are cumulative" in " ".join(later.split())


def test_contracts_agree_with_the_status(seen: Seen) -> None:
    at = "2026-03-10T07:00"
    contracts = seen.run("contracts", "--at", at, "--format", "json").json["contracts"]
    status = seen.run("status", "--at", at, "--format", "json").json["contracts"]
    for one in contracts:
        del one["meanings"], one["missing_lists"]
    assert contracts == status
