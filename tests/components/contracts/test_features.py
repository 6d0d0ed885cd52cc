import math

import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Feature, Features
from tests.components.curation.toy import features

KEYS = ["a", "b", "c"]
ROWS = [[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]


def test_rows_come_by_key_whatever_the_order():
    held = features(image=(KEYS, ROWS))
    assert held.matrix("toy.image", pa.array(["c", "a", "c"])).tolist() == [[3, 4], [1, 0], [3, 4]]
    assert held.unit("toy.image", pa.array(["c", "b"])).round(6).tolist() == [
        [0.6000000238418579, 0.800000011920929],
        [0, 1],
    ]


def test_a_key_that_has_none_is_named():
    with pytest.raises(
        DataError, match="have 1 of 3 samples that are asked for, and not x, y: they were made of another manifest"
    ):
        features(image=(KEYS, ROWS)).of("toy.image", pa.array(["a", "x", "y"]))


def test_a_kind_that_is_not_there_has_a_nearest():
    with pytest.raises(ConfigError, match=r"no features 'toy\.imagee', only toy\.image; did you mean toy\.image\?"):
        features(image=(KEYS, ROWS)).of("toy.imagee", pa.array(KEYS))


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [math.inf, 0.0], [0.0, 0.0]])
def test_what_is_no_number_or_has_no_length_is_named(bad):
    held = features(image=(KEYS, [ROWS[0], bad, ROWS[2]]))
    with pytest.raises(DataError, match="of 1 of 3 samples are no numbers or have no length, such as of b"):
        held.matrix("toy.image", pa.array(KEYS))
    assert held.matrix("toy.image", pa.array(["a", "c"])).shape == (2, 2)


def test_a_model_that_says_the_same_of_everything_is_refused():
    held = features(image=(KEYS, [[1.0, 2.0]] * 3))
    with pytest.raises(DataError, match="are the same for all 3 samples, so they tell nothing apart"):
        held.unit("toy.image", pa.array(KEYS))
    assert held.unit("toy.image", pa.array(["a"])).shape == (1, 2)


def test_a_key_twice_and_rows_of_two_models_are_refused():
    table = pa.table({"key": ["a", "a"]})
    with pytest.raises(DataError, match="the features prints have a key more than once"):
        Feature(name="prints", model="one", table=table)
    one, other = (
        Feature(name="prints", model=model, table=table.slice(at, 1)) for at, model in enumerate(("one", "two"))
    )
    with pytest.raises(DataError, match="were made by one, and further ones by two"):
        Features().plus(one).plus(other)


def test_only_what_is_lacking_is_asked_for():
    held = features(image=(KEYS, ROWS))
    assert held.lacking("toy.image", pa.array(["c", "d", None, "d"])).to_pylist() == ["d"]
    assert held.lacking("other", pa.array(["b", "b"])).to_pylist() == ["b"]
