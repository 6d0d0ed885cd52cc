"""A guided tower: the plain one without rounds, a prior that never moves, and the same answers when it is exported."""

import pytest
import torch
from torch import nn

from components.contracts.batch import Images
from components.contracts.errors import CapabilityError, ConfigError
from components.models.towers.image import ImageTower
from components.models.towers.prior_guided import PriorGuided
from tests.components.training.gathering import Pixels
from tests.exported_tower import check_exported

IMAGES = Images(pixels=torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def towers() -> tuple[ImageTower, ImageTower]:
    torch.manual_seed(0)
    net = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}
    return ImageTower("resnet18", {**net, "output_stride": 8}), ImageTower("resnet18", net)


@pytest.fixture
def guided(towers) -> PriorGuided:
    torch.manual_seed(1)
    return PriorGuided(*towers, depth=1, heads=2)


def test_without_rounds_it_is_the_tower(towers):
    plain = PriorGuided(*towers, depth=0, keep=1.0).eval()
    assert torch.equal(plain(IMAGES).features, towers[0].eval()(IMAGES).features)
    assert plain(IMAGES).tokens is None


def test_what_a_round_adds_is_of_the_prior_and_tokens_stay_the_towers(guided):
    guided.eval()
    seen, plain = guided(IMAGES, ("tokens", "level0")), guided.tower(IMAGES, ("tokens",))
    assert torch.equal(seen.tokens, plain.tokens)
    assert (seen.grid, set(seen.hooks)) == ((4, 4), {"level0"})
    assert not torch.allclose(seen.features, plain.features)
    nn.init.normal_(guided.prior.tower.net.conv1.weight)
    assert not torch.allclose(guided(IMAGES).features, seen.features)


def test_the_prior_has_no_gradient_and_its_statistics_stay(guided):
    guided.train()
    before = {name: value.clone() for name, value in guided.prior.state_dict().items()}
    guided(IMAGES).features.square().sum().backward()
    assert all(weight.grad is None and not weight.requires_grad for weight in guided.prior.parameters())
    assert all(torch.equal(value, before[name]) for name, value in guided.prior.state_dict().items())
    assert [name for name, p in guided.named_parameters() if p.requires_grad and p.grad is None] == []


def test_exported_it_answers_the_same_for_any_number_of_pictures(guided, tmp_path):
    check_exported(guided, IMAGES, tmp_path)


def test_what_cannot_be_is_refused(towers):
    for numbers in ({"keep": 0.0}, {"keep": 1.5}, {"depth": -1}):
        with pytest.raises(ConfigError, match="Give 0 rounds or more, and a share"):
            PriorGuided(*towers, **numbers)
    with pytest.raises(CapabilityError, match="no tokens as wide as its vector"):
        PriorGuided(Pixels(), towers[1], heads=2)(Images(pixels=torch.rand(2, 3, 2, 2)))
