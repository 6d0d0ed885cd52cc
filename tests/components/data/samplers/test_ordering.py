"""What a recipe says of the order becomes the sampler it names, over the column it names."""

import importlib
import inspect
import pkgutil

import pytest

from components.contracts.errors import ConfigError, DataError
from components.data import samplers
from components.data.rows.captions import Captions
from components.data.samplers.distinct import Distinct, DistinctBatches
from components.data.samplers.groups import GroupBatches, Grouped
from components.data.samplers.lengths import ByLength, LengthBatches
from components.data.samplers.mixture import Mixed, Mixture
from components.data.samplers.ordering import Ordering, Rows
from tests.contracts.test_orders import SAMPLERS

SHARES = {"size-12": 3.0, "size-16": 1.0}
MADE = {
    DistinctBatches: (Distinct(), lambda rows: DistinctBatches(rows.concepts, 8, 5)),
    GroupBatches: (Grouped("category"), lambda rows: GroupBatches([own["category"] for own in rows.labels], 8, 5)),
    LengthBatches: (ByLength(window=2), lambda rows: LengthBatches(rows.lengths(), 8, 5, window=2)),
    Mixture: (Mixed(SHARES), lambda rows: Mixture(rows.sources, SHARES, 8, 5)),
}


@pytest.fixture
def rows(squares, vocabulary) -> Rows:
    return Rows.of(squares, lambda: Captions(vocabulary, squares.captions).lengths())


def test_a_recipe_can_ask_for_every_sampler():
    modules = [
        importlib.import_module(f"{samplers.__name__}.{found.name}")
        for found in pkgutil.iter_modules(samplers.__path__)
    ]
    classes = {one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)}
    assert {one for one in classes if issubclass(one, Ordering)} - {Ordering} == {type(o) for o, _ in MADE.values()}
    assert set(MADE) == set(SAMPLERS)


@pytest.mark.parametrize("sampler", MADE, ids=lambda kind: kind.__name__)
def test_it_is_the_sampler_over_what_it_goes_by(sampler, rows):
    ordering, wanted = MADE[sampler]
    order = ordering.order(rows, batch=8, seed=5)
    assert type(order) is sampler
    assert [order.at(step) for step in range(20)] == [wanted(rows).at(step) for step in range(20)]


def test_captions_are_counted_for_an_order_that_goes_by_them_and_for_no_other(squares):
    asked = []
    counting = Rows.of(squares, lambda: asked.append(True) or [3] * len(squares))
    for ordering in (Distinct(), Grouped(), Mixed(SHARES)):
        ordering.order(counting, batch=8, seed=0)
    assert not asked
    ByLength().order(counting, batch=8, seed=0)
    assert asked


def test_a_label_that_no_row_has_is_refused_with_those_there_are(rows):
    with pytest.raises(ConfigError, match=r"by is 'colour'.*one of these: source, category, subcategory\.$"):
        Grouped("colour").order(rows, batch=8, seed=0)


def test_rows_without_the_label_are_a_group_of_their_own():
    rows = Rows(concepts=("a", "b", "c"), sources=("s",) * 3, labels=({"kind": "x"}, {}, {}), lengths=list)
    assert rows.by("kind") == ("x", "no kind", "no kind")


def test_what_does_not_fit_the_rows_is_refused_as_by_the_sampler(rows):
    with pytest.raises(ConfigError, match="batch is 16, but group 'black' has 10 rows"):
        Grouped("category").order(rows, batch=16, seed=0)
    with pytest.raises(ConfigError, match="source 'size-16' has rows but no share"):
        Mixed({"size-12": 1.0}).order(rows, batch=8, seed=0)
    with pytest.raises(ConfigError, match="window is 0"):
        ByLength(window=0)
    alike = Rows(concepts=("a", "a"), sources=("s", "s"), labels=(), lengths=list)
    with pytest.raises(DataError, match="all 2 pictures to train on show the same"):
        Distinct().order(alike, batch=2, seed=0)


def test_fewer_concepts_than_a_batch_has_rows_make_it_smaller(rows):
    assert Distinct().order(rows, batch=256, seed=0).batch == 25
