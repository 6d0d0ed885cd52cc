"""Full tuning decays towards where it began."""

import torch
from torch import nn

from components.finetuning.whole import Whole
from components.training.numbers import Optimisation
from components.training.param_groups import optimizer_of


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
