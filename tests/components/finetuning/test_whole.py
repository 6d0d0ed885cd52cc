"""Full tuning decays towards where it began."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from components.finetuning.whole import CAREFUL, Whole
from components.models.towers.image import ImageTower
from components.training.numbers import Optimisation
from components.training.param_groups import optimizer_of, param_groups


@pytest.fixture(params=["clip at debug", "vit_tiny"])
def model(request, clip) -> nn.Module:
    return clip.model if request.param == "clip at debug" else ImageTower("vit_tiny_patch16_224")


def treated(model: nn.Module, optimisation: Optimisation) -> dict[int, tuple[float, float, bool]]:
    """Rate, decay and whether Muon leaves it to AdamW, by tensor: a weight stays the same object when it is parametrized."""
    return {
        id(weight): (group["lr"], group["weight_decay"], group["use_fallback"])
        for group in param_groups(model, optimisation)
        for weight in group["params"]
    }


def test_with_no_gradient_a_weight_comes_back_to_where_it_began():
    """Moved away by one, it comes back by the rate times the pull at each step; a plain AdamW would go to nought."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    start, bias = model.weight.detach().clone(), model.bias.detach().clone()
    strategy = Whole(optimisation=Optimisation(lr=0.1, weight_decay=0.5))
    strategy.prepare(model).apply()
    gone = model.parametrizations.weight.original
    assert torch.equal(gone, torch.zeros_like(gone))
    with torch.no_grad():
        gone.fill_(1.0)
    optimizer = optimizer_of(model, strategy.optimisation)
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    torch.testing.assert_close(model.weight, start + 0.95**2)
    assert torch.equal(model.bias, bias), "gains and biases are not pulled"
    strategy.merge(model)
    torch.testing.assert_close(model.weight, start + 0.95**2)


def test_both_towers_train_and_batch_norms_stay(clip):
    freeze = Whole().prepare(clip.model)
    freeze.apply()
    trained = {name for name, parameter in clip.model.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[0] for name in trained} == {
        "image",
        "text",
        "image_projection",
        "text_projection",
        "logit_scale",
    }
    norms = [part for part in clip.model.modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms
    assert not any(part.training for part in norms)
    assert not any(parameter.requires_grad for part in norms for parameter in part.parameters())


def test_layers_near_the_pictures_go_slower_where_nothing_is_said():
    assert Whole().optimisation.layer_decay < 1


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_tensor_learns_as_fast_as_without_the_pull_and_tables_stay_tables(model, optimizer):
    optimisation = replace(CAREFUL, optimizer=optimizer)
    names = {id(weight): name for name, weight in model.named_parameters()}
    before = {names[key]: how for key, how in treated(model, optimisation).items()}
    Whole().prepare(model)
    assert {names[key]: how for key, how in treated(model, optimisation).items()} == before
    assert len(before) > 20


def test_positions_and_class_tokens_learn_slower_than_all_layers(clip):
    """One layer of text above its table, twelve blocks of pictures above theirs."""
    for model, layers, tables in (
        (clip.model, 1, ("text.position", "text.embedding.weight")),
        (ImageTower("vit_tiny_patch16_224"), 12, ("net.cls_token", "net.pos_embed")),
    ):
        weights = dict(model.named_parameters())
        Whole().prepare(model)
        rates = {key: rate for key, (rate, *_) in treated(model, CAREFUL).items()}
        for name in tables:
            assert rates[id(weights[name])] == pytest.approx(CAREFUL.lr * 0.75 ** (layers + 1)), name


def test_muon_leaves_tables_to_adamw(clip):
    tables = [id(clip.model.text.position), id(clip.model.text.embedding.weight)]
    Whole().prepare(clip.model)
    how = treated(clip.model, replace(CAREFUL, optimizer="muon"))
    assert all(is_left for _, _, is_left in map(how.get, tables))
