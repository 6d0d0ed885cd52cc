"""What tokens weigh by what a prior believes: by hand, in the order of belief, and nothing where all are believed in alike."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.models.belief_filter import belief
from components.models.belief_weights import rank, weighed

TOKENS = torch.tensor(
    [[[math.log(1), 1.0], [math.log(2), 1.0], [math.log(3), 1.0]]]
)  # in which a prior of 1, 0 believes 1 : 2 : 3
PRIOR = torch.tensor([[[1.0, 0.0]]])


def test_beliefs_are_shares():
    torch.testing.assert_close(belief(TOKENS, PRIOR), torch.tensor([[1 / 6, 2 / 6, 3 / 6]]))


@pytest.mark.parametrize(
    ("rank_weight", "first", "second"),
    [
        # 0, 2 ln 2 and 3 ln 3 over the root of their squares' sum, 3.5755; 1, 2 and 3 over that of 14
        ("none", [0, 0.38772, 0.92178], [0.26726, 0.53452, 0.80178]),
        # weights 1/6 + 1/√3 = 0.74402, 1/3 + 1/√2 = 1.04044 and 1/2 + 1 = 1.5, whose squares' sum is 3.88607
        ("true_rank", [0, 0.40092, 0.91611], [0.37742, 0.52779, 0.76092]),
    ],
)
def test_tokens_weigh_what_they_weigh_by_hand(rank_weight, first, second):
    wanted = torch.tensor([first, second]).T[None]
    torch.testing.assert_close(weighed(TOKENS, PRIOR, rank_weight), wanted, rtol=0, atol=2e-5)


def test_a_rank_is_how_many_are_believed_in_more():
    assert rank(torch.tensor([[0.1, 0.4, 0.3, 0.4], [4.0, 3.0, 2.0, 1.0]])).tolist() == [[3, 0, 2, 0], [0, 1, 2, 3]]


@given(st.permutations(range(6)), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_who_is_believed_in_more_weighs_more_wherever_it_stands(places, rows):
    scores = torch.tensor([places] * rows, dtype=torch.float32)
    tokens = torch.stack([scores, torch.ones_like(scores)], -1)
    for rank_weight in ("true_rank", "none"):
        weights = weighed(tokens, PRIOR.expand(rows, 1, 2), rank_weight)[..., 1]
        assert torch.equal(weights.argsort(1), scores.argsort(1))
        torch.testing.assert_close(weights.square().sum(1), torch.ones(rows))


@pytest.mark.parametrize("rank_weight", ["true_rank", "none"])
def test_a_prior_that_believes_in_all_alike_prefers_none(rank_weight):
    tokens, nothing = torch.tensor([[[3.0, 5.0], [4.0, 12.0]]]), torch.zeros(1, 1, 2)
    wanted = torch.tensor([[[3 / 5, 5 / 13], [4 / 5, 12 / 13]]])
    torch.testing.assert_close(weighed(tokens, nothing, rank_weight), wanted)


def test_ranks_go_on_where_beliefs_are_too_small_for_a_float():
    tokens = torch.tensor([[[0.0, 1.0], [-200.0, 1.0], [-400.0, 1.0]]])
    weights = weighed(tokens, PRIOR)[0, :, 1]
    torch.testing.assert_close(weights / weights[0], torch.tensor([1, 0.5**0.5 / 2, 3**-0.5 / 2]))


def test_a_prior_learns_by_what_tokens_weigh():
    prior = PRIOR.clone().requires_grad_()
    weighed(TOKENS, prior)[0, 0, 1].backward()
    assert prior.grad is not None
    assert prior.grad[0, 0, 0] < 0  # to believe in the others less, and so in the first more
