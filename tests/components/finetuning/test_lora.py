"""Corrections of low rank: nothing at the start, of the rank that was asked for, and taken up whole."""

import pytest
import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.lora import Lora, LowRank


def test_a_correction_is_nothing_at_the_start_and_what_the_paper_says_after_it():
    weight = torch.randn(5, 7)
    low = LowRank(weight, rank=2, scale=16 / 2)
    assert torch.equal(low(weight), weight)
    with torch.no_grad():
        low.up.copy_(torch.randn(5, 2))
    torch.testing.assert_close(low(weight), weight + 8 * low.up @ low.down)
    assert torch.linalg.matrix_rank(low(weight) - weight) == 2


def test_value_and_gradients_are_those_of_two_maps_beside_the_first():
    """As peft computes it: y = W x + alpha/r B (A x)."""
    torch.manual_seed(0)
    layer, rows = nn.Linear(7, 5), torch.randn(3, 7)
    down, up = torch.randn(2, 7, requires_grad=True), torch.randn(5, 2, requires_grad=True)
    theirs = layer(rows) + 8 * (rows @ down.T) @ up.T
    theirs.square().sum().backward()
    whole = nn.ModuleDict({"text": layer, "logit_scale": nn.Linear(1, 1)})
    strategy = Lora(rank=2, alpha=16, towers=("text",))
    strategy.prepare(whole)
    correction = layer.parametrizations.weight[0]
    with torch.no_grad():
        correction.down.copy_(down)
        correction.up.copy_(up)
    ours = layer(rows)
    torch.testing.assert_close(ours, theirs)
    ours.square().sum().backward()
    torch.testing.assert_close(correction.down.grad, down.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(correction.up.grad, up.grad, rtol=1e-4, atol=1e-4)
    strategy.merge(whole)
    torch.testing.assert_close(layer(rows), theirs)
    assert set(dict(layer.named_parameters())) == {"weight", "bias"}


def test_what_trains_is_the_corrections_and_the_scale_and_few_numbers(clip):
    model = clip.model
    weights = sum(parameter.numel() for parameter in model.parameters())
    freeze = Lora(rank=1, towers=("text.*",)).prepare(model)
    freeze.apply()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(name.startswith(("text.", "logit_")) for name in trained)
    assert all(".0.down" in name or ".0.up" in name or name.startswith("logit_") for name in trained)
    assert sum(dict(model.named_parameters())[name].numel() for name in trained) < weights / 50


def test_a_rank_is_no_higher_than_a_map_allows():
    whole = nn.ModuleDict({"a": nn.Linear(3, 9), "logit_scale": nn.Linear(1, 1)})
    Lora(rank=8, towers=("a",)).prepare(whole)
    assert whole["a"].parametrizations.weight[0].down.shape == (3, 3)


def test_what_a_correction_begins_with_follows_from_the_weight_and_not_from_what_was_drawn():
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    first = LowRank(weight, rank=2, scale=1.0).down
    torch.rand(3)
    assert torch.equal(LowRank(weight, rank=2, scale=1.0).down, first)
    assert not torch.equal(LowRank(weight + 1, rank=2, scale=1.0).down, first)


@pytest.mark.parametrize("given", [{"rank": 0}, {"alpha": 0.0}, {"alpha": -1.0}])
def test_numbers_that_make_no_sense_are_refused(given):
    with pytest.raises(ConfigError, match="one rank at least"):
        Lora(**given)


def test_towers_that_are_not_there_are_refused(clip):
    with pytest.raises(ConfigError, match="no linear map of DualEncoder has such a name"):
        Lora(towers=("audio.*",)).prepare(clip.model)
