"""The baseline finds what it was shown, and knows nothing of what it was not."""

import numpy as np
import pytest
from PIL import Image

from components.evaluation.neighbour import describe, lent, unit
from tests.squares import png


@pytest.fixture(scope="module")
def near(squares):
    """How near all squares are to the first 20 of them."""
    return describe(squares.pictures) @ describe(squares.pictures[:20]).T


def test_a_picture_it_was_shown_finds_its_own_name_first(near, squares):
    texts = sorted({name for (name,) in squares.captions[:20]})
    scores = lent(near[:20], squares.captions[:20], texts)
    assert scores.shape == (20, 10)
    for row, (name,) in enumerate(squares.captions[:20]):
        assert scores[row, texts.index(name)] == pytest.approx(1, abs=1e-5)
        assert texts[scores[row].argmax()] == name


def test_a_name_it_was_never_shown_scores_below_all_others(near, squares):
    known_name, new_name = squares.captions[0][0], squares.captions[-1][0]
    scores = lent(near, squares.captions[:20], [known_name, new_name])
    assert (scores[:, 1] == -1).all()
    assert (scores[:, 0] > -1).all()


def test_the_nearest_of_several_pictures_of_a_name_counts():
    near = np.array([[0.1, 0.7, 0.3], [0.9, -0.5, 0.2]], np.float32)
    scores = lent(near, [["all"], [], ["all", "third"]], ["all", "third", "new"])
    np.testing.assert_allclose(scores, [[0.3, 0.3, -1], [0.9, 0.2, -1]])


def test_descriptions_are_unit_rows_and_empty_pictures_are_finite():
    blank = png(Image.new("RGB", (20, 20), (255, 255, 255)))
    rows = describe([blank, png(Image.new("RGB", (20, 20), (200, 30, 30)))])
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert np.linalg.norm(rows[1]) <= 1 + 1e-6
    assert not rows[0].any()


def test_edges_and_colours_weigh_the_same(squares):
    row = describe(squares.pictures[:1])[0]
    colours = row[-3 * 12 * 12 :]
    assert np.linalg.norm(colours) == pytest.approx(np.sqrt(0.5), rel=1e-5)
    assert np.linalg.norm(row[: -len(colours)]) == pytest.approx(np.sqrt(0.5), rel=1e-5)


def test_unit_makes_length_1_of_all_but_nothing():
    np.testing.assert_allclose(unit(np.array([3.0, 4.0])), [0.6, 0.8])
    assert unit(np.zeros(3)).tolist() == [0, 0, 0]


def test_progress_is_told_of_every_picture(squares):
    told = []
    describe(squares.pictures[:3], lambda doing, done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
