"""Keys of a label: where each of them lies, in two dimensions."""

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.finetuning.labels.cache import Cache, _keys
from components.finetuning.labels.way import unit


def rows(*angles: float) -> np.ndarray:
    return unit(np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], 1))


def test_one_key_is_the_mean_of_the_pictures():
    np.testing.assert_allclose(_keys(rows(0, 90), 1, 0), rows(45), atol=1e-6)


def test_keys_are_centres_of_what_lies_together():
    found = _keys(rows(0, 2, 88, 90), 2, 0)
    np.testing.assert_allclose(sorted(found.tolist()), sorted(rows(1, 89).tolist()), atol=1e-6)


def test_a_label_with_fewer_pictures_has_as_many_keys_all_the_same():
    found = _keys(rows(0, 90, 0), 4, 0)
    np.testing.assert_allclose(sorted(map(tuple, found)), sorted(map(tuple, rows(90, 90, 0, 0))), atol=1e-6)


@pytest.mark.parametrize("keys", [[], [0]])
def test_no_keys_are_refused(keys):
    with pytest.raises(ConfigError, match="a label has one at least"):
        Cache(keys=keys)
