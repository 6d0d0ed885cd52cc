"""A locked tower: no gradient, the same in training and in evaluation, and not a bit of it moves."""

import pytest
import torch

from components.contracts.batch import Images
from components.finetuning.freeze import Freeze
from components.models.towers.image import ImageTower
from components.models.towers.locked import LockedTower
from tests.exported_tower import check_exported

IMAGES = Images(pixels=torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def net() -> ImageTower:
    """A network with batch norm and with a path that is dropped in training."""
    torch.manual_seed(0)
    return ImageTower("resnet18", {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16], "drop_path_rate": 0.5})


def test_it_says_the_same_in_training_and_in_evaluation_and_no_gradient_goes_through(net):
    locked = LockedTower(net)
    training = locked.train()(IMAGES, ("tokens", "level1"))
    assert not training.features.requires_grad
    evaluated = locked.eval()(IMAGES, ("tokens", "level1"))
    assert torch.equal(training.features, evaluated.features)
    assert torch.equal(training.tokens, evaluated.tokens)
    assert torch.equal(training.hooks["level1"], evaluated.hooks["level1"])
    assert not any(part.training for part in locked.train().tower.modules())


def test_what_learns_behind_it_moves_no_weight_and_no_statistic_of_it(net):
    model = torch.nn.ModuleDict({"tower": LockedTower(net), "head": torch.nn.Linear(net.width, 2)}).train()
    freeze = Freeze(model, ("head.*",))
    before = freeze.digest()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=0.1)
    for _ in range(3):
        model["head"](model["tower"](IMAGES).features).square().sum().backward()
        optimizer.step()
    assert freeze.digest() == before
    assert all(weight.grad is None and not weight.requires_grad for weight in model["tower"].parameters())


def test_unlocked_it_is_the_tower(net):
    unlocked = LockedTower(net, locked=False).train()
    assert net.training
    torch.manual_seed(3)
    said = unlocked(IMAGES).features
    assert said.requires_grad
    torch.manual_seed(3)
    torch.testing.assert_close(said, net(IMAGES).features)
    said.sum().backward()
    assert any(bool(weight.grad.any()) for weight in net.parameters())


def test_it_has_the_hooks_and_the_stem_of_the_tower(net):
    locked = LockedTower(net)
    assert locked.hooks == net.hooks
    assert torch.equal(locked.stem(IMAGES), net.stem(IMAGES))


def test_exported_it_answers_the_same_for_any_number_of_pictures(net, tmp_path):
    check_exported(LockedTower(net), IMAGES, tmp_path)
