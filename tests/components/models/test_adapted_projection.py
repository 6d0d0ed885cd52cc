"""The adapted projection is the paper's formula, and at the start points where the projection points."""

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.finetuning.feature_adapter import behind
from components.models.adapted_projection import AdaptedProjection
from components.models.projection import Projection


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def test_it_is_the_papers_formula_value_and_gradients(rows):
    torch.manual_seed(1)
    adapted = AdaptedProjection(6, 4, hidden=3, ratio=0.3)
    torch.nn.init.normal_(adapted.up.weight)
    weights = [part.weight.detach().clone().requires_grad_(True) for part in (adapted.linear, adapted.down, adapted.up)]
    seen = rows @ weights[0].T
    by_hand = 0.3 * ((seen @ weights[1].T).clamp(min=0) @ weights[2].T) + 0.7 * seen
    ours = adapted(rows)
    torch.testing.assert_close(ours, by_hand)
    ours.square().sum().backward()
    by_hand.square().sum().backward()
    for part, theirs in zip((adapted.linear, adapted.down, adapted.up), weights, strict=True):
        torch.testing.assert_close(part.weight.grad, theirs.grad)


@pytest.mark.parametrize("kind", ["linear", "affine", "none"])
def test_it_begins_where_the_projection_points_and_is_the_same_twice(rows, kind):
    torch.manual_seed(1)
    its = Projection(6, 6 if kind == "none" else 4, kind)
    one = behind(its, 2, 0.2)
    torch.rand(3)
    two = behind(its, 2, 0.2)
    torch.testing.assert_close(normalize(one(rows), dim=-1), normalize(its(rows), dim=-1))
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())
    assert one.plain().state_dict().keys() == its.state_dict().keys()
    assert torch.equal(one.plain()(rows), its(rows))


@pytest.mark.parametrize("given", [{"hidden": 0}, {"ratio": -0.1}, {"ratio": 1.1}])
def test_numbers_out_of_range_are_refused(given):
    with pytest.raises(ConfigError, match="a bottleneck has a width"):
        AdaptedProjection(6, 4, **given)
