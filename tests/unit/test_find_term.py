"""Which contract a person means by an id, the beginning of one, a product or a name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alerter.app.usage import find_term
from alerter.core.model import Contract
from alerter.errors import UsageError
from alerter.store import StoredContract

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def term(key: int, name: str, start: str, end: str | None, account: str = "prod") -> StoredContract:
    contract_id, product = name.split()
    contract = Contract(
        account=account,
        id=contract_id,
        product=product,
        region="US",
        start_at=datetime.fromisoformat(start).replace(tzinfo=UTC),
        end_at=datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None,
    )
    return StoredContract(
        key=key, contract=contract, first_seen_at=NOW, last_listed_at=NOW, missing_lists=0, evaluated_up_to=0
    )


TERMS = [
    term(1, "aa-1 OPERATIONS_FILE", "2025-01-01", "2026-01-01"),
    term(2, "aa-1 OPERATIONS_FILE", "2026-01-01", "2027-01-01"),
    term(3, "aa-1 OPERATIONS_FILE", "2027-01-01", None),
    term(4, "ab-2 FIELDS", "2026-01-01", None),
    term(5, "ac-3 FIELDS", "2026-01-01", None, "test"),
    term(6, "ad-4 MACHINES", "2025-01-01", "2026-01-01"),
    term(7, "ae-5 MACHINES", "2026-01-01", None),
]


def found(wanted: str) -> int:
    return find_term(TERMS, wanted, lambda one: "Ours" if one.account == "test" else None, at=NOW).key


def test_of_several_terms_of_a_contract_the_newest_that_has_begun_is_meant() -> None:
    assert found("aa-1") == found("aa") == found("operations_file") == found("OPERATIONS_FILE (US)") == 2
    assert found("aa-1@2025-01-01") == 1
    assert found("aa-1@2027-01-01") == 3


def test_of_several_contracts_of_a_product_the_one_that_runs_is_meant() -> None:
    assert found("machines") == 7
    assert found("ad-4") == 6
    assert found("ours") == 5


@pytest.mark.parametrize(
    ("wanted", "listed"), [("FIELDS", ("ab-2 (prod", "ac-3 (test")), ("a", ("aa-1", "ab-2", "ac-3"))]
)
def test_what_fits_several_is_listed(wanted: str, listed: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        found(wanted)
    assert all(one in str(caught.value) for one in listed)


@pytest.mark.parametrize("wanted", ["zz", "", "aa-1@2024-01-01"])
def test_what_fits_none_names_what_there_is(wanted: str) -> None:
    with pytest.raises(UsageError, match="there is OPERATIONS_FILE"):
        found(wanted)
