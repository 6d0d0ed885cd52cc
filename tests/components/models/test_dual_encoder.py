"""Both sides meet in one space, and owe each other nothing."""

import pytest
import torch

from components.contracts.batch import Images, Texts
from components.contracts.errors import CapabilityError, ConfigError
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale, Projection
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower

IMAGES = Images(pixels=torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
TEXTS = Texts(ids=torch.tensor([[1, 5, 2, 0], [1, 7, 8, 2]]), mask=torch.tensor([[True] * 3 + [False], [True] * 4]))


@pytest.fixture
def model() -> DualEncoder:
    torch.manual_seed(0)
    image = ImageTower("resnet18", {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24]})
    return DualEncoder(image, TextTower(vocabulary=20, context=6, width=16, depth=1), width=12).eval()


def test_pictures_and_texts_come_out_equally_wide(model):
    image, text = model.encode_image(IMAGES), model.encode_text(TEXTS)
    assert image.features.shape == (3, 24)
    assert text.features.shape == (2, 16)
    assert (image.pooled.shape, text.pooled.shape) == ((3, 12), (2, 12))


def test_pooled_is_the_projection_of_the_features(model):
    image = model.encode_image(IMAGES)
    torch.testing.assert_close(image.pooled, image.features @ model.image_projection.linear.weight.T)


def test_each_side_has_its_own_weights(model):
    model.encode_image(IMAGES).pooled.sum().backward()
    reached = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached == {"image", "image_projection"}


def test_the_scale_is_the_papers_unless_another_is_given(model):
    assert model.logit_scale().item() == pytest.approx(1 / 0.07)
    given = LogitScale(temperature=0.5)
    assert DualEncoder(model.image, model.text, logit_scale=given).logit_scale is given


def test_tokens_are_projected_too_and_only_where_needed(model):
    image, text = model.encode_image(IMAGES, need=("tokens", "level1")), model.encode_text(TEXTS, need=("tokens",))
    assert (image.tokens.shape, image.grid, text.tokens.shape) == ((3, 1, 12), (1, 1), (2, 4, 12))
    assert image.mask is None
    assert torch.equal(text.mask, TEXTS.mask)
    torch.testing.assert_close(image.tokens.mean(1), image.pooled)  # the head is a mean, and the projection linear
    assert set(image.hooks) == {"level1"}
    assert model.encode_image(IMAGES).tokens is None
    assert model.encode_text(TEXTS).tokens is None


def test_tokens_of_another_width_than_the_vector_are_refused(model):
    net = ImageTower("mobilenetv3_small_050")
    with pytest.raises(CapabilityError, match=r"tokens are 288 wide and its vector 1024"):
        DualEncoder(net, model.text, width=12).eval().encode_image(IMAGES, need=("tokens",))


def test_a_tower_of_the_shared_width_may_do_without_a_projection(model):
    bare = DualEncoder(model.image, model.text, width=24, image_projection=Projection(24, 24, kind="none")).eval()
    image = bare.encode_image(IMAGES)
    assert torch.equal(image.pooled, image.features)


def test_projections_between_other_widths_are_refused(model):
    with pytest.raises(ConfigError, match="kind is none, which changes no width, but 24 must become 12"):
        Projection(24, 12, kind="none")
    with pytest.raises(ConfigError, match="text_projection goes from 24 to 12, but the text tower is 16 wide"):
        DualEncoder(model.image, model.text, width=12, text_projection=Projection(24, 12))


def test_tokens_may_be_those_of_a_level_and_nothing_else_changes(model):
    torch.manual_seed(0)
    image = ImageTower("coatnet_pico_rw_224", {"img_size": 32, "stem_width": 8, "embed_dim": [32, 32], "depths": [1, 1], "block_type": ["C", "T"], "conv_attn_layer": ""})  # fmt: skip
    plain = DualEncoder(image, model.text, width=12).eval()
    local = DualEncoder(image, model.text, width=12, patches="level0").eval()
    local.load_state_dict(plain.state_dict())
    last, first = (one.encode_image(IMAGES, ("tokens",)) for one in (plain, local))
    assert (last.grid, first.grid) == ((4, 4), (8, 8))
    assert torch.equal(last.pooled, first.pooled)
    level = plain.encode_image(IMAGES, ("level0",)).hooks["level0"]
    torch.testing.assert_close(first.tokens, level.flatten(2).transpose(1, 2) @ plain.image_projection.linear.weight.T)
    assert not first.hooks
    assert set(local.encode_image(IMAGES, ("level0", "tokens")).hooks) == {"level0"}
    assert local.encode_image(IMAGES).tokens is None
    corner = IMAGES.pixels.clone()
    corner[:, :, 16:] = 0
    moved = local.encode_image(Images(pixels=corner), ("tokens",)).tokens != first.tokens
    rows = moved.any(2).unflatten(1, (8, 8)).any(2).any(0)
    assert not rows[0]  # no patch of the top row sees what lies in the lower half


def test_a_level_that_is_not_there_is_refused(model):
    with pytest.raises(CapabilityError, match="has no level9 to give"):
        DualEncoder(model.image, model.text, patches="level9")
