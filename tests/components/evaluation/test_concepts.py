"""What is in a picture, as its regions are called, and how near it is to the words for it."""

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.contracts.sample import Region
from components.evaluation.concepts import check_template, cosines, things
from tests.placed import pool_of, region, subject
from tests.subjects import Told

DOG, CAT = region("dog", (0, 0, 4, 4)), region("cat", (4, 4, 8, 8))


def test_things_are_the_names_of_regions_each_once():
    nameless = Region(box=(0, 0, 1, 1))
    assert things(pool_of([DOG, DOG, CAT], [nameless], [CAT])) == ({"dog", "cat"}, frozenset(), {"cat"})


@pytest.mark.parametrize("pool", [pool_of([], []), pool_of([Region(box=(0, 0, 1, 1))])], ids=["no regions", "no names"])
def test_where_nothing_has_a_name_nothing_is_known(pool):
    assert things(pool) == ()


def test_cosines_are_those_with_the_template_filled():
    told = Told({b"0": (3, 4), b"1": (1, 0)}, {"a dog": (1, 0), "a cat": (0, 2), "dog": (0, 1), "cat": (1, 0)})
    found = cosines(subject(told, val=pool_of([DOG], [CAT])), "val", ["dog", "cat"], "a {}")
    np.testing.assert_allclose(found, [[0.6, 0.8], [1, 0]], atol=1e-7)


@pytest.mark.parametrize("template", ["", "a picture", "{} and {}"])
def test_a_template_without_one_place_is_refused(template):
    with pytest.raises(ConfigError, match="once where its name goes"):
        check_template(template)
