"""What the benchmark measures is the same loss in blocks and whole."""

import pytest

from tests.benchmarks.contrast import LOSSES, measured


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_both_ways_come_to_the_same(name):
    whole, in_blocks = (measured(name, pairs=96, width=8, block=block) for block in (None, 32))
    assert in_blocks["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert in_blocks["gradients"] == pytest.approx(whole["gradients"], rel=1e-5)
    assert set(whole["gradients"]) >= {"image", "text", "scale"}
    assert min(in_blocks["peak_gb"], whole["peak_gb"]) > 0
