"""The mean of a stretch of tokens; the other pools are asked of in the towers' tests."""

import torch

from components.models.poolers import span_mean


def test_a_span_is_the_mean_from_its_first_token_to_before_its_last_by_hand():
    tokens = torch.arange(24.0).reshape(2, 4, 3)
    row, first, last = (torch.tensor(one) for one in ([0, 0, 1], [0, 1, 3], [4, 3, 4]))
    wanted = [tokens[0].mean(0), (tokens[0, 1] + tokens[0, 2]) / 2, tokens[1, 3]]
    torch.testing.assert_close(span_mean(tokens, row, first, last), torch.stack(wanted))


def test_no_span_is_no_row():
    none = torch.zeros(0, dtype=torch.int64)
    assert span_mean(torch.ones(2, 4, 3), none, none, none).shape == (0, 3)
