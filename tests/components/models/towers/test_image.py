"""The image tower is timm's network, with the normalisation inside."""

from copy import deepcopy

import pytest
import timm
import torch

from components.contracts.batch import Images, Texts
from components.contracts.errors import CapabilityError, ConfigError
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
    torch.testing.assert_close(tower(Images(pixels=pixels)).features, net(by_hand))
    assert tower.width == 24


@torch.no_grad()
def test_grey_is_zero_inside_by_default():
    tower = ImageTower("resnet18", SMALL).eval()
    grey = Images(pixels=torch.full((1, 3, 32, 32), 0.5))
    torch.testing.assert_close(tower(grey).features, tower.net(torch.zeros(1, 3, 32, 32)))


VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
SPREAD = [  # net, arguments, whether it is walked block by block
    ("vit_tiny_patch16_224", VIT, True),
    ("vit_base_patch16_siglip_224", VIT, True),
    ("vit_base_patch16_clip_224", VIT, True),
    ("resnet18", SMALL, True),
    ("convnext_atto", {"depths": [1, 2, 1, 1], "dims": [8, 8, 16, 24]}, True),
    ("swin_tiny_patch4_window7_224", {"img_size": 32, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 4}, True),
    ("mobilenetv3_small_050", {}, True),
    ("mnasnet_small", {}, True),
    ("regnetx_002", {}, True),
    ("mixer_s32_224", {"img_size": 32}, True),
    ("poolformerv2_s12", {}, True),
    ("eva02_tiny_patch14_224", VIT, False),
    ("pvt_v2_b0", {"depths": [1, 1, 1, 1]}, False),
]  # fmt: skip


@pytest.mark.parametrize(("net", "arguments", "opened"), SPREAD, ids=[net for net, _, _ in SPREAD])
@torch.no_grad()
def test_walking_the_blocks_is_timms_forward(net, arguments, opened, pixels):
    torch.manual_seed(0)
    tower, rows = ImageTower(net, arguments).eval(), Images(pixels=pixels)
    peer = tower.net.forward_features((pixels - 0.5) / 0.25)
    tokens = tower.stem(rows)
    for block in tower.blocks:
        tokens = block(tokens)
    seen = tower.finish(tokens)
    by_timm = tower.net((pixels - 0.5) / 0.25)
    torch.testing.assert_close(seen.features, by_timm, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(tower(rows).features, by_timm, rtol=1e-5, atol=1e-5)
    assert seen.features.shape == (3, tower.width)
    flat = peer.permute(0, 2, 3, 1) if peer.ndim == 4 and "swin" not in net else peer
    flat = flat.flatten(1, 2) if peer.ndim == 4 else flat[:, getattr(tower.net, "num_prefix_tokens", 0) :]
    torch.testing.assert_close(seen.tokens, flat, rtol=1e-5, atol=1e-5)
    assert seen.grid[0] * seen.grid[1] == seen.tokens.shape[1]
    assert (len(tower.blocks) > 1) == opened


@pytest.mark.parametrize(("net", "arguments", "opened"), SPREAD, ids=[net for net, _, _ in SPREAD])
@torch.no_grad()
def test_every_hook_gives_what_its_name_says(net, arguments, opened, pixels):
    tower, rows = ImageTower(net, arguments).eval(), Images(pixels=pixels)
    seen = tower(rows, ("tokens", *tower.hooks))
    assert set(seen.hooks) == set(tower.hooks)
    torch.testing.assert_close(seen.features, tower(rows).features, rtol=1e-5, atol=1e-5)
    levels = [seen.hooks[name] for name in tower.hooks if name.startswith("level")]
    assert levels
    assert all(level.ndim == 4 and len(level) == 3 for level in levels)
    assert [level.shape[2] for level in levels] == sorted((level.shape[2] for level in levels), reverse=True)
    assert any(name.startswith("block") for name in tower.hooks) == opened


@torch.no_grad()
def test_a_transformers_levels_are_its_patches_in_their_grid(pixels):
    seen = ImageTower("vit_tiny_patch16_224", VIT).eval()(Images(pixels=pixels), ("block0", "level0"))
    assert seen.hooks["block0"].shape == (3, 17, 24)
    assert torch.equal(seen.hooks["level0"][1, :, 2, 3], seen.hooks["block0"][1, 1 + 2 * 4 + 3])


@torch.no_grad()
def test_attention_is_seen_where_asked_for_and_changes_nothing(pixels):
    tower, rows = ImageTower("vit_tiny_patch16_224", VIT).eval(), Images(pixels=pixels)
    seen = tower(rows, ("attention1", "block0"))
    block = tower.net.blocks[1]
    query, key, _ = block.attn.qkv(block.norm1(seen.hooks["block0"])).reshape(3, 17, 3, 2, 12).permute(2, 0, 3, 1, 4)
    torch.testing.assert_close(seen.hooks["attention1"], (query @ key.transpose(-1, -2) / 12**0.5).softmax(-1))
    assert set(seen.hooks) == {"attention1", "block0"}
    assert all(part.attn.fused_attn and not part.attn.attn_drop._forward_pre_hooks for part in tower.net.blocks)


def test_a_hook_that_is_not_there_is_refused_with_those_that_are(pixels):
    with pytest.raises(
        CapabilityError, match=r"has no attention0, block9 .*There is tokens, block0 to block3, level0 to level3\."
    ):
        ImageTower("resnet18", SMALL)(Images(pixels=pixels), ("attention0", "block9", "level1"))


@pytest.mark.parametrize(("net", "arguments", "opened"), [SPREAD[0], SPREAD[3], SPREAD[-1]])
def test_a_copy_is_walked_with_its_own_weights(net, arguments, opened, pixels):
    tower = ImageTower(net, arguments).eval()
    twin = deepcopy(tower)
    for parameter in twin.parameters():
        torch.nn.init.zeros_(parameter)
    rows = Images(pixels=pixels)
    assert not twin(rows, ("tokens",)).features.any()
    assert tower(rows, ("tokens",)).features.any()


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
