"""Retrieval by the first dimensions, on directions whose recall can be seen."""

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.data.selection import Pool
from components.evaluation.shortened import Shortened, first
from tests.subjects import Told, subject_of

PICTURES = [f"picture {place}".encode() for place in range(4)]
TEXTS = ["one", "two", "three", "four"]
# The first two numbers tell the first half from the second; only all four tell each from its neighbour.
SEEN = [[3, 0, 1, 0], [3, 0, 0, 1], [0, 3, 1, 0], [0, 3, 0, 1]]


@pytest.fixture
def subject():
    pool = Pool(
        keys=tuple("abcd"), pictures=tuple(PICTURES), captions=tuple((text,) for text in TEXTS), concepts=tuple(TEXTS),
        sources=("nobody",) * 4, groups=({},) * 4,
    )  # fmt: skip
    encoder = Told(dict(zip(PICTURES, SEEN, strict=True)), dict(zip(TEXTS, SEEN, strict=True)))
    return subject_of(pool, encoder, encoder, {"train": range(4), "pair": range(4)})


def test_half_of_the_dimensions_find_the_half_and_no_more(subject):
    at_1, at_2 = (Shortened(shares=(0.5,), k=k).measure(subject).metrics for k in (1, 2))
    assert [metric.name for metric in at_1] == [
        "shortened.pair.image_to_text.recall_at_1.width_2", "shortened.pair.text_to_image.recall_at_1.width_2",
    ]  # fmt: skip
    assert {(metric.value, metric.baseline, metric.chance) for metric in at_1} == {(0.0, 1.0, 0.25)}  # a tie is lost
    assert {(metric.value, metric.baseline, metric.chance) for metric in at_2} == {(1.0, 1.0, 0.5)}


def test_what_is_cut_is_of_unit_length_and_nothing_stays_nothing():
    rows = first(np.array([[3.0, 4.0, 5.0], [0.0, 0.0, 1.0]], np.float32), 2)
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("asked", [{"shares": ()}, {"shares": (1.0,)}, {"shares": (0.0,)}, {"k": 0}])
def test_numbers_that_mean_nothing_are_refused(asked):
    with pytest.raises(ConfigError, match=r"shares is|k is"):
        Shortened(**asked)
