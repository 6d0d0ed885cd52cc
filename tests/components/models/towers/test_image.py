"""The image tower is timm's network, with the normalisation inside."""

import pytest
import timm
import torch

from components.contracts.batch import Images, Texts
from components.contracts.errors import ConfigError
from components.models.towers.image import ImageTower

SMALL = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24]}


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_it_is_timms_network_on_normalised_pixels(pixels):
    torch.manual_seed(1)
    tower = ImageTower("resnet18", SMALL, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)).eval()
    torch.manual_seed(1)
    net = timm.create_model("resnet18", pretrained=False, num_classes=0, **SMALL).eval()
    by_hand = torch.stack([(pixels[:, c] - m) / s for c, (m, s) in enumerate([(0.1, 0.5), (0.2, 0.6), (0.3, 0.7)])], 1)
    torch.testing.assert_close(tower(Images(pixels=pixels)), net(by_hand))
    assert tower.width == 24


@torch.no_grad()
def test_grey_is_zero_inside_by_default():
    tower = ImageTower("resnet18", SMALL).eval()
    grey = Images(pixels=torch.full((1, 3, 32, 32), 0.5))
    torch.testing.assert_close(tower(grey), tower.net(torch.zeros(1, 3, 32, 32)))


@pytest.mark.parametrize(
    ("net", "arguments", "width"),
    [("vit_tiny_patch16_224", {"img_size": 32, "depth": 1}, 192), ("convnext_atto", {"depths": [1, 1, 1, 1]}, 320)],
)
@torch.no_grad()
def test_networks_of_other_families_fit(net, arguments, width, pixels):
    tower = ImageTower(net, arguments).eval()
    assert tower(Images(pixels=pixels)).shape == (3, width) == (3, tower.width)


def test_mean_and_deviation_are_the_recipes_and_no_weights():
    assert not {"mean", "std"} & set(ImageTower("resnet18", SMALL).state_dict())


@pytest.mark.parametrize(("net", "near"), [("resnet81", "resnet18"), ("vit_tiny_patch16_242", "vit_tiny_patch16_224")])
def test_a_network_that_timm_has_not_is_refused_with_near_names(net, near):
    with pytest.raises(ConfigError, match=rf"cannot build the image network '{net}'.*\(.*\b{near}\b.*\)"):
        ImageTower(net)


def test_an_argument_that_the_network_has_not_is_refused():
    with pytest.raises(ConfigError, match="layerz"):
        ImageTower("resnet18", {"layerz": [1, 1, 1, 1]})


def test_texts_are_not_pictures():
    with pytest.raises(AssertionError, match="handed texts"):
        ImageTower("resnet18", SMALL)(Texts(ids=torch.ones(1, 4).long(), mask=torch.ones(1, 4).bool()))
