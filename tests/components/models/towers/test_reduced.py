"""A tower of few tokens: their mean is its vector, and without a reduction it is the tower."""

import pytest
import torch

from components.contracts.batch import Images
from components.contracts.errors import CapabilityError
from components.models.towers.image import ImageTower
from components.models.towers.locked import LockedTower
from components.models.towers.reduced import ReducedTower
from tests.components.training.gathering import Pixels
from tests.exported_tower import check_exported

IMAGES = Images(pixels=torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def net() -> ImageTower:
    torch.manual_seed(0)
    return ImageTower("resnet18", {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16], "output_stride": 8})


@pytest.fixture
def reduced(net) -> ReducedTower:
    torch.manual_seed(1)
    return ReducedTower(net, tokens=4).eval()


def test_its_vector_is_the_mean_of_the_few_tokens_which_lie_in_no_grid(reduced):
    seen = reduced(IMAGES, ("tokens",))
    assert seen.tokens.shape == (3, 4, 16)
    assert seen.grid is None
    torch.testing.assert_close(seen.features, seen.tokens.mean(1))
    torch.testing.assert_close(seen.tokens, reduced.learner(reduced.tower(IMAGES, ("tokens",)).tokens))
    plain = reduced(IMAGES)
    assert plain.tokens is None
    torch.testing.assert_close(plain.features, seen.features)


def test_hooks_are_those_of_the_tower_with_all_its_places(reduced, net):
    assert reduced.hooks == net.hooks
    assert reduced(IMAGES, ("level3",)).hooks["level3"].shape == (3, 16, 4, 4)
    assert torch.equal(reduced.stem(IMAGES), net.stem(IMAGES))


def test_with_no_tokens_to_be_left_it_is_the_tower(net):
    plain = ReducedTower(net, tokens=0).eval()
    seen, wanted = plain(IMAGES, ("tokens",)), net(IMAGES, ("tokens",))
    assert torch.equal(seen.tokens, wanted.tokens)
    assert (seen.grid, wanted.grid) == ((4, 4), (4, 4))


def test_behind_a_locked_tower_the_reduction_learns_and_nothing_else(net):
    tower = ReducedTower(LockedTower(net), tokens=4).train()
    tower(IMAGES).features.square().sum().backward()
    learns = {name for name, weight in tower.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert learns == {f"learner.{name}" for name, _ in tower.learner.named_parameters()}


def test_exported_it_answers_the_same_for_any_number_of_pictures(reduced, tmp_path):
    check_exported(reduced, IMAGES, tmp_path)


def test_a_tower_without_tokens_is_refused():
    with pytest.raises(CapabilityError, match="no tokens as wide as its vector"):
        ReducedTower(Pixels(), tokens=2, groups=1)(Images(pixels=torch.rand(2, 3, 2, 2)))
