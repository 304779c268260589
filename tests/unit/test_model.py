"""Identities in the model cannot be confused."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerter.core.model import LeafUser, Severity, Subject, SummaryMeaning
from tests.histories import TODAY, contract, history

ids = st.text(alphabet="a/%2F", max_size=6)


@given(st.tuples(ids, ids), st.tuples(ids, ids))
def test_subject_keys_are_equal_only_for_equal_subjects(one, other):
    def key(account: str, user: str) -> str:
        return Subject(account=account, user=LeafUser(id=user)).key

    assert (key(*one) == key(*other)) == (one == other)


def test_a_later_start_is_another_period():
    early = contract()
    late = contract(start_on=early.start_at.date() + timedelta(days=365))
    assert early.id == late.id
    assert early.period != late.period


def test_a_subject_keeps_its_key_when_it_is_renamed():
    named, plain = LeafUser(id="8f3c1", name="Co-op"), LeafUser(id="8f3c1")
    assert Subject(account="a", user=named).key == Subject(account="a", user=plain).key
    assert (named.label, plain.label) == ("Co-op (8f3c)", "8f3c1")


def test_labels_severities_and_meanings():
    assert contract().label == "OPERATIONS_FILE (US)"
    assert [severity.rank for severity in Severity] == [0, 1, 2]
    assert [meaning.known for meaning in SummaryMeaning] == [True, True, False, False]


def test_the_axis_ends_today():
    whole = history([1.0] * 10, users={"u": [1.0] * 4})
    assert (whole.days, whole.window) == (10, 4)
    assert whole.day_at(9) == TODAY
    assert whole.index_of(TODAY) == 9
    assert whole.index_of(TODAY + timedelta(days=1)) is None
