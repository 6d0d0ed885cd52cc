"""Prompts are attended to as often as their ratio says, and no level, token or grid has them."""

import pytest
import torch

from components.contracts.batch import Images
from components.contracts.errors import ConfigError
from components.finetuning.image_prompt import prompted
from components.models.towers.image import ImageTower
from components.models.towers.prompted import PromptedImageTower

VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}


@pytest.fixture
def images() -> Images:
    return Images(pixels=torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))


def tower(net: str = "vit_tiny_patch16_224", prompts: int = 3) -> PromptedImageTower:
    torch.manual_seed(0)
    made = prompted(ImageTower(net, VIT).eval(), prompts)
    made.prompt.data *= 10
    return made


@torch.no_grad()
def test_one_prompt_that_counts_twice_is_two_prompts_that_are_alike(images):
    """A ratio of 1/2 halves each weight in the softmax: two alike at 1/2 are one at 1."""
    one, two = tower(prompts=1), tower(prompts=2)
    two.prompt.data = one.prompt.data.repeat(1, 2, 1)
    two.ratio.fill_(0.5)
    torch.testing.assert_close(two(images).features, one(images).features)
    two.ratio.fill_(1.0)
    assert not torch.allclose(two(images).features, one(images).features, atol=1e-5)


@torch.no_grad()
def test_attention_is_the_softmax_by_hand(images):
    made = tower()
    made.ratio.fill_(0.25)
    seen = made(images, ["attention0"]).hooks["attention0"]
    first = made.net.blocks[0]
    tokens = torch.cat([made.prompt.expand(2, -1, -1), made.stem(images)], 1)
    q, k, _ = first.attn.qkv(first.norm1(tokens)).reshape(2, tokens.shape[1], 3, 2, 12).permute(2, 0, 3, 1, 4)
    powers = (q @ k.transpose(-2, -1) / 12**0.5).exp()
    powers[..., :3] *= 0.25
    torch.testing.assert_close(seen, powers / powers.sum(-1, keepdim=True))


@pytest.mark.parametrize("net", ["vit_tiny_patch16_224", "vit_base_patch16_siglip_224", "vit_base_patch16_clip_224"])
@torch.no_grad()
def test_no_token_grid_or_level_has_the_prompts(net, images):
    made = tower(net)
    plain = made.plain()
    ours, theirs = made(images, ["tokens", "level1", "block0"]), plain(images, ["tokens", "level1", "block0"])
    assert ours.tokens.shape == theirs.tokens.shape
    assert ours.grid == theirs.grid == (4, 4)
    assert ours.hooks["level1"].shape == theirs.hooks["level1"].shape
    assert not torch.allclose(ours.features, theirs.features, atol=1e-5)
    torch.testing.assert_close(made(images).features, ours.features)
    made.ratio.fill_(0.0)
    torch.testing.assert_close(made(images).features, plain(images).features)


def test_a_network_without_attention_is_refused():
    with pytest.raises(ConfigError, match="no blocks that all attend to all tokens"):
        PromptedImageTower("resnet18", {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24]})
    with pytest.raises(ConfigError, match="there is one at least"):
        PromptedImageTower("vit_tiny_patch16_224", VIT, prompts=0)
