from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.errors import StoreError
from alerter.store.packing import pack, unpack

AREAS = st.one_of(
    st.integers(0, 10**17).map(lambda hundredths: hundredths / 100),
    st.floats(allow_nan=False),
    st.just(float("nan")),
    st.sampled_from([0.0, -0.0, 0.1 + 0.2, 5e-324, 90071992547409.93, -1 / 100]),
)


@given(st.dictionaries(st.integers(0, 2**31 - 1), AREAS, min_size=1, max_size=40))
def test_numbers_and_areas_come_back_to_the_last_bit(said: dict[int, float]) -> None:
    numbers, areas = np.array(list(said), dtype=np.int64), np.array(list(said.values()))
    found_numbers, found_areas = unpack(pack(numbers, areas))
    order = np.argsort(numbers)
    assert found_numbers.tolist() == numbers[order].tolist()
    assert found_areas.view(np.int64).tolist() == areas[order].view(np.int64).tolist()


def test_two_decimals_take_half_of_what_doubles_take() -> None:
    chance = np.random.default_rng(1)
    numbers = np.sort(chance.choice(10_000, 500, replace=False))
    hundredths = np.rint(chance.uniform(0, 900_00, 500)) / 100
    doubles = chance.uniform(0, 900, 500)
    assert len(pack(numbers, hundredths)) < 500 * 4.5
    assert len(pack(numbers, doubles)) < 500 * 9


@pytest.mark.parametrize("packed", [b"", b"\x01", b"\x01abc", b"\x03" + pack(np.array([1]), np.array([1.0]))[1:]])
def test_what_was_never_packed_is_refused(packed: bytes) -> None:
    with pytest.raises(StoreError, match="restore a backup"):
        unpack(packed)
