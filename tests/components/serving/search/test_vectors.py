"""Vectors by codes: the same answers as one by one, for many that lie as a tower's do, all to one side."""

from pathlib import Path

import numpy as np
import pytest

from components.serving.search.vectors import Vectors, candidates, coded
from tests.benchmarks.index_memory import held_mb


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def drawn(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Vectors in clusters, about a mean that is far from 0."""
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(7).normal(size=(50, width))
    return unit(3.0 + middles[rng.integers(50, size=count)] + 0.5 * rng.normal(size=(count, width)))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    np.save(tmp_path / "index.npy", drawn(4_000, 64))
    return tmp_path / "index.npy"


def exact(rows: np.ndarray, vector: np.ndarray, top: int) -> list[int]:
    return np.argsort(-(rows @ vector), kind="stable")[:top].tolist()


def test_few_are_compared_one_by_one(written, tmp_path):
    vectors, rows = Vectors(written, tmp_path), np.load(written)
    assert not vectors.coded
    for question in drawn(5, 64, seed=1):
        assert vectors.nearest(question, 10).tolist() == exact(rows, question, 10)
        assert vectors.nearest(question, 3, np.arange(100, 200)).tolist() == [
            100 + at for at in exact(rows[100:200], question, 3)
        ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.npy"]


def test_many_are_found_by_codes_nearly_all(written, tmp_path):
    vectors, rows = Vectors(written, tmp_path, few=10), np.load(written)
    assert vectors.coded
    questions = drawn(40, 64, seed=1)
    found = [set(vectors.nearest(question, 10).tolist()) & set(exact(rows, question, 10)) for question in questions]
    assert sum(map(len, found)) / 400 >= 0.98
    assert vectors.nearest(rows[17], 1).tolist() == [17]
    assert len(vectors.nearest(questions[0], 5_000)) == 4_000


def test_codes_without_the_mean_would_find_far_fewer(written, tmp_path):
    """What the mean is for: here every number is above 0, so that all plain signs are alike."""
    rows = np.load(written)
    assert len(np.unique(coded(rows, np.zeros(64, np.float32)), axis=0)) < 100
    assert len(np.unique(coded(rows, rows.mean(axis=0)), axis=0)) > 3_000


def test_a_filter_goes_by_codes_too(written, tmp_path, monkeypatch):
    monkeypatch.setattr("components.serving.search.vectors.FEW_ALLOWED", 10)
    vectors, rows = Vectors(written, tmp_path, few=10), np.load(written)
    allowed = np.arange(0, 4_000, 2)
    hits = 0
    for question in drawn(20, 64, seed=2):
        found = vectors.nearest(question, 10, allowed)
        assert set(found % 2) == {0}
        hits += len(set(found.tolist()) & {2 * at for at in exact(rows[allowed], question, 10)})
    assert hits / 200 >= 0.98


def test_codes_are_written_once_and_are_a_32nd(written, tmp_path):
    Vectors(written, tmp_path, few=10)
    before = (tmp_path / "codes.npy").stat()
    again = Vectors(written, tmp_path, few=10)
    assert (tmp_path / "codes.npy").stat().st_mtime_ns == before.st_mtime_ns
    assert np.load(tmp_path / "codes.npy").nbytes * 32 == np.load(written).nbytes
    assert again.nearest(np.load(written)[3], 1).tolist() == [3]


def test_codes_are_held_once(tmp_path):
    """In a process of its own: 19 MB of codes, of vectors that are a hole on disk."""
    np.lib.format.open_memmap(tmp_path / "index.npy", "w+", np.float32, (300_000, 512))
    bits = np.random.default_rng(0).integers(0, 256, (300_000, 64), np.uint8)
    np.save(tmp_path / "codes.npy", bits)
    np.save(tmp_path / "codes-mean.npy", np.zeros(512, np.float32))
    held = held_mb(tmp_path / "index.npy", tmp_path, few=0) * 1e6
    assert bits.nbytes <= held < 1.5 * bits.nbytes


def test_the_narrower_the_code_the_more_candidates():
    assert [candidates(1_000_000, width) for width in (1_024, 512, 256, 128, 64)] == [400, 400, 1_200, 4_000, 4_000]
    assert [candidates(count, 512) for count in (100_000, 200_000, 10_000_000)] == [3_000, 1_500, 400]


def test_a_width_that_is_no_multiple_of_eight(tmp_path):
    np.save(tmp_path / "index.npy", drawn(500, 21))
    vectors = Vectors(tmp_path / "index.npy", tmp_path, few=10)
    assert vectors.nearest(vectors.row(99), 1).tolist() == [99]
    assert np.load(tmp_path / "codes.npy").shape == (500, 3)
