"""CLIP and its kin of transformers as ours, and ours as transformers': their config.json and the names of their tensors.

Source: transformers 5.24, models clip, siglip and chinese_clip. A config says only what differs from its class, so what
these classes have is written here.
Golden: transformers' CLIPModel, SiglipModel and ChineseCLIPModel, features, float32, 1e-5.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from components.contracts.errors import CapabilityError, DataError
from components.models.dual_encoder import DualEncoder
from components.models.interop.huggingface_names import ties_of
from components.models.interop.layout import (
    CLIP_EPS,
    CLIP_MEAN,
    CLIP_NET,
    CLIP_STD,
    HALF,
    SIGLIP_EPS,
    SIGLIP_NET,
    Transformer,
    VisionTransformer,
    dual_encoder,
    image_tower,
    scale_of,
    section,
    text_of,
    text_tower,
    towers_of,
    vit_args,
    vit_of,
)
from components.models.interop.ties import to_ours, to_theirs
from components.models.towers.text import Activation, TextTower

LIBRARY = "transformers"
ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh"
}  # fmt: skip
SEGMENTS = "text_model.embeddings.token_type_embeddings.weight"  # BERT's; a caption is all of the first kind

_CLIP_VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224,
    "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": CLIP_EPS, "num_channels": 3,
}  # fmt: skip
_SIGLIP_VISION = {**_CLIP_VISION, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": SIGLIP_EPS}
_CLIP_TEXT = {
    "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
    "num_attention_heads": 8, "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
_SIGLIP_TEXT = {
    "vocab_size": 32000, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "max_position_embeddings": 64, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
}  # fmt: skip
_BERT_TEXT = {
    **_SIGLIP_TEXT, "vocab_size": 30522, "max_position_embeddings": 512, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
}  # fmt: skip
_DEFAULTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "clip": (_CLIP_VISION, _CLIP_TEXT), "siglip": (_SIGLIP_VISION, _SIGLIP_TEXT), "chinese_clip": (_CLIP_VISION, _BERT_TEXT),
}  # fmt: skip


def described(config: Mapping[str, Any], theirs: Mapping[str, Tensor], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `class_path` and `init_args` of what config.json describes.

    Args:
        config: config.json.
        theirs: the weights, for what they say of scale and offset.
        shown: preprocessor_config.json, for mean and deviation; empty means the family's.

    Raises DataError for a part that is none and a scale that is no number, CapabilityError for a family that is not read, or what it asks
    for that we have not.
    """
    kind = _kind_of(config)
    vision, words = (
        {**base, **section(config, f"{side}_config")}
        for base, side in zip(_DEFAULTS[kind], ("vision", "text"), strict=True)
    )
    eps = SIGLIP_EPS if kind == "siglip" else CLIP_EPS
    if vision["layer_norm_eps"] != eps or vision["num_channels"] != 3:
        raise CapabilityError(
            f"vision_config asks for layer_norm_eps {vision['layer_norm_eps']} and num_channels {vision['num_channels']}; "
            f"{kind} is read with {eps} and 3 only."
        )
    vit = VisionTransformer(**_numbers(vision, vision["image_size"]), patch=vision["patch_size"])
    text = Transformer(**_numbers(words, words["max_position_embeddings"]))
    fair = (HALF, HALF) if kind == "siglip" else (CLIP_MEAN, CLIP_STD)
    mean, std = (tuple(shown.get(f"image_{name}", value)) for name, value in zip(("mean", "std"), fair, strict=True))
    image = image_tower(SIGLIP_NET if kind == "siglip" else CLIP_NET, vit_args(vit), mean, std)
    if kind == "siglip":
        tower = text_tower(text, words["vocab_size"], causal=False, pool="last", masked=False, pad=1)
        projections, width = {"image": (vit.width, "none"), "text": (text.width, "affine")}, vit.width
    else:
        bert = {"causal": False, "pool": "cls", "norms": "after"}
        tower = text_tower(
            text, words["vocab_size"], **(bert if kind == "chinese_clip" else {"causal": True, "pool": "eos"})
        )
        projections, width = (
            {"image": (vit.width, "linear"), "text": (text.width, "linear")},
            config.get("projection_dim", 512),
        )
    return dual_encoder(image, tower, width, scale_of(theirs), projections, bias="logit_bias" in theirs)


def take(model: DualEncoder, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our weights of theirs; DataError as of `to_ours`. `model` is what was described, with any weights."""
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    places = [f"{side}_model.embeddings.position_ids" for side in ("text", "vision")]  # counted, not learned
    ours = to_ours(theirs, ties_of(model), shapes, dropped=(*places, SEGMENTS))
    if SEGMENTS in theirs:
        ours["text.position"] += theirs[SEGMENTS][0].float()
    return ours


def give(model: DualEncoder, end: int) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]]:
    """Return config.json, the weights, and what preprocessor_config.json says of numbers.

    `end` is the id of the token that ends a text. Raises CapabilityError for what transformers has not.
    """
    image, text = towers_of(model, LIBRARY)
    kind = _kind_of_ours(model, text)
    vit, words = vit_of(image, f"transformers' {kind}", "map" if kind == "siglip" else "token"), text_of(text)
    config: dict[str, Any] = {
        "model_type": kind,
        "architectures": [{"clip": "CLIPModel", "siglip": "SiglipModel", "chinese_clip": "ChineseCLIPModel"}[kind]],
        "vision_config": {**_said(vit), "image_size": vit.size, "patch_size": vit.patch},
        "text_config": {**_said(words), "vocab_size": text.embedding.num_embeddings, "max_position_embeddings": words.size},
    }  # fmt: skip
    if kind == "clip" and end == 2 and text.embedding.num_embeddings > 3:
        raise CapabilityError(
            "texts end in id 2 here, and transformers' CLIP takes an eos_token_id of 2 for a mistake of its early configs and "
            "reads the text at its highest id instead. Export to open_clip, or train with a tokenizer that ends in another id."
        )
    config["text_config"] |= {"eos_token_id": end, "pad_token_id": text.pad}
    if kind == "siglip":
        config["text_config"]["projection_size"] = model.width
    else:
        config["projection_dim"] = model.width
    weights = to_theirs(model.state_dict(), ties_of(model))
    if kind == "chinese_clip":
        weights[SEGMENTS] = torch.zeros(2, text.width)
        config["text_config"]["type_vocab_size"] = 2
    shown = {
        "image_processor_type": {"clip": "CLIPImageProcessor", "siglip": "SiglipImageProcessor", "chinese_clip": "ChineseCLIPImageProcessor"}[kind],
        "image_mean": image.mean.flatten().tolist(), "image_std": image.std.flatten().tolist(), "resample": 3,
        "do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255,
    }  # fmt: skip
    return config, weights, shown


def _kind_of(config: Mapping[str, Any]) -> str:
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in _DEFAULTS:
        return kind
    if kind is None:
        raise DataError(
            "this is no config.json of transformers: it has no model_type. Give the folder that holds the model's."
        )
    raise CapabilityError(f"model_type is {kind!r}; read are {', '.join(_DEFAULTS)}. Convert one of these.")


def _kind_of_ours(model: DualEncoder, text: TextTower) -> str:
    """Return the family that has such a text tower and such projections; CapabilityError when none has."""
    has = {
        "pool": text.pool, "causal": text.causal, "masked": text.masked, "norms": text.norms,
        "image_projection": model.image_projection.kind, "text_projection": model.text_projection.kind,
        "logit_scale.bias": model.logit_scale.bias is not None,
    }  # fmt: skip
    linear = {"norms": "before", "image_projection": "linear", "text_projection": "linear", "logit_scale.bias": False}
    families = {
        "clip": {**linear, "pool": "eos", "causal": True, "masked": True},
        "siglip": {**linear, "pool": "last", "causal": False, "masked": False, "image_projection": "none",
                   "text_projection": "affine", "logit_scale.bias": True},
        "chinese_clip": {**linear, "pool": "cls", "causal": False, "masked": True, "norms": "after"},
    }  # fmt: skip
    for kind, wanted in families.items():
        if has == wanted:
            return kind
    apart = {kind: [name for name in wanted if has[name] != wanted[name]] for kind, wanted in families.items()}
    near = min(apart, key=lambda kind: len(apart[kind]))
    differ = ", ".join(f"{name} is {has[name]!r} and there {families[near][name]!r}" for name in apart[near])
    raise CapabilityError(
        f"transformers has no family with these parts. The nearest is {near}, but {differ}. Train with its parts, or export to "
        "open_clip, which leaves more choice."
    )


def _numbers(config: Mapping[str, Any], size: int) -> dict[str, Any]:
    said = config["hidden_act"]
    if said not in ACTIVATIONS:
        raise CapabilityError(f"hidden_act is {said!r}; our feed-forwards bend by {', '.join(ACTIVATIONS)}.")
    return {
        "width": config["hidden_size"], "depth": config["num_hidden_layers"], "heads": config["num_attention_heads"],
        "feed": config["intermediate_size"], "size": size, "activation": ACTIVATIONS[said], "eps": config["layer_norm_eps"],
    }  # fmt: skip


def _said(numbers: Transformer) -> dict[str, Any]:
    names = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    return {
        "hidden_size": numbers.width, "num_hidden_layers": numbers.depth, "num_attention_heads": numbers.heads,
        "intermediate_size": numbers.feed, "hidden_act": names[numbers.activation], "layer_norm_eps": numbers.eps,
    }  # fmt: skip
