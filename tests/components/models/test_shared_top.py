"""Blocks that both towers share: there once, learnt from both sides, and nothing else than a DualEncoder where there are none."""

import pytest
import torch

from components.contracts.batch import Images
from components.contracts.encoded import TOKENS
from components.contracts.errors import CapabilityError, ConfigError
from components.models.dual_encoder import DualEncoder
from components.models.shared_top import SharedTop
from components.recipes.section import build
from components.recipes.yaml_lines import overlay
from components.serving.export import export
from tests.squares import described_at_debug


def model(vocabulary, shared=1, seed=0, **more):
    torch.manual_seed(seed)
    return build(
        overlay(described_at_debug(vocabulary, "growclip"), {"init_args": {"shared": shared, **more}}), DualEncoder
    )


@pytest.fixture
def rows(vocabulary):
    return Images(pixels=torch.rand(3, 3, 32, 32)), vocabulary(["a red square", "green", "at the left"])


def test_without_shared_blocks_it_is_a_dual_encoder(vocabulary, rows):
    plain = described_at_debug(vocabulary, "growclip") | {"class_path": "components.models.dual_encoder.DualEncoder"}
    for name in ("shared", "heads"):
        plain["init_args"].pop(name)
    torch.manual_seed(0)
    clip, same = build(plain, DualEncoder), model(vocabulary, shared=0)
    assert isinstance(same, SharedTop)
    assert [name for name, _ in same.named_parameters()] == [name for name, _ in clip.named_parameters()]
    assert torch.equal(same.encode_image(rows[0]).pooled, clip.encode_image(rows[0]).pooled)
    assert torch.equal(same.encode_text(rows[1]).pooled, clip.encode_text(rows[1]).pooled)


def test_a_shared_block_is_there_once_and_both_sides_reach_it(vocabulary, rows):
    both = model(vocabulary)
    names = [name for name, _ in both.named_parameters() if "shared" in name]
    assert len(names) == len(set(names)) == len(list(both.shared[0].parameters()))
    weight = both.shared[0].qkv.weight
    for side in (both.encode_image(rows[0]), both.encode_text(rows[1])):
        weight.grad = None
        side.pooled.square().sum().backward()
        assert weight.grad.abs().max() > 0


def test_it_gives_tokens_and_padding_changes_nothing(vocabulary, rows):
    both = model(vocabulary).eval()
    image, text = both.encode_image(rows[0], [TOKENS]), both.encode_text(rows[1], [TOKENS])
    assert (image.tokens.shape, image.grid) == ((3, 16, 32), (4, 4))
    assert text.tokens.shape[:2] == rows[1].mask.shape
    alone = both.encode_text(vocabulary(["green"])).pooled
    torch.testing.assert_close(alone[0], text.pooled[1], rtol=0, atol=1e-6)


def test_what_lies_below_shared_blocks_cannot_be_had(vocabulary, rows):
    both = model(vocabulary)
    for ask, side in ((both.encode_image, rows[0]), (both.encode_text, rows[1])):
        with pytest.raises(CapabilityError, match="block0 cannot be had"):
            ask(side, ["block0"])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"shared": -1}, "shared is -1"),
        ({"heads": 3}, "32 wide and the text tower 32, with 3 heads"),
        ({"text": {"init_args": {"width": 64}}}, "32 wide and the text tower 64"),
        ({"image": {"init_args": {"net": "resnet18", "net_args": None}}}, r"image tower \(resnet18\) is 512 wide"),
    ],
)
def test_towers_that_cannot_share_are_refused(vocabulary, more, says):
    with pytest.raises(ConfigError, match=says):
        model(vocabulary, **more)


def test_what_is_exported_answers_the_same(vocabulary, rows, tmp_path):
    furthest = export(model(vocabulary), tmp_path, rows[0].pixels, rows[1], opset=18, tolerance=1e-4)
    assert max(furthest.values()) <= 1e-4


def test_numbers_are_left_out_of_what_its_blocks_take_in_training_alone(vocabulary, rows):
    both = model(vocabulary).eval()
    still = both.encode_text(rows[1], drop=0.3).pooled
    assert torch.equal(still, both.encode_text(rows[1]).pooled)
    both.train()
    assert not torch.allclose(both.encode_text(rows[1], drop=0.3).pooled, still)
