"""Batches of distinct concepts, as a function of (seed, step), on concepts drawn by Hypothesis."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.errors import ConfigError, DataError
from components.data.samplers.distinct import DistinctBatches, fitting


@st.composite
def orders(draw) -> DistinctBatches:
    """Up to 60 rows, some concepts with many of them, and a batch that fits."""
    groups = draw(st.lists(st.sampled_from("abcdefghijkl"), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1))
    batch = draw(st.integers(2, len(set(groups))))
    return DistinctBatches(groups, batch, draw(st.integers(0, 2**31)))


@given(order=orders(), step=st.integers(0, 500))
def test_every_batch_is_full_and_has_no_concept_twice(order, step):
    rows = order.at(step)
    assert len(rows) == order.batch
    assert len({order.groups[row] for row in rows}) == order.batch
    assert all(0 <= row < len(order.groups) for row in rows)


@given(order=orders(), steps=st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_a_batch_depends_on_seed_and_step_alone_not_on_what_was_asked_before(order, steps):
    for step in steps:
        fresh = DistinctBatches(order.groups, order.batch, order.seed)
        assert fresh.at(step) == order.at(step)


@given(order=orders())
def test_where_there_are_rows_enough_an_epoch_shows_none_twice(order):
    largest = max(Counter(order.groups).values())
    times = Counter(row for rows in order.epoch(0) for row in rows)
    if largest == 1:  # one picture a concept: nothing can run short
        assert set(times.values()) == {1}
        assert len(times) == order.steps_per_epoch * order.batch
    assert len(order.epoch(0)) == order.steps_per_epoch == max(1, len(order.groups) // order.batch)


@given(order=orders())
@settings(max_examples=30)
def test_no_row_is_left_out_for_ever(order):
    """A row of a concept with many may wait for its turn; with 5 of 49 taken an epoch, 2000 epochs are enough by far."""
    missing, number = set(range(len(order.groups))), 0
    while missing and number < 2000:
        missing -= {row for rows in order.epoch(number) for row in rows}
        number += 1
    assert not missing


def test_with_one_row_a_concept_every_row_comes_within_three_epochs():
    order = DistinctBatches([str(number) for number in range(40)], 7, seed=0)
    assert {row for number in range(3) for rows in order.epoch(number) for row in rows} == set(range(40))


@given(concepts=st.integers(2, 8), times=st.integers(1, 6), seed=st.integers(0, 2**31))
def test_a_row_whose_concept_is_there_already_waits_and_is_not_lost(concepts, times, seed):
    order = DistinctBatches([str(row % concepts) for row in range(concepts * times)], concepts, seed)
    assert sorted(row for rows in order.epoch(0) for row in rows) == list(range(concepts * times))


def test_epochs_and_seeds_have_orders_of_their_own():
    groups = [str(number) for number in range(40)]
    order, other = DistinctBatches(groups, 8, seed=1), DistinctBatches(groups, 8, seed=2)
    assert order.epoch(0) != order.epoch(1)
    assert order.epoch(0) != other.epoch(0)
    for number in (0, 1):
        assert sorted(row for rows in order.epoch(number) for row in rows) == list(range(40))


def test_steps_go_on_into_the_next_epoch():
    order = DistinctBatches(list("abcdef"), 3, seed=0)
    assert [order.at(step) for step in range(4)] == [*order.epoch(0), *order.epoch(1)]


def test_the_order_is_the_same_on_every_machine():
    assert DistinctBatches(list("abcdef"), 3, seed=0).epoch(0) == [[0, 5, 1], [4, 3, 2]]


def test_more_rows_a_batch_than_concepts_are_refused_with_what_would_fit():
    with pytest.raises(ConfigError, match=r"batch is 4, but the training data has 3 concepts.*Set batch to 3 or less"):
        DistinctBatches(list("aabbc"), 4, seed=0)


@pytest.mark.parametrize("batch", [1, 0, -3])
def test_a_batch_without_a_wrong_pair_is_refused(batch):
    with pytest.raises(ConfigError, match="needs a wrong pair"):
        DistinctBatches(list("abc"), batch, seed=0)


def test_a_batch_is_as_large_as_there_are_concepts_and_never_larger_than_asked_for():
    assert [fitting(batch, list("aabbc")) for batch in (2, 3, 256)] == [2, 3, 3]
    with pytest.raises(DataError, match=r"all 3 pictures to train on show the same, 'a'.*captions of their own"):
        fitting(256, list("aaa"))
