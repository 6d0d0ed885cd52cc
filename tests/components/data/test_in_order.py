"""Places come with their keys, whichever way they are sorted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.in_order import in_order


@pytest.mark.parametrize("most", [3, 2**40, 2**64 - 1])
@given(data=st.data())
def test_they_are_what_a_stable_sort_gives(most, data):
    keys = np.array(data.draw(st.lists(st.integers(0, most))), np.uint64)
    found, places = in_order(keys)
    assert found.tolist() == sorted(keys.tolist())
    assert places.tolist() == sorted(range(len(keys)), key=keys.tolist().__getitem__)


@given(st.lists(st.sampled_from([0, 1, 2**63, 2**63 + 2**32, 2**64 - 1])))
def test_shortened_ones_that_were_equal_still_are_and_stand_by_their_places(values):
    found, places = in_order(np.array(values, np.uint64), shorten=True)
    bits = len(values).bit_length()
    assert found.tolist() == sorted(value >> bits for value in values)
    assert places.tolist() == sorted(range(len(values)), key=lambda at: values[at] >> bits)
