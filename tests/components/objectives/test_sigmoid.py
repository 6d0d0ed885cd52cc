"""SigLIP's loss by hand, and against open_clip's in value and gradient."""

import json
import math
from pathlib import Path

import pytest
import torch
from open_clip.loss import SigLipLoss
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.objectives.sigmoid import SigmoidLoss

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "sigmoid.json").read_text())
RTOL, ATOL = 1e-5, 1e-6  # the same float32 operations in another order


def nats(logit: float) -> float:
    """Loss of one pair whose logit has the right sign when it is above 0."""
    return math.log1p(math.exp(-logit))


def test_two_pairs_by_hand():
    # Picture 0 says 2 to its own text and -1 to the other; picture 1 says 3 to the wrong one and 0 to its own.
    loss = SigmoidLoss().from_scores(torch.tensor([[2.0, -1.0], [3.0, 0.0]]))
    assert loss.item() == pytest.approx((nats(2) + nats(1) + nats(-3) + nats(0)) / 2, rel=1e-6)


def test_at_the_papers_start_only_the_matches_cost_anything():
    # Unit axes: every match has the logit 10 - 10, every other pair 0 - 10.
    loss = SigmoidLoss()(torch.eye(16), torch.eye(16), torch.tensor(10.0), torch.tensor(-10.0))
    assert loss.item() == pytest.approx(math.log(2) + 15 * nats(10), rel=1e-5)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"scale={case['inputs']['scale']:g}")
def test_value_and_gradients_are_the_golden_ones(case):
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in case["inputs"].items()}
    loss = SigmoidLoss()(**inputs)
    assert loss.item() == pytest.approx(case["loss"], rel=RTOL)
    loss.backward()
    for name, value in case["gradients"].items():
        torch.testing.assert_close(inputs[name].grad, torch.tensor(value), rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (1.0, 0.0), (100.0, -16.5)])
def test_value_and_gradients_are_those_of_the_open_clip_that_is_installed(scale, bias):
    features = torch.randn(2, 33, 24, generator=torch.Generator().manual_seed(3))
    ours, theirs = ([side.clone().requires_grad_() for side in features] for _ in range(2))
    slope, offset = torch.tensor(scale), torch.tensor(bias)
    mine = SigmoidLoss()(*ours, slope, offset)
    peer = SigLipLoss()(*(normalize(side, dim=-1) for side in theirs), slope, offset)
    torch.testing.assert_close(mine, peer, rtol=RTOL, atol=ATOL)
    mine.backward()
    peer.backward()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=RTOL, atol=ATOL)


def test_a_weight_counts_the_matches_more_and_nothing_else():
    scores = torch.tensor([[2.0, -1.0], [3.0, 0.0]])
    loss = SigmoidLoss(pair_weight=3.0).from_scores(scores)
    assert loss.item() == pytest.approx((3 * nats(2) + nats(1) + nats(-3) + 3 * nats(0)) / 2, rel=1e-6)


def test_all_captions_of_a_picture_match_it():
    draw = torch.Generator().manual_seed(0)
    images, texts = torch.randn(2, 8, generator=draw), torch.randn(3, 8, generator=draw)
    owners = torch.tensor([0, 0, 1])  # two captions of the first picture, one of the second
    slope, offset = torch.tensor(10.0), torch.tensor(-10.0)
    loss = SigmoidLoss()(images, Gathered(local=texts, all=texts, owner=owners), slope, offset)
    logits = 10 * normalize(images, dim=-1) @ normalize(texts, dim=-1).T - 10
    matches = {(0, 0), (0, 1), (1, 2)}
    signed = [logits[i, j].item() * (1 if (i, j) in matches else -1) for i in range(2) for j in range(3)]
    assert loss.item() == pytest.approx(sum(map(nats, signed)) / 2, rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_counts_for_nothing_is_refused(weight):
    with pytest.raises(ConfigError, match="must count for something"):
        SigmoidLoss(pair_weight=weight)
