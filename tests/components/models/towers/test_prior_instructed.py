"""An instructed tower: its vector is the instruction's, its tokens the picture's, and a prior never moves."""

import pytest
import torch
from torch import nn

from components.contracts.batch import Images
from components.contracts.errors import CapabilityError, ConfigError
from components.models.belief_weights import weighed
from components.models.towers.image import ImageTower
from components.models.towers.prior_instructed import PriorInstructed
from tests.exported_tower import check_exported

IMAGES = Images(pixels=torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
NETS = {
    "token": ("vit_base_patch16_clip_224", SIZES),
    "mean": ("vit_tiny_patch16_224", {**SIZES, "global_pool": "avg", "class_token": False}),
}


def prior() -> ImageTower:
    torch.manual_seed(0)
    return ImageTower("resnet18", {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]})


@pytest.fixture(params=NETS)
def instructed(request) -> PriorInstructed:
    made = prior()
    return PriorInstructed(ImageTower(*NETS[request.param]), made)


@torch.no_grad()
def test_where_blocks_do_nothing_the_vector_is_what_the_prior_said_and_tokens_are_what_weighs(instructed):
    """Both as the network's last norm leaves them."""
    instructed.eval()
    net = instructed.tower.net
    net.blocks = nn.Sequential(nn.Identity())
    said, weighs = instructed.instruction(IMAGES), instructed.stem(IMAGES)[:, 1:]
    seen = instructed(IMAGES, ("tokens", "level0"))
    torch.testing.assert_close(seen.features, net.fc_norm(net.norm(said[:, 0])))
    torch.testing.assert_close(weighs, weighed(instructed.tower.stem(IMAGES), said))
    patches = weighs[:, net.num_prefix_tokens :]
    torch.testing.assert_close(seen.tokens, net.norm(patches))
    torch.testing.assert_close(seen.hooks["level0"].flatten(2).transpose(1, 2), patches)


@torch.no_grad()
def test_what_is_looked_at_beside_has_the_instruction_first_but_for_tokens_and_levels(instructed):
    instructed.eval()
    count = 1 + instructed.tower.net.num_prefix_tokens + 16
    seen = instructed(IMAGES, ("tokens", "block0", "level1", "attention1"))
    assert {name: tuple(hook.shape) for name, hook in seen.hooks.items()} == {
        "block0": (3, count, 24), "level1": (3, 24, 4, 4), "attention1": (3, 2, count, count),
    }  # fmt: skip
    assert (seen.tokens.shape, seen.grid) == ((3, 16, 24), (4, 4))
    torch.testing.assert_close(seen.features, instructed(IMAGES).features)
    with pytest.raises(CapabilityError, match="has no block2 to give"):
        instructed(IMAGES, ("block2",))


@torch.no_grad()
def test_it_follows_the_prior_and_the_picture(instructed):
    instructed.eval()
    before = instructed(IMAGES).features
    other = Images(pixels=IMAGES.pixels.flip(0))
    torch.testing.assert_close(instructed(other).features, before.flip(0))
    assert (before[0] - before[1]).abs().max() > 1e-3
    nn.init.normal_(instructed.prior.tower.net.conv1.weight)
    assert (instructed(IMAGES).features - before).abs().max() > 1e-3


def test_the_prior_has_no_gradient_and_its_statistics_stay_and_all_else_learns(instructed):
    instructed.train()
    before = {name: value.clone() for name, value in instructed.prior.state_dict().items()}
    (instructed(IMAGES).features * torch.linspace(0, 1, 24)).square().sum().backward()
    assert all(weight.grad is None and not weight.requires_grad for weight in instructed.prior.parameters())
    assert all(torch.equal(value, before[name]) for name, value in instructed.prior.state_dict().items())
    learns = {name: weight for name, weight in instructed.named_parameters() if weight.requires_grad}
    assert [name for name, weight in learns.items() if weight.grad is None or not weight.grad.any()] == []


def test_exported_it_answers_the_same_for_any_number_of_pictures(instructed, tmp_path):
    check_exported(instructed, IMAGES, tmp_path)


REFUSED = {
    "resnet18": {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]},
    "swin_tiny_patch4_window7_224": {"img_size": 32, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 4},
    "vit_base_patch16_siglip_224": SIZES,
}  # fmt: skip


@pytest.mark.parametrize("net", REFUSED)
def test_a_network_without_a_place_for_it_is_refused(net):
    with pytest.raises(ConfigError, match=f"{net} takes no token before its own, or pools by attention"):
        PriorInstructed(ImageTower(net, REFUSED[net]), prior())
