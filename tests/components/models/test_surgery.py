"""A larger model inherits a smaller one's weights: the same function where blocks are added, mixed shares by hand, and what is refused."""

import pytest
import torch

from components.contracts.batch import Images
from components.contracts.errors import ConfigError
from components.contracts.inherit import Inherit
from components.models.dual_encoder import DualEncoder
from components.models.surgery import inherit
from components.recipes.section import build
from components.recipes.yaml_lines import overlay
from tests.squares import described_at_debug

NEVER_MIXED = ("embedding", "position", "pos_embed", "norm", "bias", "log_scale")


def model(vocabulary, shared=0, image=2, text=2, width=32, heads=2, seed=0):
    """growclip's model at `debug`, so deep and so wide."""
    sizes = {
        "shared": shared, "heads": heads, "text": {"init_args": {"depth": text, "width": width, "heads": heads}},
        "image": {"init_args": {"net_args": {"depth": image, "embed_dim": width, "num_heads": heads}}},
    }  # fmt: skip
    torch.manual_seed(seed)
    return build(overlay(described_at_debug(vocabulary, "growclip"), {"init_args": sizes}), DualEncoder).eval()


@pytest.fixture
def small(vocabulary):
    return model(vocabulary)


@pytest.fixture
def rows(vocabulary):
    return Images(pixels=torch.rand(3, 3, 32, 32)), vocabulary(["a red square", "green", "at the left"])


def embedded(model, rows):
    with torch.no_grad():
        return model.encode_image(rows[0]).pooled, model.encode_text(rows[1]).pooled


@pytest.mark.parametrize("grown", [{"image": 4}, {"text": 3}, {"image": 3, "text": 4}, {"shared": 2}])
def test_blocks_that_are_added_change_nothing_at_first(small, rows, vocabulary, grown):
    large = model(vocabulary, **grown, seed=1)
    told = inherit(large, small.state_dict(), Inherit())
    for now, was in zip(embedded(large, rows), embedded(small, rows), strict=True):
        torch.testing.assert_close(now, was, rtol=0, atol=1e-5)
    assert len(told.mapped) == len(small.state_dict())
    assert told.inserted
    assert not told.widened
    assert f"{len(told.inserted)} of blocks that are new" in str(told)


def test_added_blocks_learn(small, rows, vocabulary):
    large = model(vocabulary, image=3, text=3, seed=1)
    inherit(large, small.state_dict(), Inherit())
    sum(
        side.square().sum() for side in (large.encode_image(rows[0]).pooled, large.encode_text(rows[1]).pooled)
    ).backward()
    ends = ("image.net.blocks.2.mlp.fc2.weight", "text.blocks.2.out.weight")
    assert all(large.get_parameter(name).grad.abs().max() > 0 for name in ends)


def test_an_added_block_may_be_the_one_below_it(small, vocabulary):
    large = model(vocabulary, image=3, seed=1)
    inherit(large, small.state_dict(), Inherit(identity=False))
    new, below = large.image.net.blocks[2].state_dict(), small.image.net.blocks[1].state_dict()
    assert all(torch.equal(value, below[name]) for name, value in new.items())


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_matrices_are_mixed_with_what_was_drawn_and_the_rest_is_copied(small, vocabulary, beta):
    large = model(vocabulary, seed=1)
    drawn, old = {name: value.clone() for name, value in large.state_dict().items()}, small.state_dict()
    inherit(large, old, Inherit(beta=beta))
    for name, value in large.state_dict().items():
        if any(word in name for word in NEVER_MIXED):
            assert torch.equal(value, old[name]), name
        else:
            torch.testing.assert_close(value - beta * old[name], (1 - beta) * drawn[name], rtol=0, atol=1e-6)
            assert not torch.equal(value, old[name]), name


def test_wider_tensors_have_the_old_ones_in_their_first_rows_and_columns(small, vocabulary):
    large = model(vocabulary, width=48, heads=3, seed=1)
    drawn, old = {name: value.clone() for name, value in large.state_dict().items()}, small.state_dict()
    told = inherit(large, old, Inherit())
    name = "text.blocks.0.feed.0.weight"
    assert name in told.widened
    assert torch.equal(large.state_dict()[name][:128, :32], old[name])
    assert torch.equal(large.state_dict()[name][128:], drawn[name][128:])
    for name in ("text.blocks.0.qkv.weight", "image.net.blocks.1.attn.qkv.weight"):
        for now, was in zip(large.state_dict()[name].chunk(3), old[name].chunk(3), strict=True):
            assert torch.equal(now[:32, :32], was)


@pytest.mark.parametrize(
    ("smaller", "says"),
    [
        ({"image": 1}, r"it has no image\.net\.blocks\.1\..* and \d+ more.*sizes at least those of its start"),
        ({"width": 16}, r"would shrink from \(.*32.*\) to \(.*16"),
    ],
)
def test_what_would_shrink_or_has_nothing_to_inherit_from_is_refused(small, vocabulary, smaller, says):
    with pytest.raises(ConfigError, match=says):
        inherit(model(vocabulary, **smaller), small.state_dict(), Inherit())


def test_a_part_that_is_no_block_and_that_the_start_lacks_is_refused(small, vocabulary):
    weights = small.state_dict()
    weights.pop("text.norm.weight")
    with pytest.raises(ConfigError, match=r"the start has no text\.norm\.weight"):
        inherit(model(vocabulary, image=3), weights, Inherit())


@pytest.mark.parametrize("beta", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(beta):
    with pytest.raises(ConfigError, match=r"beta is .*from 0 to 1"):
        Inherit(beta=beta)
