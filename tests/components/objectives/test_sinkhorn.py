"""Shares are POT's plan after many steps, and even on both sides (seed 38, property 3)."""

import json
from pathlib import Path

import pytest
import torch

from components.objectives.sinkhorn import sinkhorn

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "swap.json").read_text())


@pytest.mark.parametrize("plan", GOLDEN["plans"])
def test_many_steps_give_the_plan_of_pot(plan):
    shares = sinkhorn(torch.tensor(plan["scores"]), plan["temperature"], steps=500)
    torch.testing.assert_close(shares, torch.tensor(plan["shares"]), rtol=1e-4, atol=1e-5)


def test_rows_sum_to_one_after_any_step_and_columns_are_even_after_enough():
    scores = torch.rand(12, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for steps in (1, 3, 100):
        torch.testing.assert_close(sinkhorn(scores, steps=steps).sum(1), torch.ones(12))
    torch.testing.assert_close(sinkhorn(scores, steps=100).sum(0), torch.full((4,), 3.0), rtol=0, atol=1e-2)


def test_scores_that_are_far_apart_overflow_nothing():
    scores = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    shares = sinkhorn(scores, temperature=1e-3)
    torch.testing.assert_close(shares, torch.eye(2))
    assert not shares.requires_grad
