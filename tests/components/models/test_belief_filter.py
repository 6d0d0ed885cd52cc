"""Who is believed in: shares that sum to one, exactly so many tokens, the first most of all."""

import pytest
import torch

from components.models.belief_filter import belief, believed


@pytest.mark.parametrize(("keep", "count"), [(0.8, 8), (0.05, 1), (1.0, 10)])
def test_so_many_tokens_stay_in_the_order_of_belief(keep, count):
    torch.manual_seed(0)
    tokens, prior = torch.randn(3, 10, 4), torch.randn(3, 1, 4)
    shares = belief(tokens, prior)
    torch.testing.assert_close(shares.sum(1), torch.ones(3))
    kept = believed(tokens, prior, keep)
    assert kept.shape == (3, count, 4)
    for row in range(3):
        order = (tokens[row] @ prior[row, 0]).argsort(descending=True)[:count]
        assert torch.equal(kept[row], tokens[row, order])
