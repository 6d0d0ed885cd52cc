"""CLIP's loss by hand, and against open_clip's in value and gradient (seed 56, properties 1, 3 and 4)."""

import json
import math
from pathlib import Path

import open_clip
import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError
from components.objectives.softmax import SoftmaxLoss

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "softmax.json").read_text())
# The same float32 operations in another order: a few units in the last place (6e-8), times the scale of at most 100.
RTOL, ATOL = 1e-5, 1e-6


@pytest.mark.parametrize("pairs", [2, 5, 64])
def test_equal_logits_give_log_of_the_batch(pairs):
    alike = torch.ones(pairs, 7)
    assert SoftmaxLoss()(alike, alike, torch.tensor(14.3)).item() == pytest.approx(math.log(pairs), rel=1e-6)


def test_perfect_features_at_the_highest_scale_give_next_to_nothing():
    loss = SoftmaxLoss()(torch.eye(16), torch.eye(16), torch.tensor(100.0))
    assert 0 <= loss < 1e-3


def test_two_pairs_by_hand():
    # Rows: picture 0 scores 2 with its own text and 0 with the other; picture 1 scores 1 and 1.
    loss = SoftmaxLoss().from_scores(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
    by_row = math.log(1 + math.exp(-2)) + math.log(2)
    by_column = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-1))
    assert loss.item() == pytest.approx((by_row + by_column) / 4, rel=1e-6)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"scale={case['inputs']['scale']:g}")
def test_value_and_gradients_are_the_golden_ones(case):
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in case["inputs"].items()}
    loss = SoftmaxLoss()(**inputs)
    assert loss.item() == pytest.approx(case["loss"], rel=RTOL)
    loss.backward()
    for name, value in case["gradients"].items():
        torch.testing.assert_close(inputs[name].grad, torch.tensor(value), rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("pairs", [2, 33])
@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_value_and_gradients_are_those_of_the_open_clip_that_is_installed(pairs, scale):
    draw = torch.Generator().manual_seed(pairs)
    ours, theirs = (
        [side.clone().requires_grad_() for side in features]
        for features in [torch.randn(2, pairs, 24, generator=draw)] * 2
    )
    slope = torch.tensor(scale)
    mine = SoftmaxLoss()(*ours, slope)
    peer = open_clip.ClipLoss()(*(normalize(side, dim=-1) for side in theirs), slope)
    torch.testing.assert_close(mine, peer, rtol=RTOL, atol=ATOL)
    mine.backward()
    peer.backward()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=RTOL, atol=ATOL)


def test_smoothing_is_torchs_on_both_sides():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    right = torch.arange(6)
    wanted = sum(cross_entropy(side, right, label_smoothing=0.1) for side in (scores, scores.T)) / 2
    torch.testing.assert_close(SoftmaxLoss(smoothing=0.1).from_scores(scores), wanted)
    assert SoftmaxLoss(smoothing=0.1).from_scores(scores) != SoftmaxLoss().from_scores(scores)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_a_smoothing_that_is_no_share_is_refused(smoothing):
    with pytest.raises(ConfigError, match="share of the target"):
        SoftmaxLoss(smoothing=smoothing)


def test_sides_that_do_not_pair_up_are_refused():
    # Also shows that shapes are checked in tests: see tests/conftest.py.
    with pytest.raises(TypeCheckError):
        SoftmaxLoss()(torch.ones(3, 4), torch.ones(4, 4), torch.tensor(1.0))
