"""The last layers by their names, of each tower its own."""

import pytest
from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.last_layers import LastLayers
from components.models.towers.image import ImageTower


def tower(layers: int) -> nn.Module:
    return nn.ModuleDict({"stem": nn.Linear(2, 2), "blocks": nn.ModuleList(nn.Linear(2, 2) for _ in range(layers))})


def model(image: int, text: int) -> nn.Module:
    parts = {
        "image": tower(image),
        "text": tower(text),
        "image_projection": nn.Linear(2, 2),
        "text_projection": nn.Linear(2, 2),
    }
    return nn.ModuleDict({**parts, "logit_scale": nn.Linear(1, 1)})


@pytest.mark.parametrize(
    ("layers", "image", "text"), [(1, {"3"}, {"1"}), (2, {"2", "3"}, {"0", "1"}), (3, {"1", "2", "3"}, {"0", "1"})]
)
def test_the_last_of_each_tower_train_and_what_leads_into_the_shared_space(layers, image, text):
    freeze = LastLayers(layers=layers).prepare(whole := model(4, 2))
    trained = {name for name, _ in whole.named_parameters() if freeze.is_trained(name)}
    assert {name.split(".")[2] for name in trained if name.startswith("image.blocks")} == image
    assert {name.split(".")[2] for name in trained if name.startswith("text.blocks")} == text
    assert {name.split(".")[0] for name in trained} == {
        "image",
        "text",
        "image_projection",
        "text_projection",
        "logit_scale",
    }
    assert not any("stem" in name for name in trained)


def test_of_a_residual_net_the_last_stage_trains_without_its_batch_norms(clip):
    freeze = LastLayers().prepare(clip.model)
    trained = {
        name for name, _ in clip.model.named_parameters() if freeze.is_trained(name) and name.startswith("image.")
    }
    assert trained
    assert all(name.startswith("image.net.layer4.") for name in trained)
    assert not any(".bn" in name for name in trained)


@pytest.mark.parametrize("without", ["image", "text"])
def test_a_tower_without_layers_is_refused_by_its_name(without):
    """The other tower has some; nothing of this one would train, and nobody would be told."""
    whole = model(2, 2)
    whole[without] = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=rf"^{without} of ModuleDict has no layers that are numbered.*Lora"):
        LastLayers().prepare(whole)


def test_a_net_of_timm_whose_parts_have_names_is_refused(clip):
    clip.model.image = ImageTower("inception_v3", {"aux_logits": False})
    with pytest.raises(ConfigError, match=r"^image of DualEncoder has no layers"):
        LastLayers().prepare(clip.model)


def test_no_layer_at_all_is_refused():
    with pytest.raises(ConfigError, match="layers is 0"):
        LastLayers(layers=0)
