"""A file gives the signatures that memory does, and the same pairs come of both."""

import numpy as np
import pyarrow as pa
import pytest

from components.data import signatures as module
from components.data.minhash import MinHash
from components.data.signatures import Held, Spilled
from tests.near_captions import near_equal, unlike


def spilled(values: np.ndarray, at_once: int, folder=None) -> Spilled:
    file = Spilled(values.shape[1], folder)
    for start in range(0, len(values), at_once):
        file.add(values[start : start + at_once])
    return file


@pytest.mark.parametrize("count", [0, 1, 64, 1000])
def test_a_file_gives_what_memory_gives(count, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 70)
    draws = np.random.default_rng(0)
    values = draws.integers(0, 2**32, (count, 6), np.uint32)
    file, held = spilled(values[:, :], 33), Held(values)
    assert len(file) == len(held) == count
    for one in (file, held):
        blocks = [values[:0, 2:4], *one.blocks(slice(2, 4))]
        assert np.concatenate(blocks).tolist() == values[:, 2:4].tolist()
    places = draws.integers(0, max(1, count), 3 * count)
    assert (file.take(places) == held.take(places)).all()


def test_the_same_pairs_come_of_a_file():
    texts = unlike(500)
    texts += [near_equal(text, 1, 1, seed)[0] for seed, text in enumerate(texts[:200])] + texts[:1] * 50
    minhash = MinHash()
    values = minhash.signatures(pa.array(texts))
    (pairs, shares), (others, its) = minhash.pairs(values, 0.5), minhash.pairs(spilled(values, 64), 0.5, compared=7)
    assert len(pairs) > 100
    assert pairs.tolist() == others.tolist()
    assert shares.tolist() == its.tolist()


def test_nothing_is_left_where_the_file_lay(tmp_path):
    file = spilled(np.ones((9, 4), np.uint32), 9, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert file.take(np.array([8])).tolist() == [[1, 1, 1, 1]]
