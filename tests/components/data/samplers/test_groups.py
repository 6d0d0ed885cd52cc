"""Batches of one group each; what every order must do is in tests/contracts/test_orders.py."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.data.samplers.groups import GroupBatches


@given(sizes=st.lists(st.integers(3, 20), min_size=1, max_size=6), seed=st.integers(0, 2**31), step=st.integers(0, 200))
def test_a_batch_is_of_one_group(sizes, seed, step):
    groups = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    assert len({groups[row] for row in GroupBatches(groups, 3, seed).at(step)}) == 1


def test_large_groups_have_more_batches_and_only_the_last_of_each_is_filled_up():
    groups = ["a"] * 7 + ["b"] * 4
    order = GroupBatches(groups, 4, seed=0)
    assert order.steps_per_epoch == 3
    for number in range(5):
        batches = order.epoch(number)
        assert sorted(groups[rows[0]] for rows in batches) == ["a", "a", "b"]
        times = Counter(row for rows in batches for row in rows)
        assert sorted(times.values()) == [1] * 10 + [2]  # 12 places, 11 rows


def test_the_order_is_the_same_on_every_machine():
    assert GroupBatches(list("aabbab"), 3, seed=0).epoch(0) == [[0, 1, 4], [2, 5, 3]]


@pytest.mark.parametrize("batch", [3, 0])
def test_a_group_smaller_than_a_batch_is_named_with_what_would_fit(batch):
    with pytest.raises(ConfigError, match=rf"batch is {batch}, but group 'b' has 2 rows.*Set batch to 2 or less"):
        GroupBatches(list("aaabb"), batch, seed=0)
