from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from alerter.core.answers import UserAnswer
from alerter.core.area import Area, Unit
from alerter.errors import StoreError
from alerter.store import Store, StoredContract
from tests.store_samples import HOUR, NOW, TODAY, contract_answer, listed, one_contract


@pytest.fixture
def account(store: Store) -> str:
    with store.write() as tx:
        tx.accounts.sync(["main"], NOW)
    return "main"


def save(store: Store, *contracts, at=NOW, complete: bool = True) -> list[StoredContract]:
    with store.write() as tx:
        return tx.usage.save_contracts("main", listed(*contracts, complete=complete), at)


def read(store: Store, up_to: datetime | None = None) -> list[StoredContract]:
    with store.read() as tx:
        return tx.usage.contracts("main", up_to)


def test_a_contract_comes_back_as_it_was_said(store: Store, account: str) -> None:
    answers = [
        contract_answer("b", quota=Area(0.1 + 0.2, Unit.HECTARE), extra={"x": [1, None]}),
        contract_answer("a\0/%\ud800", region=None, end_at=None, product="NEW_PRODUCT"),
    ]
    saved = save(store, *answers)
    assert saved == [next(one for one in read(store) if one.contract.id == answer.id) for answer in answers]
    for one, answer in zip(saved, answers, strict=True):
        contract = one.contract
        said = (answer.id, answer.product, answer.region, answer.start_at, answer.end_at, answer.quota)
        assert (
            contract.id,
            contract.product,
            contract.region,
            contract.start_at,
            contract.end_at,
            contract.quota,
        ) == said
        assert (one.first_seen_at, one.last_listed_at, one.missing_lists, one.evaluated_up_to) == (NOW, NOW, 0, 0)


def test_a_changed_field_is_a_new_version_and_the_old_one_stays_known(store: Store, account: str) -> None:
    save(store, contract_answer())
    key = save(store, contract_answer(end_at=None), at=NOW + HOUR)[0].key
    save(store, contract_answer(), at=NOW + 2 * HOUR)
    ends = [read(store, NOW + n * HOUR / 2)[0].contract.end_at for n in range(5)]
    assert [end is None for end in ends] == [False, False, True, True, False]
    assert read(store)[0].key == key
    assert read(store, NOW - HOUR) == []


def test_a_later_start_is_another_term_and_the_old_one_is_over_not_missing(store: Store, account: str) -> None:
    old = save(store, contract_answer())[0]
    renewed = contract_answer(start_at=datetime(2027, 1, 1, tzinfo=UTC), end_at=None)
    new = save(store, renewed, at=NOW + HOUR)[0]
    save(store, renewed, at=NOW + 2 * HOUR)
    assert old.key != new.key
    assert [(one.key, one.missing_lists, one.last_listed_at) for one in read(store)] == [
        (old.key, 0, NOW),
        (new.key, 0, NOW + 2 * HOUR),
    ]


def test_only_complete_lists_count_a_missing_contract_and_its_return_ends_that(store: Store, account: str) -> None:
    save(store, contract_answer("a"), contract_answer("b"))

    def missing() -> dict[str, tuple[int, datetime]]:
        return {one.contract.id: (one.missing_lists, one.last_listed_at) for one in read(store)}

    save(store, contract_answer("a"), at=NOW + HOUR, complete=False)
    assert missing()["b"] == (0, NOW)
    for n in (2, 3):
        save(store, contract_answer("a"), at=NOW + n * HOUR)
    assert missing() == {"a": (0, NOW + 3 * HOUR), "b": (2, NOW)}
    save(store, contract_answer("b"), at=NOW + 4 * HOUR, complete=False)
    assert missing() == {"a": (0, NOW + 3 * HOUR), "b": (0, NOW + 4 * HOUR)}
    save(store, contract_answer("a"), contract_answer("b"), at=NOW + 5 * HOUR)
    assert missing() == {"a": (0, NOW + 5 * HOUR), "b": (0, NOW + 5 * HOUR)}


def test_an_unchanged_list_writes_the_account_row_alone(store: Store, account: str) -> None:
    save(store, contract_answer("a"), contract_answer("b"))
    changed: list[tuple[str, int]] = []
    sa.event.listen(
        store.engine,
        "after_cursor_execute",
        lambda _connection, cursor, statement, *_: changed.append((statement, cursor.rowcount)),
    )
    save(store, contract_answer("a"), contract_answer("b"), at=NOW + HOUR)
    written = [(one, rows) for one, rows in changed if one.split()[0] in ("UPDATE", "INSERT", "DELETE") and rows]
    assert [one.split()[1] for one, _ in written] == ["account"]


def test_the_cursor_never_moves_back(store: Store) -> None:
    key = one_contract(store)
    for snapshot_id in (5, 3):
        with store.write() as tx:
            tx.usage.mark_evaluated({key: snapshot_id})
    assert read(store)[0].evaluated_up_to == 5


def test_contracts_of_all_accounts_and_of_one(store: Store) -> None:
    one_contract(store, "a", "main")
    one_contract(store, "a", "other")
    with store.read() as tx:
        assert [one.contract.account for one in tx.usage.contracts()] == ["main", "other"]
        assert [one.contract.account for one in tx.usage.contracts("other")] == ["other"]


def test_an_unknown_account_or_contract_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="nobody"), store.write() as tx:
        tx.usage.save_contracts("nobody", listed(), NOW)
    with pytest.raises(StoreError, match="no contract 77"), store.write() as tx:
        tx.usage.add_snapshot(77, NOW, TODAY)


def test_names_are_kept_by_id_and_the_newest_wins(store: Store, account: str) -> None:
    hostile = "<!channel>\0\ud800\u241b'; DROP TABLE account"
    rounds = [
        [UserAnswer(id="a", name="Anna", email="a@example.org"), UserAnswer(id="b", name=None)],
        [UserAnswer(id="a", name=hostile), UserAnswer(id="b", name="Anna")],
        [UserAnswer(id="b", name="Anna")],
    ]
    for users in rounds:
        with store.write() as tx:
            tx.usage.save_users("main", users, NOW)
    with store.read() as tx:
        assert tx.usage.user_names("main") == {"a": hostile, "b": "Anna"}


def test_addresses_are_not_kept(store: Store, account: str) -> None:
    with store.write() as tx:
        tx.usage.save_users("main", [UserAnswer(id="a", name="A", email="secret@example.org", external_id="x-9")], NOW)
    with store.engine.connect() as connection:
        assert "secret" not in repr(connection.execute(sa.text("SELECT * FROM leaf_user")).all())


def test_a_meaning_is_added_and_the_earlier_one_stays_known(store: Store) -> None:
    key = one_contract(store)
    for n, answer in enumerate(["unproven", "cumulative"]):
        with store.write() as tx:
            tx.usage.save_meaning(key, "users", answer, {"votes": n}, NOW + n * HOUR)
    with store.read() as tx:
        assert tx.usage.meanings(key)["users"].answer == "cumulative"
        assert tx.usage.meanings(key, NOW)["users"].evidence == {"votes": 0}
        assert tx.usage.meanings(key, NOW - HOUR) == {}


def test_the_first_activation_wins(store: Store) -> None:
    key = one_contract(store)
    with store.write() as tx:
        assert tx.usage.activate("spike", key, TODAY) == TODAY
        assert tx.usage.activate("spike", key, TODAY + timedelta(days=1)) == TODAY
        assert tx.usage.activations(key) == {"spike": TODAY}
        assert tx.usage.activations(key + 1) == {}


def test_refused_answers_are_kept_newest_first(store: Store) -> None:
    for n in range(3):
        with store.write() as tx:
            tx.usage.save_bad_answer("main", "c-1", "summary", NOW, f"broken {n}", "{\0\udcff")
    with store.read() as tx:
        found = tx.usage.bad_answers(2)
    assert [(one.reason, one.sample) for one in found] == [("broken 2", "{\0\udcff"), ("broken 1", "{\0\udcff")]
