"""What the benchmark measures: both levels find centres that are nearly as near, and rows come from a file."""

import numpy as np

from tests.benchmarks.clusters import drawn, ours, theirs


def test_two_levels_are_nearly_as_near_as_one_and_one_is_as_near_as_faiss(tmp_path):
    rows = drawn(tmp_path / "rows.f16", 4_000, 64)
    assert isinstance(rows, np.memmap)
    two, one, peer = ours(rows, 64, 2), ours(rows, 64, 1), theirs(rows, 64)
    assert abs(one - peer) < 0.01
    assert 0.95 * one < two <= one + 0.01
