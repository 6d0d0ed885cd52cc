"""transformers' models answer as ours, and come back to the bit. Golden: tests/golden/make_transformers.py.

Axes: B = 3 rows.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components.contracts.batch import Images, Texts
from components.contracts.errors import CapabilityError, DataError
from components.models.dual_encoder import DualEncoder
from components.models.interop.huggingface import SEGMENTS, described, give, take
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.recipes.section import build

GOLDEN = Path(__file__).parents[3] / "golden" / "transformers"
FAMILIES = ("clip_quick_gelu", "clip_gelu", "siglip", "chinese_clip")
END = 58


def read(family: str, name: str) -> dict:
    return json.loads((GOLDEN / family / name).read_text())


def ours_of(family: str) -> tuple[DualEncoder, dict[str, torch.Tensor]]:
    theirs = load_file(GOLDEN / family / "model.safetensors")
    model = build(described(read(family, "config.json"), theirs, read(family, "preprocessor_config.json")), DualEncoder)
    model.load_state_dict(take(model, theirs))
    return model.eval(), theirs


@torch.no_grad()
def compare(model: DualEncoder, family: str) -> None:
    golden = load_file(GOLDEN / family / "features.safetensors")
    image = model.encode_image(Images(pixels=golden["pixels"])).pooled
    text = model.encode_text(Texts(ids=golden["ids"], mask=golden["mask"].bool())).pooled
    for mine, its in ((image, golden["image"]), (text, golden["text"])):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(its[0], its[1], atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_transformers(family):
    model, theirs = ours_of(family)
    compare(model, family)
    assert model.logit_scale().item() == pytest.approx(theirs["logit_scale"].exp().item())


@pytest.mark.parametrize("family", FAMILIES)
def test_there_and_back(family):
    model, theirs = ours_of(family)
    config, weights, shown = give(model, END)
    assert set(weights) == set(theirs)
    summed = {SEGMENTS, "text_model.embeddings.position_embeddings.weight"} if family == "chinese_clip" else set()
    assert all(torch.equal(weights[name], theirs[name]) for name in set(theirs) - summed)
    again = build(described(config, weights, shown), DualEncoder)
    again.load_state_dict(take(again, weights))
    compare(again.eval(), family)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_config_says_what_transformers_said(family):
    config, peer = give(ours_of(family)[0], END)[0], read(family, "config.json")
    for part in ("vision_config", "text_config"):
        told = {key: value for key, value in config[part].items() if key not in ("eos_token_id", "pad_token_id")}
        assert told == {key: peer[part][key] for key in told}
    assert config["architectures"] == peer["architectures"]
    assert config.get("projection_dim") == peer.get("projection_dim")
    assert config["text_config"]["eos_token_id"] == END


def test_a_config_that_says_little_is_of_its_class():
    small = described({"model_type": "siglip", "vision_config": {"image_size": 384}}, {}, {})["init_args"]
    assert small["image"]["init_args"]["net_args"]["depth"] == 12
    assert small["image"]["init_args"]["net_args"]["img_size"] == 384
    assert small["text"]["init_args"]["vocabulary"] == 32000
    assert small["width"] == 768
    clip = described({"model_type": "clip"}, {"logit_scale": torch.tensor(4.6052)}, {})["init_args"]
    assert (clip["width"], clip["text"]["init_args"]["context"]) == (512, 77)
    assert clip["logit_scale"]["init_args"]["most"] == 100
    steep = described({"model_type": "siglip"}, {"logit_scale": torch.tensor(4.8)}, {})["init_args"]
    assert steep["logit_scale"]["init_args"]["most"] > 121  # or training on would cut it


def test_places_that_older_checkpoints_list_are_passed_over():
    model, theirs = ours_of("clip_gelu")
    take(model, theirs | {"text_model.embeddings.position_ids": torch.arange(8)[None]})


def test_another_model_is_refused_by_its_keys():
    model, _ = ours_of("clip_gelu")
    with pytest.raises(DataError, match=r"lacks .*visual_projection.weight.*no place for: .*logit_bias"):
        take(model, load_file(GOLDEN / "siglip" / "model.safetensors"))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "blip"}, "model_type is 'blip'; read are clip, siglip, chinese_clip"),
        ({"model_type": ["clip"]}, r"model_type is \['clip'\]"),
        ({"model_type": "clip", "text_config": {"hidden_act": "relu"}}, "hidden_act is 'relu'"),
        ({"model_type": "clip", "vision_config": {"num_channels": 1}}, "num_channels 1"),
        ({"model_type": "siglip", "vision_config": {"layer_norm_eps": 1e-5}}, "layer_norm_eps 1e-05"),
    ],
)
def test_what_we_have_not_is_said_by_its_name(config, said):
    with pytest.raises(CapabilityError, match=said):
        described(config, {}, {})


@pytest.mark.parametrize("part", ["vision_config", "text_config"])
@pytest.mark.parametrize(("value", "said"), [(None, "null"), ([1], r"\[1\]")])
def test_a_part_of_the_config_that_is_none_is_refused_by_its_name(part, value, said):
    with pytest.raises(DataError, match=f"{part} is {said} in the config"):
        described({"model_type": "clip", part: value}, {}, {})


def test_a_scale_that_is_no_number_is_refused():
    with pytest.raises(DataError, match=r"logit_scale of the checkpoint is \[nan\]"):
        described({"model_type": "siglip"}, {"logit_scale": torch.tensor([float("nan")])}, {})


def test_a_folder_of_another_kind_is_refused():
    with pytest.raises(DataError, match="it has no model_type"):
        described({"embed_dim": 512}, {}, {})


VIT = {"img_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}


@pytest.mark.parametrize(
    ("image", "text", "end", "said"),
    [
        (
            ("resnet18", {"channels": [8, 8, 8, 8]}),
            {},
            49,
            "has a vision transformer here, and this image tower is 'resnet18'",
        ),
        (("vit_tiny_patch16_224", VIT), {}, 49, "has no norm before its blocks, and has a bias on its patches"),
        (
            ("vit_base_patch16_clip_224", VIT),
            {"pool": "mean"},
            49,
            "The nearest is clip, but pool is 'mean' and there 'eos'",
        ),
        (("vit_base_patch16_clip_224", VIT), {}, 2, "takes an eos_token_id of 2 for a mistake"),
    ],
)
def test_what_transformers_has_not_is_not_written(image, text, end, said):
    tower = TextTower(50, 8, width=16, depth=1, heads=2, **{"causal": True, "pool": "eos", **text})
    with pytest.raises(CapabilityError, match=said):
        give(DualEncoder(ImageTower(*image), tower, width=12), end)
