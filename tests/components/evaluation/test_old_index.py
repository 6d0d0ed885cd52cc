"""New words on old pictures: ranks that can be seen by eye, and the champion's own beside them."""

import numpy as np
import pytest

from components.contracts.errors import DataError
from components.evaluation.old_index import OldIndex
from components.evaluation.retrieval import Retrieval
from tests.subjects import Told, subject_of

SPLITS = {"train": range(4), "pair": [0, 4, 8, 12]}


def told(pool, words, pictures=None):
    """Return an encoder whose four texts, of the pictures of `pair`, have these directions; the pictures lie on the axes unless said."""
    places = SPLITS["pair"]
    rows = np.eye(4) if pictures is None else pictures
    of_pictures = {pool.pictures[place]: row for place, row in zip(places, rows, strict=True)}
    of_pictures |= {pool.pictures[place]: np.eye(4)[0] for place in range(4) if place not in places}
    return Told(of_pictures, {pool.captions[place][0]: row for place, row in zip(places, words, strict=True)})


def test_new_texts_are_ranked_among_old_pictures_and_the_old_ones_beside_them(squares):
    first, second, third, fourth = np.eye(4)
    new = told(squares, [first, second, third, third], pictures=-np.eye(4))  # its own pictures would find none
    old = told(squares, [first, first, third + 0.1, fourth])
    found = OldIndex(old, ks=(1, 2)).measure(subject_of(squares, new, new, SPLITS))
    named = {one.name: one for one in found.metrics}
    one = named["compatible.pair.text_to_image.recall_at_1"]
    assert (one.value, one.baseline, one.chance, one.n) == (0.75, 0.75, 0.25, 4)
    rows = found.rows["compatible.pair"].to_pylist()
    assert [(row["query"], row["rank"] == 1, row["baseline_rank"] == 1) for row in rows] == [
        (squares.captions[place][0], ours, theirs)
        for place, ours, theirs in zip(
            SPLITS["pair"], [True, True, True, False], [True, False, True, True], strict=True
        )
    ]


def test_a_model_on_its_own_index_finds_what_retrieval_finds(squares):
    drawn = np.random.default_rng(3)
    one = told(squares, drawn.normal(size=(4, 4)), drawn.normal(size=(4, 4)))
    subject = subject_of(squares, one, one, SPLITS)
    (metric,) = OldIndex(ks=(1,)).measure(subject).metrics
    known = {each.name: each for each in Retrieval(ks=(1,)).measure(subject).metrics}
    assert metric.value == metric.baseline == known["retrieval.pair.text_to_image.recall_at_1"].value


def test_an_old_model_of_another_width_is_refused(squares):
    new = told(squares, np.eye(4))
    old = told(squares, np.eye(4)[:, :3] + 0.1, np.eye(4)[:, :3] + 0.1)
    with pytest.raises(DataError, match=r"gives 4 numbers and the old index has 3.*compatible_with"):
        OldIndex(old).measure(subject_of(squares, new, new, SPLITS))
