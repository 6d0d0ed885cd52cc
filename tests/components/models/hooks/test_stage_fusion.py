"""A picture added to the tokens of a text: where, how much, and that nothing else changes (seed 52, property 5)."""

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.batch import Texts
from components.contracts.errors import ConfigError
from components.models.hooks.stage_fusion import StageFusion
from components.models.towers.text import TextTower

ROWS, LENGTH, WIDTH, SHARED = 3, 5, 16, 6
TEXTS = Texts(ids=torch.arange(1, 16).reshape(ROWS, LENGTH), mask=torch.ones(ROWS, LENGTH, dtype=torch.bool))


@pytest.fixture
def tower() -> TextTower:
    torch.manual_seed(0)
    return TextTower(20, LENGTH, width=WIDTH, depth=3, heads=4).eval()


@pytest.mark.parametrize(("depth", "after"), [(1, ["0"]), (2, ["1"]), (3, ["0", "2"]), (8, ["1", "3", "5", "7"])])
def test_it_fuses_after_every_second_block_and_the_last(depth, after):
    assert list(StageFusion(depth, WIDTH, SHARED).maps) == after


def test_what_follows_a_block_is_the_token_and_a_map_of_the_picture(tower):
    fusion, image = StageFusion(3, WIDTH, SHARED, after=[1]), torch.randn(ROWS, SHARED)
    seen = tower(TEXTS, ("block0", "block1", "block2"), inject=fusion.of(image))
    plain = tower(TEXTS, ("block0", "block1"))
    for name in ("block0", "block1"):  # what the blocks gave before anything is added
        assert torch.equal(seen.hooks[name], plain.hooks[name])
    added = fusion.maps["1"](normalize(image, dim=1))[:, None]
    wanted = tower.blocks[2](plain.hooks["block1"] + added, tower.visible(TEXTS.mask))
    torch.testing.assert_close(seen.hooks["block2"], wanted)


def test_a_gradient_reaches_the_picture_only_where_it_is_fused(tower):
    image = torch.randn(ROWS, SHARED, requires_grad=True)
    tower(TEXTS, inject=StageFusion(3, WIDTH, SHARED).of(image)).features.square().sum().backward()
    assert image.grad.abs().sum(1).gt(0).all()
    off = StageFusion(3, WIDTH, SHARED, after=[])
    assert torch.equal(tower(TEXTS, inject=off.of(image)).features, tower(TEXTS).features)
    assert list(off.parameters()) == []


def test_a_block_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"fuse_after is \[3\].*blocks 0 to 2"):
        StageFusion(3, WIDTH, SHARED, after=[3])
