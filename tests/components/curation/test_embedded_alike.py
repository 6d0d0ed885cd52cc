import numpy as np
import pytest

from components.curation.embedded_alike import embedded_alike


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def by_hand(rows: np.ndarray, cosine: float) -> list[int]:
    """The same, one row after the other against all that stay."""
    stays: list[int] = []
    goes = []
    for at in range(len(rows)):
        near = stays and (rows[stays].astype(np.float64) @ rows[at] >= cosine).any()
        (goes if near else stays).append(at)
    return goes


@pytest.mark.parametrize("count", [1, 300, 2500])  # one block of 1024, and three
def test_a_row_goes_where_an_earlier_one_that_stays_is_near(count):
    rows = unit(np.random.default_rng(count).standard_normal((count, 4)))
    assert embedded_alike(rows, 0.97).tolist() == by_hand(rows, 0.97)


def test_likeness_is_no_chain():
    angles = np.radians([0, 8, 16])
    rows = unit(np.stack([np.cos(angles), np.sin(angles)], 1))
    assert embedded_alike(rows, np.cos(np.radians(10))).tolist() == [1]


def test_a_copy_goes_at_a_cosine_of_1():
    rows = unit(np.random.default_rng(0).standard_normal((50, 64)))
    assert embedded_alike(np.concatenate([rows, rows]), 1.0).tolist() == list(range(50, 100))


def test_beyond_the_rows_that_are_all_compared_few_copies_are_missed_and_nothing_else_goes():
    rng = np.random.default_rng(0)
    first = unit(rng.standard_normal((2000, 32)))
    rows = np.concatenate([first, unit(first + 0.04 * rng.standard_normal(first.shape))])
    found = embedded_alike(rows, 0.95, exact_rows=100)
    assert set(found.tolist()) <= set(range(2000, 4000))
    assert len(found) >= 1980
    assert np.array_equal(found, embedded_alike(rows, 0.95, exact_rows=100))
