"""What every order of batches must do, whichever sampler it is: each class in components/data/samplers is held to it."""

import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.order import Order
from components.data import samplers
from components.data.samplers.distinct import DistinctBatches
from components.data.samplers.epochs import Epochs
from components.data.samplers.groups import GroupBatches
from components.data.samplers.lengths import LengthBatches
from components.data.samplers.mixture import Mixture

Made = tuple[Order, int, str]
"""An order, the rows it is over, and what it promises of them in an epoch: all, most (but fewer than a batch), or share."""
Draw = Callable[[st.SearchStrategy], object]


def distinct(draw: Draw, seed: int) -> Made:
    concepts, times = draw(st.integers(2, 9)), draw(st.integers(1, 6))
    batch = draw(st.integers(2, concepts))
    promise = (
        "all" if batch == concepts else "most" if times == 1 else "share"
    )  # a concept with many rows may have to wait
    return (
        DistinctBatches([str(row % concepts) for row in range(concepts * times)], batch, seed),
        concepts * times,
        promise,
    )


def groups(draw: Draw, seed: int) -> Made:
    batch = draw(st.integers(1, 6))
    sizes = draw(st.lists(st.integers(batch, 20), min_size=1, max_size=5))
    names = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    return GroupBatches(draw(st.permutations(names)), batch, seed), len(names), "all"


def lengths(draw: Draw, seed: int) -> Made:
    long = draw(st.lists(st.integers(1, 12), min_size=1, max_size=60))
    batch, window = draw(st.integers(1, len(long))), draw(st.integers(1, 8))
    return LengthBatches(long, batch, seed, window), len(long), "most"


def mixture(draw: Draw, seed: int) -> Made:
    batch, sizes = draw(st.integers(1, 6)), draw(st.lists(st.integers(20, 40), min_size=1, max_size=4))
    shares = {str(source): draw(st.integers(1, 5)) for source in range(len(sizes))}
    names = [str(source) for source, size in enumerate(sizes) for _ in range(size)]
    return Mixture(draw(st.permutations(names)), shares, batch, seed), len(names), "share"


SAMPLERS = {DistinctBatches: distinct, GroupBatches: groups, LengthBatches: lengths, Mixture: mixture}


@pytest.fixture(scope="module", params=SAMPLERS.values(), ids=lambda make: make.__name__)
def make(request) -> Callable[[Draw, int], Made]:
    return request.param


def test_every_sampler_is_held_to_it():
    modules = [
        importlib.import_module(f"{samplers.__name__}.{found.name}")
        for found in pkgutil.iter_modules(samplers.__path__)
    ]
    classes = {
        one for module in modules for _, one in inspect.getmembers(module, inspect.isclass) if hasattr(one, "at")
    }
    assert classes - {Epochs, Order} == set(SAMPLERS)


@given(data=st.data(), seed=st.integers(0, 2**31), steps=st.lists(st.integers(0, 300), min_size=1, max_size=6))
@settings(max_examples=40)
def test_a_batch_is_full_has_no_row_twice_and_none_that_is_not_there(make, data, seed, steps):
    order, rows, _ = make(data.draw, seed)
    assert isinstance(order, Order)
    for step in steps:
        batch = order.at(step)
        assert len(batch) == len(set(batch)) == order.batch
        assert set(batch) <= set(range(rows))


@given(data=st.data(), seed=st.integers(0, 2**31), steps=st.lists(st.integers(0, 300), min_size=2, max_size=8))
@settings(max_examples=40)
def test_a_batch_depends_on_seed_and_step_alone_not_on_what_was_asked_before(make, data, seed, steps):
    order, _, _ = make(data.draw, seed)
    kept = {step: list(order.at(step)) for step in steps}
    for step in reversed(steps):
        assert order.at(step) == kept[step]
    fresh = type(order).__new__(type(order))
    fresh.__dict__ = {name: value for name, value in order.__dict__.items() if name != "_kept"}
    assert {step: fresh.at(step) for step in sorted(steps)} == kept


@given(data=st.data(), seed=st.integers(0, 2**31), number=st.integers(0, 5))
@settings(max_examples=60)
def test_an_epoch_shows_the_rows_that_it_promises(make, data, seed, number):
    order, rows, promise = make(data.draw, seed)
    first = number * order.steps_per_epoch
    seen = Counter(row for step in range(first, first + order.steps_per_epoch) for row in order.at(step))
    assert sum(seen.values()) == order.steps_per_epoch * order.batch
    if promise == "all":
        assert set(seen) == set(range(rows))
        assert max(seen.values()) <= 2
    if promise == "most":
        assert set(seen.values()) == {1}
        assert rows - len(seen) < order.batch


@given(data=st.data(), seed=st.integers(0, 2**31))
@settings(max_examples=20)
def test_no_row_is_left_out_for_ever(make, data, seed):
    order, rows, _ = make(data.draw, seed)
    missing, step = set(range(rows)), 0
    while missing and step < 20_000:
        missing -= set(order.at(step))
        step += 1
    assert not missing


def test_other_seeds_and_other_epochs_have_other_orders(make):
    names = [str(row % 8) for row in range(160)]
    made = {
        DistinctBatches: lambda seed: DistinctBatches(names, 8, seed),
        GroupBatches: lambda seed: GroupBatches(names, 8, seed),
        LengthBatches: lambda seed: LengthBatches([row % 7 for row in range(160)], 8, seed),
        Mixture: lambda seed: Mixture(names, dict.fromkeys(names, 1), 8, seed),
    }
    kind = next(kind for kind, one in SAMPLERS.items() if one is make)
    first, other = made[kind](1), made[kind](2)
    epochs = [
        [first.at(number * first.steps_per_epoch + step) for step in range(first.steps_per_epoch)] for number in (0, 1)
    ]
    assert epochs[0] != epochs[1]
    assert epochs[0] != [other.at(step) for step in range(other.steps_per_epoch)]
