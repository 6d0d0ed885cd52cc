"""A head's batch norm is torch's, and a head is a chain of what it says it is."""

import pytest
import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.models.batch_norm import BatchNorm
from components.models.mlp import Mlp


def test_batch_norm_is_torchs_in_value_and_gradient():
    draw = torch.Generator().manual_seed(0)
    rows, pull = torch.randn(9, 5, generator=draw) * 3 + 2, torch.randn(9, 5, generator=draw)
    outcomes = []
    for norm in (BatchNorm(5), nn.BatchNorm1d(5)):
        own, (gain, offset) = rows.clone().requires_grad_(), norm.parameters()
        with torch.no_grad():
            gain.copy_(torch.arange(1.0, 6.0))
            offset.fill_(0.5)
        seen = norm(own)
        seen.backward(pull)
        outcomes.append((seen, own.grad, gain.grad, offset.grad))
    for ours, theirs in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_one_row_is_refused():
    with pytest.raises(ConfigError, match="the batch is one row"):
        BatchNorm(3)(torch.ones(1, 3))


def test_a_head_keeps_no_statistics_and_bends_between_its_layers():
    torch.manual_seed(0)
    head, rows = Mlp(4, 8, 3), torch.randn(6, 4)
    assert [type(part).__name__ for part in head] == ["Linear", "BatchNorm", "ReLU"] * 2 + ["Linear"]
    assert not list(head.buffers())
    assert head(rows).shape == (6, 3)
    torch.testing.assert_close(head.eval()(rows), head.train()(rows))
    assert not torch.allclose(head(rows) + head(-rows), head(rows * 0) * 2, atol=1e-3)  # it is no linear map
    assert len(Mlp(4, 8, 3, layers=1)) == 1


def test_a_head_without_width_is_refused():
    with pytest.raises(ConfigError, match="hidden is 0"):
        Mlp(4, 0, 3)
