"""What is added to a tower's vectors lies between them."""

import argparse
from pathlib import Path

import numpy as np

from tests.benchmarks import serve_page, vector_search
from tests.benchmarks.search_timing import recall
from tests.benchmarks.tower_vectors import between


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_rows_come_first_and_what_is_added_is_nearest_to_one_of_them(tmp_path):
    rows = unit(np.random.default_rng(0).normal(size=(60, 8)))
    found = np.array(between(rows, 500, tmp_path / "index.npy"))
    assert found.shape == (500, 8)
    assert np.array_equal(found[:60], rows)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    nearest = (found[60:] @ rows.T).max(axis=1)
    apart = (rows @ rows.T - 2 * np.eye(60)).max(axis=1)
    assert nearest.min() >= apart.min(), "no further from a picture than pictures are from each other"
    assert len(np.unique(found.round(5), axis=0)) > 450, "and no copies"


def test_recall_is_the_share_of_the_right_ten():
    right = [list(range(10)), list(range(10, 20))]
    assert recall([list(range(10)), list(range(15, 25))], right) == 0.75


def test_the_command_that_is_kept_measures_the_same_again():
    given = argparse.Namespace(rows=vector_search.ROWS, hnsw=False, package=None)
    assert vector_search.command_of(given) == "python -m tests.benchmarks.vector_search --keep"
    given = argparse.Namespace(rows=5, hnsw=True, package=Path("a b"))
    assert vector_search.command_of(given).endswith(" --rows 5 --hnsw --package 'a b' --keep")


def test_a_search_is_timed_by_every_way_there_is(tmp_path):
    """And the page has a row for each."""
    rows = unit(np.random.default_rng(0).normal(size=(300, 16)))
    np.save(tmp_path / "index.npy", rows)
    found = vector_search.searched(tmp_path, rows[:30])
    assert tuple(found) == serve_page.SEARCHES
    assert all(its["cpu_p50_ms"] > 0 and its["p50_ms"] <= its["p99_ms"] for its in found.values())
