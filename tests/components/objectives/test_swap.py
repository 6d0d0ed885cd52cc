"""The swapped prediction against codes of lightly's sinkhorn, and what its codes come to (seed 38)."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError
from components.objectives.sinkhorn import sinkhorn
from components.objectives.swap import SwapLoss

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "swap.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_value_and_gradients_are_the_golden_ones(case):
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in case["inputs"].items()}
    loss = SwapLoss()(**inputs)
    assert loss.item() == pytest.approx(case["loss"], rel=1e-5)
    loss.backward()
    for name, value in case["gradients"].items():
        torch.testing.assert_close(inputs[name].grad, torch.tensor(value), rtol=1e-5, atol=1e-6)


def test_where_codes_are_one_hot_it_is_the_plain_contrast():
    """Other views whose pairs are all alike and as far as can be from other pairs."""
    image, text = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(0))
    loss = SwapLoss()(image, text, torch.tensor(5.0), torch.eye(6), torch.eye(6))
    scores = 5 * normalize(image, dim=1) @ normalize(text, dim=1).T
    wanted = (cross_entropy(scores, torch.arange(6)) + cross_entropy(scores.T, torch.arange(6))) / 2
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=0)


def test_numbers_that_mean_nothing_are_refused():
    with pytest.raises(ConfigError, match="temperature is 0"):
        SwapLoss(temperature=0.0)
    with pytest.raises(ConfigError, match="steps is 0"):
        sinkhorn(torch.eye(3), steps=0)
