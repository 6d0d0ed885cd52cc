"""Sources by their shares; what every order must do is in tests/contracts/test_orders.py."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.data.samplers.mixture import Mixture, apportioned, spread

SHARES = st.dictionaries(st.sampled_from("abcde"), st.floats(0.2, 5), min_size=1)


def drawn(order: Mixture, sources: list[str], steps: range) -> list[Counter]:
    """How many rows of each source the steps have."""
    return [Counter(sources[row] for row in order.at(step)) for step in steps]


@given(shares=SHARES, batch=st.integers(1, 8), seed=st.integers(0, 2**31))
def test_every_batch_has_its_share_of_each_source(shares, batch, seed):
    """To a row, and what the rounding of the other sources adds: half a row each at both ends."""
    sources = [name for name in sorted(shares) for _ in range(60)]
    order, total = Mixture(sources, shares, batch, seed), sum(shares.values())
    for found in drawn(order, sources, range(order.steps_per_epoch)):
        for name, weight in shares.items():
            exact = batch * order.counts[name] / len(order.slots)
            assert abs(found[name] - exact) <= 1 + len(shares) * weight / total + 0.1


@given(shares=SHARES, seed=st.integers(0, 2**31))
@settings(max_examples=30)
def test_a_source_is_gone_through_whole_before_any_row_of_it_comes_again(shares, seed):
    sources = [name for name in sorted(shares) for _ in range(40)]
    order = Mixture(sources, shares, 4, seed)
    rows = [row for step in range(4 * order.steps_per_epoch) for row in order.at(step)]
    for name in shares:
        own = [row for row in rows if sources[row] == name]
        for start in range(0, len(own) - 40, 40):
            assert len(set(own[start : start + 40])) == 40


def test_a_small_source_with_a_large_share_comes_more_often():
    sources = ["large"] * 160 + ["small"] * 40
    order = Mixture(sources, {"large": 1, "small": 1}, 10, seed=0)
    assert drawn(order, sources, range(40)) == [Counter(large=5, small=5)] * 40
    seen = Counter(row for step in range(order.steps_per_epoch) for row in order.at(step))
    assert {seen[row] for row in range(160, 200)} == {2, 3}  # 100 times over 40 rows
    assert {seen[row] for row in range(160)} == {0, 1}


def test_shares_by_hand():
    assert apportioned(10, {"a": 1, "b": 1, "c": 2}) == {"a": 3, "b": 2, "c": 5}
    assert apportioned(11, {"a": 0.25, "b": 0.75}) == {"a": 3, "b": 8}  # 2.75 and 8.25
    assert spread({"a": 2, "b": 4}) == ["b", "a", "b", "b", "a", "b"]


@given(total=st.integers(200, 900), shares=SHARES)
def test_what_is_apportioned_is_all_and_to_a_row_exact(total, shares):
    counts, weights = apportioned(total, shares), sum(shares.values())
    assert sum(counts.values()) == total
    assert all(abs(counts[name] - total * shares[name] / weights) < 1 for name in shares)


def test_the_order_is_the_same_on_every_machine():
    assert Mixture(list("aaaabbbb"), {"a": 1, "b": 3}, 2, seed=0).epoch(0) == [[7, 1], [4, 5], [6, 3], [4, 6]]


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({"a": 1}, r"source 'b' has rows but no share. Give shares for exactly these: a, b\."),
        ({"a": 1, "b": 1, "c": 1}, r"source 'c' has a share but no rows"),
        ({"a": 1, "b": 0}, r"share of source 'b' is 0, but must be a number above 0"),
        ({"a": 1, "b": float("nan")}, r"share of source 'b' is nan"),
        ({"a": 1000, "b": 1}, r"source 'b' has a share of 0\.001, which is not one of the 80 rows"),
        (
            {"a": 1, "b": 9},
            r"source 'b' has 8 rows, but its share asks for up to 8 of each batch of 8, for which it needs 28",
        ),
    ],
)
def test_shares_that_do_not_fit_are_refused_with_a_remedy(shares, says):
    with pytest.raises(ConfigError, match=says):
        Mixture(["a"] * 72 + ["b"] * 8, shares, 8, seed=0)


@pytest.mark.parametrize("batch", [0, 5])
def test_a_batch_that_does_not_fit_is_refused(batch):
    with pytest.raises(ConfigError, match=rf"batch is {batch}, but there are 4 rows"):
        Mixture(list("aabb"), {"a": 1, "b": 1}, batch, seed=0)
