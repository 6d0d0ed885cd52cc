"""open_clip's models answer as ours, and ours as open_clip's: features within 1e-5 both ways, weights to the bit.

The peer is open_clip itself, with random weights, gains and biases.
Axes: B = 3 rows, L = 8 tokens.
"""

import json
from copy import deepcopy

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from components.contracts.batch import Images, Texts
from components.contracts.errors import CapabilityError, ConfigError, DataError
from components.models.dual_encoder import DualEncoder
from components.models.interop.open_clip import described, give, take
from components.models.projection import LogitScale, Projection
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower, mask_of
from components.recipes.section import build

TEXT = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 2}
VIT = {"layers": 2, "width": 32, "patch_size": 8, "image_size": 32, "head_width": 16}
TIMM = {"image_size": 160}
LIKE_SIGLIP = {
    **TEXT, "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
    "act_kwargs": {"approximate": "tanh"},
}  # fmt: skip
CONFIGS = {
    "vit": {"vision_cfg": VIT, "text_cfg": TEXT},
    "vit with quick_gelu": {"quick_gelu": True, "vision_cfg": {**VIT, "mlp_ratio": 2.6}, "text_cfg": TEXT},
    "vit, text apart": {"custom_text": True, "vision_cfg": VIT, "text_cfg": TEXT},
    "like siglip": {
        "embed_dim": 64, "custom_text": True, "init_logit_bias": -10, "text_cfg": LIKE_SIGLIP,
        "vision_cfg": {**TIMM, "timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "none"},
    },
    "timm, projected": {
        "custom_text": True, "text_cfg": TEXT,
        "vision_cfg": {**TIMM, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj_bias": True},
    },
    "timm, by its classifier": {
        "text_cfg": {**TEXT, "pool_type": "eos", "eos_id": 49},
        "vision_cfg": {**TIMM, "timm_model_name": "test_convnext", "timm_proj": ""},
    },
}  # fmt: skip
IDS = torch.tensor([[48, 3, 7, 49, 0, 0, 0, 0], [48, 1, 2, 3, 4, 5, 6, 49], [48, 49, 0, 0, 0, 0, 0, 0]])
TEXTS = Texts(ids=IDS, mask=mask_of(IDS))


def peer_of(name: str) -> tuple[dict, torch.nn.Module]:
    """A config, and open_clip's model of it."""
    config = {"embed_dim": 24, **deepcopy(CONFIGS[name])}
    torch.manual_seed(0)
    custom = config.get("custom_text", False)
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    peer = kind(**{key: value for key, value in deepcopy(config).items() if key != "custom_text"}).eval()
    for parameter in peer.parameters():
        if parameter.ndim < 2:
            torch.nn.init.normal_(parameter, mean=0.7, std=0.3)
    peer.logit_scale.data.fill_(2.0)
    return config, peer


def ours_of(config: dict, theirs: dict) -> DualEncoder:
    model = build(described({"model_cfg": config}, theirs), DualEncoder).eval()
    model.load_state_dict(take(model, theirs))
    return model


@torch.no_grad()
def features(model: DualEncoder, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return model.encode_image(Images(pixels=pixels)).pooled, model.encode_text(TEXTS).pooled


@torch.no_grad()
def features_of_peer(peer, model: DualEncoder, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return peer.encode_image((pixels - model.image.mean) / model.image.std), peer.encode_text(IDS)


@pytest.mark.parametrize("name", CONFIGS)
def test_there_and_back_with_open_clip_itself(name, tmp_path):
    config, peer = peer_of(name)
    theirs = peer.state_dict()
    model = ours_of(config, theirs)
    side = config["vision_cfg"]["image_size"]
    pixels = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    pixels *= torch.tensor([1.0, 0.5, 0.1]).view(3, 1, 1, 1)
    ours, wanted = features(model, pixels), features_of_peer(peer, model, pixels)
    for mine, its in zip(ours, wanted, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(its[0], its[1], atol=1e-4)  # rows differ, so their order counts
    assert model.logit_scale().item() == pytest.approx(peer.logit_scale.exp().item())

    said, weights = give(model, end=49)
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    back = open_clip.create_model(f"local-dir:{tmp_path}").eval()
    for mine, its in zip(features_of_peer(back, model, pixels), wanted, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)
    if name.startswith(("vit", "like")) and name != "vit, text apart":
        assert set(weights) == set(theirs)
        assert all(torch.equal(weights[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize(
    ("net", "said", "args"),
    [
        ("test_convnext", {"image_size": 96}, {"pretrained_cfg_overlay": {"input_size": [3, 96, 96]}}),
        ("test_convnext", {}, {"pretrained_cfg_overlay": {"input_size": [3, 224, 224]}}),  # as open_clip has it
        ("test_convnext", {"image_size": 160}, {}),
        ("test_vit", {"image_size": 96}, {}),  # which takes no other size
    ],
    ids=["another", "unsaid", "its-own", "fixed"],
)
def test_a_network_of_timm_is_for_pictures_of_the_size_that_the_config_says(net, said, args):
    config = {"embed_dim": 24, "vision_cfg": {"timm_model_name": net, "timm_pool": "avg", **said}, "text_cfg": TEXT}
    image = described(config, {})["init_args"]["image"]["init_args"]
    assert image["net_args"] == {"global_pool": "avg", **args}


def test_a_network_that_timm_has_not_is_said():
    config = {"embed_dim": 24, "vision_cfg": {"timm_model_name": "test_convnext.none"}, "text_cfg": TEXT}
    with pytest.raises(ConfigError, match=r"cannot build the image network 'test_convnext\.none'"):
        described(config, {})


def test_a_checkpoint_of_several_devices_is_taken():
    config, peer = peer_of("vit")
    theirs = {f"module.{name}": value for name, value in peer.state_dict().items()}
    assert torch.equal(ours_of(config, theirs).text.position, peer.positional_embedding)


@torch.no_grad()
def test_scale_and_offset_of_several_devices_are_taken():
    """SigLIP has an offset, and a slope beyond CLIP's bound."""
    config, peer = peer_of("like siglip")
    peer.logit_scale.fill_(4.8)
    model = ours_of(config, {f"module.{name}": value for name, value in peer.state_dict().items()})
    alone = ours_of(config, peer.state_dict())
    assert model.logit_scale.bias.item() == peer.logit_bias.item() == alone.logit_scale.bias.item()
    assert model.logit_scale().item() == pytest.approx(peer.logit_scale.exp().item())
    assert model.logit_scale.most == alone.logit_scale.most > 121


def test_a_checkpoint_of_a_deeper_model_is_refused_by_its_keys():
    config, peer = peer_of("vit")
    shallow = {**config, "vision_cfg": {**VIT, "layers": 1}}
    with pytest.raises(DataError, match=r"no place for: visual\.transformer\.resblocks\.1\.attn.*and 2 more"):
        ours_of(shallow, peer.state_dict())
    with pytest.raises(DataError, match=r"lacks visual\.transformer\.resblocks\.2\.ln_1\.weight, .*and 2 more"):
        ours_of({**config, "vision_cfg": {**VIT, "layers": 3}}, peer.state_dict())


def test_a_vocabulary_of_another_size_is_refused():
    config, peer = peer_of("vit")
    with pytest.raises(
        DataError, match=r"token_embedding.weight is \[50, 16\], but text\.embedding\.weight \[60, 16\]"
    ):
        ours_of({**config, "text_cfg": {**TEXT, "vocab_size": 60}}, peer.state_dict())


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("vision_cfg", {"attentional_pool": True}, "vision_cfg asks for attentional_pool: True"),
        (
            "vision_cfg",
            {"layers": [3, 4, 6, 3], "width": 64, "image_size": 256},
            r"\[3, 4, 6, 3\] blocks, 64 wide, at 256",
        ),
        ("vision_cfg", {"pool_type": "avg"}, "pool_type 'avg'"),
        ("vision_cfg", {"image_size": [32, 48]}, r"\[32, 48\] pixels"),
        ("vision_cfg", {"timm_model_name": "test_vit", "timm_proj": "mlp"}, "timm_proj 'mlp'"),
        ("text_cfg", {"embed_cls": True}, "text_cfg asks for embed_cls: True"),
        ("text_cfg", {"hf_model_name": "roberta-base"}, "hf_model_name: 'roberta-base'"),
        ("text_cfg", {"pool_type": "none"}, "pool_type 'none'"),
        ("multimodal_cfg", {"layers": 2}, "CoCa"),
    ],
)
def test_what_we_have_not_is_said_by_its_name(part, change, said):
    config = {"embed_dim": 24, **deepcopy(CONFIGS["vit"])}
    config[part] = {**config.get(part, {}), **change}
    with pytest.raises(CapabilityError, match=said):
        described(config, {})


def test_a_config_of_another_kind_is_refused():
    with pytest.raises(DataError, match="lacks embed_dim, vision_cfg, text_cfg"):
        described({"model_type": "clip"}, {})


@pytest.mark.parametrize("part", ["model_cfg", "vision_cfg", "text_cfg", "preprocess_cfg"])
@pytest.mark.parametrize(("value", "said"), [(None, "null"), ([1, 2], r"\[1, 2\]"), ("ViT", '"ViT"')])
def test_a_part_of_the_config_that_is_none_is_refused_by_its_name(part, value, said):
    config = {"model_cfg": {"embed_dim": 24, **deepcopy(CONFIGS["vit"])}}
    (config if part in ("model_cfg", "preprocess_cfg") else config["model_cfg"])[part] = value
    with pytest.raises(DataError, match=f"{part} is {said} in the config"):
        described(config, {})


@pytest.mark.parametrize("scale", [torch.tensor(float("nan")), torch.tensor(1000.0), torch.ones(2), torch.ones(0)])
def test_a_scale_that_is_no_number_is_refused(scale):
    config = {"embed_dim": 24, **deepcopy(CONFIGS["vit"])}
    with pytest.raises(DataError, match=r"logit_scale of the checkpoint is \[.*must be one number whose exponential"):
        described(config, {"logit_scale": scale})


@pytest.mark.parametrize(
    ("image", "text", "said"),
    [
        ({"net": "resnet18", "net_args": {"layers": [1, 1, 1, 1]}}, {}, r"by its name alone.*'layers'"),
        ({"net": "test_vit"}, {"pool": "mean"}, "pools by 'mean'"),
        ({"net": "test_vit"}, {"norms": "after"}, "norms after its sums"),
        ({"net": "test_vit"}, {"pool": "last"}, "hides padding from what is read"),
    ],
)
def test_what_open_clip_has_not_is_not_written(image, text, said):
    tower = TextTower(
        50,
        8,
        width=16,
        depth=1,
        heads=2,
        **{"causal": False, "pool": "last", "masked": False, **text} if text != {"pool": "last"} else text,
    )
    model = DualEncoder(ImageTower(**image), tower, width=24)
    with pytest.raises(CapabilityError, match=said):
        give(model, end=2)


def test_an_end_token_that_is_not_the_highest_is_named_to_open_clip():
    model = DualEncoder(
        ImageTower("test_vit"), TextTower(50, 8, width=16, depth=1, heads=2, causal=True, pool="eos"), width=24
    )
    assert (
        give(model, end=2)[0]["model_cfg"]["text_cfg"] | {"pool_type": "eos", "eos_id": 2}
        == give(model, end=2)[0]["model_cfg"]["text_cfg"]
    )
    assert give(model, end=49)[0]["model_cfg"]["text_cfg"]["pool_type"] == "argmax"


def test_the_offset_and_an_affine_projection_travel():
    tower = TextTower(50, 8, width=16, depth=1, heads=2, pool="last", masked=False)
    model = DualEncoder(
        ImageTower("test_vit"),
        tower,
        width=24,
        logit_scale=LogitScale(bias=-7.0),
        text_projection=Projection(16, 24, "affine"),
    )
    said, weights = give(model, end=1)
    assert weights["logit_bias"].item() == -7
    assert weights["text.text_projection.bias"].shape == (24,)
    assert said["model_cfg"]["custom_text"]
