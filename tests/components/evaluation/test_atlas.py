"""The map against scikit-learn's principal components, and what makes it the same at each run."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from components.evaluation.atlas import DIGITS, MOST, PICTURED, Atlas, Placed, atlas, principal

RNG = np.random.default_rng(0)
ROWS = (RNG.normal(size=(40, 8)) * np.array([5, 3, 1, 1, 1, 0.5, 0.5, 0.1])).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def placed(rows: np.ndarray, name: str) -> Placed:
    return Placed(names=[f"{name}{at}" for at in range(len(rows))], groups=[None] * len(rows), rows=unit(rows))


def drawn(pictures: np.ndarray, texts: np.ndarray) -> Atlas:
    found = atlas("pair", placed(pictures, "p"), placed(texts, "t"), lambda at: b"picture")
    assert found is not None
    return found


def test_axes_and_shares_are_those_of_scikit_learn():
    places, shares = principal((ROWS - ROWS.mean(0)).astype(np.float64))
    peer = PCA(2).fit(ROWS.astype(np.float64))
    theirs = peer.transform(ROWS.astype(np.float64))
    theirs *= np.sign((theirs * places).sum(0))  # the sign of an axis is nobody's
    np.testing.assert_allclose(places, theirs / np.abs(theirs).max(), atol=0.6 * 10**-DIGITS)
    assert shares == pytest.approx(tuple(peer.explained_variance_ratio_), rel=1e-6)


def test_an_axis_points_to_where_its_largest_loading_is_positive():
    centred = (ROWS - ROWS.mean(0)).astype(np.float64)
    places, _ = principal(centred)
    for axis in range(2):
        loadings = centred.T @ places[:, axis]
        assert loadings[np.abs(loadings).argmax()] > 0
    turned, _ = principal(-centred)
    np.testing.assert_array_equal(turned, -places + 0.0)


def test_the_same_rows_are_the_same_map_and_noise_of_the_last_bit_changes_nothing():
    assert drawn(ROWS, ROWS[:10]) == drawn(ROWS.copy(), ROWS[:10].copy())
    noisy = ROWS * (1 + 1e-7)
    assert drawn(ROWS, ROWS[:10]) == drawn(noisy.astype(np.float32), ROWS[:10])


def test_pictures_and_texts_are_moved_to_their_own_mean_and_the_gap_is_a_number():
    rows = np.eye(8, dtype=np.float32)[RNG.integers(0, 4, 30)] + 0.01
    apart = rows + 3 * np.eye(8, dtype=np.float32)[7]
    found = drawn(rows, apart)
    assert found.gap == pytest.approx(np.linalg.norm(unit(rows).mean(0) - unit(apart).mean(0)), abs=1e-3)
    for kind in ("picture", "text"):
        mean = np.mean([(one.x, one.y) for one in found.points if one.kind == kind], 0)
        np.testing.assert_allclose(mean, 0, atol=10**-DIGITS)


def test_of_many_some_are_drawn_and_some_shown_and_the_rest_is_counted():
    rows = RNG.normal(size=(MOST + 50, 8)).astype(np.float32)
    found = drawn(rows, rows[:20])
    assert [one.kind for one in found.points].count("picture") == MOST
    assert len({one.name for one in found.points}) == MOST + 20
    assert sum(one.picture is not None for one in found.points) == PICTURED
    assert found.left_out == 50
    asked: list[int] = []
    atlas("pair", placed(rows, "p"), placed(rows[:20], "t"), lambda at: bytes(asked.append(at) or 0))
    assert len(asked) == PICTURED, "no other is read"


def test_what_is_all_the_same_lies_in_the_middle_and_too_little_is_no_map():
    same = np.ones((4, 8), np.float32)
    assert {(one.x, one.y) for one in drawn(same, same).points} == {(0.0, 0.0)}
    assert atlas("pair", placed(same[:1], "p"), placed(same[:1], "t"), lambda at: b"") is None
    assert atlas("pair", placed(same, "p"), placed(same[:0], "t"), lambda at: b"") is None
