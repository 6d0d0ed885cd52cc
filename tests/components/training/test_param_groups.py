"""Who learns how fast: all alike, by layer, and by name."""

import pytest
import timm
import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.models.dual_encoder import DualEncoder
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.training.numbers import Optimisation
from components.training.param_groups import layers_above, optimizer_of, param_groups


class Tower(nn.Module):
    """A stem, two numbered layers and a norm, beside a head that belongs to no tower."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.ModuleDict({"stem": nn.Linear(2, 2), "blocks": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})
        self.net["norm"] = nn.LayerNorm(2)
        self.head = nn.Linear(2, 2, bias=False)


def numbers(**more) -> Optimisation:
    return Optimisation(lr=0.1, weight_decay=0.2, **more)


def rates(module: nn.Module, optimisation: Optimisation) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {names[id(p)]: group["lr"] for group in param_groups(module, optimisation) for p in group["params"]}


def test_where_all_are_alike_there_are_three_groups():
    groups = param_groups(Tower(), numbers(optimizer="muon"))
    assert [(group["weight_decay"], group["use_fallback"], group["lr"]) for group in groups] == [
        (0.2, False, 0.1), (0.2, True, 0.05), (0.0, True, 0.05),
    ]  # fmt: skip


def test_what_is_in_a_tower_and_what_is_not_are_never_in_one_group():
    """Ranks may split the former, and no list that is stepped at once may have both; a scalar cannot be split."""
    text = TextTower(vocabulary=9, context=4, width=4, depth=1, heads=1)
    model = DualEncoder(ImageTower("resnet18", {"layers": [1] * 4, "channels": [4] * 4}), text, width=4)
    inside = {id(weight) for tower in (model.image, model.text) for weight in tower.parameters()}
    groups = [[id(weight) in inside for weight in group["params"]] for group in param_groups(model, numbers())]
    assert [set(group) for group in groups] == [{True}, {False}, {True}, {True}, {False}]
    assert sum(map(len, groups)) == len(list(model.parameters()))


def test_a_layer_learns_slower_than_the_one_above_it():
    given = rates(Tower(), numbers(layer_decay=0.5))
    assert given["net.blocks.1.weight"] == pytest.approx(0.05)
    assert given["net.blocks.0.weight"] == pytest.approx(0.025)
    assert given["net.stem.weight"] == given["net.stem.bias"] == pytest.approx(0.0125)
    assert given["net.norm.weight"] == given["head.weight"] == pytest.approx(0.1)


def test_the_first_pattern_that_fits_says_the_share():
    given = rates(Tower(), numbers(rates={"net.blocks.*": 0.1, "net.*": 0.0}))
    assert given["net.blocks.0.weight"] == pytest.approx(0.01)
    assert given["net.stem.weight"] == 0.0
    assert given["head.weight"] == pytest.approx(0.1)


def test_a_pattern_that_names_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"rates has 'visual\.\*', which names none of the 9 parameters"):
        param_groups(Tower(), numbers(rates={"visual.*": 0.1}))


@pytest.mark.parametrize("net", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_the_layers_of_timms_nets_are_found(net):
    above = layers_above([f"image.net.{name}" for name, _ in timm.create_model(net, num_classes=0).named_parameters()])
    lowest, *_, highest = above.values()
    assert lowest == max(above.values()) >= 5, "four stages, or twelve blocks, and a stem"
    assert highest <= 1


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_what_has_no_rate_does_not_move(optimizer):
    module = Tower()
    stem, block = module.net["stem"].weight.detach().clone(), module.net["blocks"][0].weight.detach().clone()
    stepped = optimizer_of(module, numbers(optimizer=optimizer, rates={"net.stem.*": 0.0}))
    rows = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    module.head(module.net["norm"](module.net["blocks"][0](module.net["stem"](rows)))).square().sum().backward()
    stepped.step()
    assert torch.equal(module.net["stem"].weight, stem)
    assert not torch.equal(module.net["blocks"][0].weight, block)
