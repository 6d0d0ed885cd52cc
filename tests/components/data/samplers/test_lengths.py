"""Rows of similar length together; what every order must do is in tests/contracts/test_orders.py."""

import random

import pytest

from components.contracts.errors import ConfigError
from components.data.samplers.lengths import LengthBatches


def padding(lengths: list[int], batches: list[list[int]]) -> float:
    """The share of a batch's tokens that are padding."""
    wide = sum(max(lengths[row] for row in rows) * len(rows) for rows in batches)
    return 1 - sum(lengths[row] for rows in batches for row in rows) / wide


def test_little_of_a_batch_is_padding_and_less_the_wider_the_window():
    draw = random.Random(0)
    lengths = [draw.randint(3, 77) for _ in range(2000)]
    shares = [padding(lengths, LengthBatches(lengths, 20, 0, window).epoch(0)) for window in (1, 10, 100)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.4  # what a plain shuffle has
    assert shares[2] < 0.03


def test_with_one_window_over_all_a_batch_is_neighbours_by_length():
    lengths = [5, 1, 4, 2, 6, 3]
    batches = LengthBatches(lengths, 2, seed=7, window=3).epoch(0)
    assert sorted(sorted(lengths[row] for row in rows) for rows in batches) == [[1, 2], [3, 4], [5, 6]]


def test_long_and_short_batches_are_mixed():
    lengths = list(range(1000))
    order = LengthBatches(lengths, 10, seed=0, window=100)
    first = [lengths[order.at(step)[0]] for step in range(100)]
    assert first != sorted(first)
    assert min(first[:20]) < 300
    assert max(first[:20]) > 700


def test_rows_of_one_length_meet_others_in_every_epoch():
    order = LengthBatches([9] * 40, 4, seed=0)
    meet = [{frozenset(rows) for rows in order.epoch(number)} for number in (0, 1)]
    assert len(meet[0] & meet[1]) == 0


def test_the_order_is_the_same_on_every_machine():
    assert LengthBatches([3, 1, 2, 2, 1, 3, 9], 2, seed=0, window=2).epoch(0) == [[3, 5], [0, 6], [1, 4]]


@pytest.mark.parametrize("batch", [0, 4])
def test_a_batch_that_does_not_fit_is_refused_with_what_would(batch):
    with pytest.raises(ConfigError, match=rf"batch is {batch}, but there are 3 rows.*Set batch to 3 or less"):
        LengthBatches([1, 2, 3], batch, seed=0)


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"window is 0.*Give 1 or more"):
        LengthBatches([1, 2, 3], 2, seed=0, window=0)
