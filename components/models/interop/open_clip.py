"""open_clip's CLIP as ours, and ours as open_clip's: its config and the names of its tensors.

Source: open_clip_torch 3.3.0, model_configs and model.py. Taken: its own vision transformer, its ResNets, and every network of
timm that it names, with its own text transformer. Not taken: CoCa's pooling, text towers of transformers; each is said.
Golden: open_clip itself, features, float32, 1e-5.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from components.contracts.errors import CapabilityError, DataError
from components.models.dual_encoder import DualEncoder
from components.models.interop.clip_resnet import net_of
from components.models.interop.layout import (
    CLIP_EPS,
    CLIP_MEAN,
    CLIP_NET,
    CLIP_STD,
    Transformer,
    VisionTransformer,
    dual_encoder,
    image_tower,
    scale_of,
    section,
    text_tower,
    towers_of,
    vit_args,
)
from components.models.interop.open_clip_config import POOLS, at_size, kind_of, text_cfg, vision_cfg
from components.models.interop.open_clip_names import Kind, ties_of
from components.models.interop.ties import to_ours, to_theirs
from components.models.towers.image import ImageTower
from components.models.towers.text import Activation

LIBRARY = "open_clip"

# What we read of each tower's config, and what changes no feature; anything else must be off.
_OF_TRAINING = (
    "patch_dropout", "timm_drop", "timm_drop_path", "timm_model_pretrained", "output_tokens", "pos_embed_type"
)  # fmt: skip
_VISION = frozenset(
    {"layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size", "act_kwargs", "norm_kwargs", "pool_type",
     "timm_model_name", "timm_pool", "timm_proj", "timm_proj_bias", "attn_pooler_queries", "attn_pooler_heads", *_OF_TRAINING}
)  # fmt: skip
_TEXT = frozenset(
    {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "no_causal_mask", "pool_type", "proj_bias",
     "act_kwargs", "norm_kwargs", "hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs", "pad_id", "eos_id",
     "output_tokens", "proj_type"}
)  # fmt: skip


def described(config: Mapping[str, Any], theirs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the `class_path` and `init_args` of what open_clip_config.json describes.

    Raises DataError when it is no such config or the scale no number, CapabilityError naming what it asks for that we have not.
    """
    model = section(config, "model_cfg") or config
    missing = [name for name in ("embed_dim", "vision_cfg", "text_cfg") if name not in model]
    if missing:
        raise DataError(
            f"this is no config of open_clip: it lacks {', '.join(missing)}. Give open_clip_config.json as open_clip's hub "
            "folders have it, or one of its model_configs."
        )
    _only_known("vision_cfg", section(model, "vision_cfg"), _VISION)
    _only_known("text_cfg", section(model, "text_cfg"), _TEXT)
    if "multimodal_cfg" in model:
        raise CapabilityError("this is CoCa (multimodal_cfg): it has a decoder, which a dual encoder has no place for.")
    quick = bool(model.get("quick_gelu", False))
    image, image_projection = _image(model, section(config, "preprocess_cfg"), quick)
    text, text_projection = _text(model["text_cfg"], quick)
    bare = _bare(theirs)
    return dual_encoder(
        image, text, model["embed_dim"], scale_of(bare), {"image": image_projection, "text": text_projection},
        bias="logit_bias" in bare,
    )  # fmt: skip


def take(model: DualEncoder, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our weights of theirs; DataError as of `to_ours`. `model` is what was described, with any weights."""
    bare = _bare(theirs)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    custom = any(name.startswith("text.") for name in bare)
    kind: Kind = "timm"
    if "visual.conv1.weight" in bare:
        kind = "transformer" if "visual.class_embedding" in bare else "resnet"
    ties = ties_of(model, kind, custom, within="visual.head.proj.weight" not in bare)
    return to_ours(bare, ties, shapes, dropped=("attn_mask", "text.attn_mask"))


def give(model: DualEncoder, end: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return open_clip_config.json and the weights that open_clip reads with it.

    `end` is the id of the token that ends a text. Raises CapabilityError for what open_clip has not.
    """
    image, text = towers_of(model, LIBRARY)
    kind = kind_of(model, image)
    custom = not (kind != "timm" and model.text_projection.kind == "linear" and text.pool == "eos")
    vision, quick = vision_cfg(model, image, kind)
    words = text_cfg(model, text, quick, end)
    config: dict[str, Any] = {"embed_dim": model.width, "quick_gelu": quick, "vision_cfg": vision, "text_cfg": words}
    if custom:
        config["custom_text"] = True
    if model.logit_scale.bias is not None:
        config["init_logit_bias"] = -10.0
    shown = {"mean": image.mean.flatten().tolist(), "std": image.std.flatten().tolist(), "interpolation": "bicubic"}
    weights = to_theirs(model.state_dict(), ties_of(model, kind, custom))
    return {"model_cfg": config, "preprocess_cfg": shown}, weights


def _bare(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights without the word that training on several devices puts before each name."""
    return {name.removeprefix("module."): value for name, value in theirs.items()}


def _only_known(part: str, config: Mapping[str, Any], known: frozenset[str]) -> None:
    strange = {name: value for name, value in config.items() if name not in known and value not in (None, False)}
    if strange:
        said = ", ".join(f"{name}: {value!r}" for name, value in strange.items())
        raise CapabilityError(
            f"{part} asks for {said}, which our towers have not. The weights would be taken for those of another model. "
            "Convert a model without it."
        )


def _image(model: Mapping[str, Any], shown: Mapping[str, Any], quick: bool) -> tuple[dict[str, Any], tuple[int, str]]:
    """Return the image tower, and the width and kind of its projection."""
    vision = model["vision_cfg"]
    mean, std = tuple(shown.get("mean", CLIP_MEAN)), tuple(shown.get("std", CLIP_STD))
    if name := vision.get("timm_model_name"):
        proj, pool = vision.get("timm_proj", "linear"), vision.get("timm_pool", "avg")
        if proj == "mlp" or pool in ("abs_attn", "rot_attn"):
            raise CapabilityError(
                f"vision_cfg asks for timm_proj {proj!r} and timm_pool {pool!r}: an mlp, abs_attn or rot_attn of open_clip's own "
                "stands between network and shared space, which our projection has not. Convert a model without it."
            )
        args = {"global_pool": pool} if pool else {}
        args |= at_size(name, _square(vision.get("image_size", 224)))
        tower = image_tower(name, args, mean, std)
        kind = {"none": "none", "": "affine"}.get(proj or "", "affine" if vision.get("timm_proj_bias") else "linear")
        return tower, (_width(name, args), kind)
    if isinstance(vision.get("layers", 12), Sequence):
        name = net_of(vision)
        return image_tower(name, {}, mean, std), (_width(name, {}), "affine")
    if vision.get("pool_type", "tok") != "tok" or (vision.get("norm_kwargs") or {}).get("eps", CLIP_EPS) != CLIP_EPS:
        raise CapabilityError(
            f"vision_cfg asks for pool_type {vision.get('pool_type', 'tok')!r} and norm_kwargs {vision.get('norm_kwargs')}, and "
            f"open_clip's transformer is read with pool_type 'tok' and {CLIP_EPS} over a variance only."
        )
    wide = vision.get("width", 768)
    vit = VisionTransformer(
        width=wide, depth=vision.get("layers", 12), heads=wide // vision.get("head_width", 64),
        feed=int(wide * vision.get("mlp_ratio", 4.0)), size=_square(vision.get("image_size", 224)),
        activation=_activation(vision, quick), eps=CLIP_EPS, patch=_square(vision.get("patch_size", 16)),
    )  # fmt: skip
    return image_tower(CLIP_NET, vit_args(vit), mean, std), (wide, "linear")


def _width(net: str, args: Mapping[str, Any]) -> int:
    with torch.device("meta"):  # to know it, no numbers are needed
        return ImageTower(net, args).width


def _text(config: Mapping[str, Any], quick: bool) -> tuple[dict[str, Any], tuple[int, str]]:
    """Return the same of the text tower."""
    said = config.get("pool_type", "argmax")
    if said not in POOLS or config.get("proj_type", "linear") not in ("linear", "none"):
        raise CapabilityError(
            f"text_cfg asks for pool_type {said!r} and proj_type {config.get('proj_type')!r}; read are {', '.join(POOLS)}, and "
            "linear or none."
        )
    wide, pool, causal = config.get("width", 512), POOLS[said], not config.get("no_causal_mask", False)
    text = Transformer(
        width=wide, depth=config.get("layers", 12), heads=config.get("heads", 8),
        feed=int(wide * config.get("mlp_ratio", 4.0)), size=config.get("context_length", 77),
        activation=_activation(config, quick), eps=(config.get("norm_kwargs") or {}).get("eps", 1e-5),
    )  # fmt: skip
    hidden = causal and pool == "eos"  # open_clip hides no padding; from a causal end token it cannot be seen
    tower = text_tower(
        text, config.get("vocab_size", 49408), causal=causal, pool=pool, masked=hidden, pad=config.get("pad_id", 0)
    )
    if config.get("proj_type") == "none":
        return tower, (wide, "none")
    return tower, (wide, "affine" if config.get("proj_bias") else "linear")


def _activation(config: Mapping[str, Any], quick: bool) -> Activation:
    if quick:
        return "quick_gelu"
    return "gelu_tanh" if (config.get("act_kwargs") or {}).get("approximate") == "tanh" else "gelu"


def _square(size: int | Sequence[int]) -> int:
    if isinstance(size, int):
        return size
    if size[0] != size[1]:
        raise CapabilityError(f"vision_cfg asks for pictures or patches of {list(size)} pixels; ours are square.")
    return size[0]
