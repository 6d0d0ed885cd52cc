"""Barlow's loss against lightly's, and by hand (seed 38, property 4)."""

import json
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError
from components.objectives.barlow import BarlowLoss

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "barlow.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_value_and_gradients_are_the_golden_ones(case):
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in case["inputs"].items()}
    loss = BarlowLoss()(**inputs)
    assert loss.item() == pytest.approx(case["loss"], rel=1e-5)
    loss.backward()
    for name, value in case["gradients"].items():
        torch.testing.assert_close(inputs[name].grad, torch.tensor(value), rtol=1e-5, atol=1e-7)


def test_identical_whitened_features_lose_nothing():
    rows = torch.linalg.qr(torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) - 0.1)[0]
    white = torch.linalg.qr(rows - rows.mean(0))[0] * 40**0.5 + 3
    assert BarlowLoss(weight=1.0)(white, white) < 1e-8
    assert BarlowLoss(weight=1.0)(white, white.roll(1, 1)) > 6


def test_four_pairs_by_hand():
    """Two dimensions that say the same: the correlations are all 1, so two of them are off, by 1 each."""
    rows = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [1.0, 2.0], [-1.0, -2.0]])
    assert BarlowLoss(off_diagonal=0.5, weight=3.0)(rows, rows).item() == pytest.approx(3 * 0.5 * 2, rel=1e-4)
    assert BarlowLoss(off_diagonal=0.5, weight=3.0)(rows, -rows).item() == pytest.approx(3 * (8 + 0.5 * 2), rel=1e-4)


def test_one_pair_and_weights_below_zero_are_refused():
    with pytest.raises(ConfigError, match="has no correlations"):
        BarlowLoss()(torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(ConfigError, match="off_diagonal is -1"):
        BarlowLoss(off_diagonal=-1.0)
