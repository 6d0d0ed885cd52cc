"""The baseline finds what it was shown, and knows nothing of what it was not."""

import numpy as np
import pytest
from PIL import Image

from components.evaluation import neighbour
from components.evaluation.neighbour import Lent, describe, unit
from tests.squares import png


@pytest.fixture(scope="module")
def described(squares):
    """All squares, of which the first 20 are known."""
    return describe(squares.pictures)


def lent(near, owned, names):
    """Return the whole matrix, of how near each picture is to each training picture."""
    columns = [[row for row, own in enumerate(owned) if name in own] for name in names]
    return np.stack([near[:, of].max(1) if of else np.full(len(near), -1, np.float32) for of in columns], 1)


def test_a_picture_it_was_shown_finds_its_own_name_first(described, squares):
    texts = sorted({name for (name,) in squares.captions[:20]})
    scores = Lent.of(described[:20], described[:20], squares.captions[:20], texts)[:]
    assert scores.shape == (20, 10)
    for row, (name,) in enumerate(squares.captions[:20]):
        assert scores[row, texts.index(name)] == pytest.approx(1, abs=1e-5)
        assert texts[scores[row].argmax()] == name


def test_a_name_it_was_never_shown_scores_below_all_others(described, squares):
    known_name, new_name = squares.captions[0][0], squares.captions[-1][0]
    scores = Lent.of(described, described[:20], squares.captions[:20], [known_name, new_name])[:]
    assert (scores[:, 1] == -1).all()
    assert (scores[:, 0] > -1).all()


def test_the_nearest_of_several_pictures_of_a_name_counts():
    near = np.array([[0.1, 0.7, 0.3], [0.9, -0.5, 0.2]], np.float32)
    scores = Lent.of(near, np.eye(3, dtype=np.float32), [["all"], [], ["all", "third"]], ["all", "third", "new"])[:]
    np.testing.assert_allclose(scores, [[0.3, 0.3, -1], [0.9, 0.2, -1]])


@pytest.mark.parametrize("piece_bytes", [1, 4 * 12 * 5, 2**24], ids=["one at a time", "five at a time", "all at once"])
def test_rows_and_columns_are_those_of_the_whole_matrix(monkeypatch, piece_bytes):
    """Products of eighths are exact in float32, so that the two are the same however they are cut."""
    draws = np.random.default_rng(0)
    shown, known = (draws.integers(-8, 9, (count, 12)).astype(np.float32) / 8 for count in (9, 30))
    names = [f"n{place}" for place in range(20)]
    owned = [[*draws.choice([*names, "other"], draws.integers(0, 5)), "n3"] for _ in known]
    owned = [[name for name in own if name != "n7"] for own in owned]
    monkeypatch.setattr(neighbour, "PIECE_BYTES", piece_bytes)
    found, wanted = Lent.of(shown, known, owned, names), lent(shown @ known.T, owned, names)
    assert (found.shape, found.T.shape, found.T.T.shape) == ((9, 20), (20, 9), (9, 20))
    np.testing.assert_array_equal(found[:], wanted)
    for begin, end in ((0, 4), (4, 9), (8, 30)):
        np.testing.assert_array_equal(found[begin:end], wanted[begin:end])
        np.testing.assert_array_equal(found.T[begin:end], wanted.T[begin:end])


def test_names_of_one_training_picture_tie_however_it_is_cut(monkeypatch):
    """What is right and what is wrong of it stand level, and a tie counts as lost."""
    draws = np.random.default_rng(1)
    shown, known = (draws.standard_normal((count, 40)).astype(np.float32) for count in (7, 50))
    owned = [[f"a{place}", f"b{place}"] for place in range(50)]
    monkeypatch.setattr(neighbour, "PIECE_BYTES", 4 * 40 * 3)
    found = Lent.of(shown, known, owned, [*(a for a, _ in owned), *(b for _, b in owned)])
    assert np.array_equal(found[2:5][:, :50], found[2:5][:, 50:])
    np.testing.assert_allclose(found[:][:, :50], shown @ known.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.T[60:70], found[:].T[60:70], rtol=1e-4, atol=1e-5)


def test_nothing_known_of_any_name_is_below_all():
    nothing = Lent.of(np.ones((3, 2), np.float32), np.ones((2, 2), np.float32), [(), ()], ["a", "b"])
    assert nothing[:].tolist() == [[-1, -1]] * 3
    assert nothing.T[1:].tolist() == [[-1] * 3]


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
