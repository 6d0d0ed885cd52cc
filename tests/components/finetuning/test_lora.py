"""Corrections of low rank: nothing at the start, of the rank that was asked for, and taken up whole."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.lora import Lora, LowRank

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/lora.json").read_text())


def test_a_correction_is_nothing_at_the_start_and_what_the_paper_says_after_it():
    weight = torch.randn(5, 7)
    low = LowRank(weight, rank=2, scale=16 / 2)
    assert torch.equal(low(weight), weight)
    with torch.no_grad():
        low.up.copy_(torch.randn(5, 2))
    torch.testing.assert_close(low(weight), weight + 8 * low.up @ low.down)
    assert torch.linalg.matrix_rank(low(weight) - weight) == 2


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"rank {case['rank']}")
def test_value_gradients_and_what_is_taken_up_are_pefts(case):
    """float32, where the peer adds in another order: 1e-5."""
    given = {name: torch.tensor(value) for name, value in case["given"].items()}
    layer, rows = nn.Linear(*reversed(given["weight"].shape)), torch.tensor(case["rows"])
    layer.load_state_dict({name: given[name] for name in ("weight", "bias")})
    whole = nn.ModuleDict({"text": layer, "logit_scale": nn.Linear(1, 1)})
    strategy = Lora(rank=case["rank"], alpha=case["alpha"], towers=("text",))
    strategy.prepare(whole)
    correction = layer.parametrizations.weight[0]
    assert correction.up.abs().max().item() == case["up_at_start"] == 0
    with torch.no_grad():
        correction.down.copy_(given["down"])
        correction.up.copy_(given["up"])
    value = layer(rows)
    torch.testing.assert_close(value, torch.tensor(case["value"]), rtol=1e-5, atol=1e-5)
    value.square().sum().backward()
    for name, theirs in case["gradients"].items():
        torch.testing.assert_close(getattr(correction, name).grad, torch.tensor(theirs), rtol=1e-5, atol=1e-4)
    strategy.merge(whole)
    torch.testing.assert_close(layer.weight, torch.tensor(case["merged"]), rtol=1e-5, atol=1e-5)
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
