"""What a CLIP of any library is made of, in our words, and whether one of our models is such a one.

Axes: F width of a tower, D shared width.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from components.contracts.errors import CapabilityError, DataError
from components.models.dual_encoder import DualEncoder
from components.models.grown import grown
from components.models.towers.image import ImageTower
from components.models.towers.text import Activation, QuickGelu, TextTower

CLIP_NET, SIGLIP_NET = "vit_base_patch16_clip_224", "vit_base_patch16_siglip_224"
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
CLIP_EPS, SIGLIP_EPS = 1e-5, 1e-6  # what timm's two nets add to a variance; no argument of theirs
ACTIVATION_ARGS: dict[Activation, dict[str, str]] = {
    "gelu": {}, "quick_gelu": {"act_layer": "quick_gelu"}, "gelu_tanh": {"act_layer": "gelu_tanh"},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformer:
    """The numbers of one: `feed` is the width of the feed-forward, `size` pixels a side or tokens a row."""

    width: int
    depth: int
    heads: int
    feed: int
    size: int
    activation: Activation
    eps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionTransformer(Transformer):
    """And of one for pictures: `patch` is pixels a side of a patch."""

    patch: int


def image_tower(net: str, args: Mapping[str, Any], mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    """Return the `class_path` and `init_args` of an image tower."""
    given = {"net": net, "net_args": dict(args), "mean": list(mean), "std": list(std)}
    return {"class_path": f"{ImageTower.__module__}.ImageTower", "init_args": given}


def vit_args(vit: VisionTransformer) -> dict[str, Any]:
    """Return timm's arguments of a vision transformer."""
    return {
        "img_size": vit.size, "patch_size": vit.patch, "embed_dim": vit.width, "depth": vit.depth,
        "num_heads": vit.heads, "mlp_ratio": ratio_of(vit), **ACTIVATION_ARGS[vit.activation],
    }  # fmt: skip


def ratio_of(numbers: Transformer) -> float:
    """Return the ratio of which timm and open_clip make the feed-forward's width, which they cut to a whole number."""
    ratio = numbers.feed / numbers.width
    return ratio if int(numbers.width * ratio) == numbers.feed else (numbers.feed + 0.5) / numbers.width


def text_tower(text: Transformer, vocabulary: int, **choices: Any) -> dict[str, Any]:
    """Return the same of a text tower; `choices` are causal, pool, masked, pad and norms."""
    given = {
        "vocabulary": vocabulary, "context": text.size, "width": text.width, "depth": text.depth, "heads": text.heads,
        "feed": text.feed, "activation": text.activation, "eps": text.eps, **choices,
    }  # fmt: skip
    return {"class_path": f"{TextTower.__module__}.TextTower", "init_args": given}


def dual_encoder(
    image: dict[str, Any], text: dict[str, Any], width: int, scale: float, projections: Mapping[str, Any], bias: bool
) -> dict[str, Any]:
    """Return the same of the whole: `projections` says width_in and kind of each side, `scale` where the logits' slope is."""
    most = 100.0 if scale < 100.5 else float(round(scale * 2))  # SigLIP's slopes pass CLIP's bound
    given = {"temperature": 0.07, "most": most, "bias": -10.0 if bias else None}
    module = DualEncoder.__module__.rpartition(".")[0]
    return {
        "class_path": f"{DualEncoder.__module__}.DualEncoder",
        "init_args": {
            "image": image, "text": text, "width": width,
            "logit_scale": {"class_path": f"{module}.projection.LogitScale", "init_args": given},
            **{
                f"{side}_projection": {
                    "class_path": f"{module}.projection.Projection",
                    "init_args": {"width_in": of[0], "width_out": width, "kind": of[1]},
                }
                for side, of in projections.items()
            },
        },
    }  # fmt: skip


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return what a config says under a name, nothing where it does not have it; DataError for what is no mapping."""
    said = config.get(name, {})
    if not isinstance(said, Mapping):
        raise DataError(
            f"{name} is {json.dumps(said)[:60]} in the config, and must hold names with values, or nobody knows what the weights are of. Fetch "
            "the config again."
        )
    return said


def scale_of(theirs: Mapping[str, Tensor]) -> float:
    """Return the slope of the logits that the weights hold, 1 where they hold none; DataError for what is no such number."""
    said = theirs.get("logit_scale", torch.zeros(()))
    scale = float(said.exp()) if said.numel() == 1 else math.nan
    if not math.isfinite(scale):
        raise DataError(
            f"logit_scale of the checkpoint is {said.flatten()[:4].tolist()}, and must be one number whose exponential is finite. The file is "
            "damaged, or the training had lost its numbers: fetch it again, or take an earlier checkpoint."
        )
    return scale


def activation_of(module: nn.Module) -> Activation:
    """Return what a feed-forward bends with; CapabilityError when no other library has a word for it."""
    from timm.layers import GELUTanh
    from timm.layers.activations import QuickGELU

    if isinstance(module, (QuickGelu, QuickGELU)):
        return "quick_gelu"
    if isinstance(module, GELUTanh) or (isinstance(module, nn.GELU) and module.approximate == "tanh"):
        return "gelu_tanh"
    if isinstance(module, nn.GELU):
        return "gelu"
    raise CapabilityError(f"the feed-forward bends with {type(module).__name__}, which no config of theirs names.")


def vit_of(tower: ImageTower, library: str, pool: str) -> VisionTransformer:
    """Return the numbers of a vision transformer that another library has: CLIP's (`token`) or SigLIP's (`map`).

    Raises CapabilityError saying what it has that theirs has not.
    """
    from timm.models.vision_transformer import VisionTransformer as Vit

    net: Any = tower.net
    wrong = []
    if type(net) is not Vit:
        raise CapabilityError(f"{library} has a vision transformer here, and this image tower is {tower.name!r}.")
    if net.global_pool != pool:
        wrong.append(f"pools by {net.global_pool!r}, not {pool!r}")
    if isinstance(net.norm_pre, nn.Identity) != (pool == "map"):
        wrong.append("has no norm before its blocks" if pool == "token" else "has a norm before its blocks")
    if net.num_prefix_tokens != (pool == "token"):
        wrong.append(f"has {net.num_prefix_tokens} class and register tokens")
    if (net.patch_embed.proj.bias is None) != (pool == "token"):
        wrong.append("has a bias on its patches" if pool == "token" else "has no bias on its patches")
    eps = CLIP_EPS if pool == "token" else SIGLIP_EPS
    if not isinstance(net.norm, nn.LayerNorm) or net.norm.eps != eps:
        wrong.append(f"has a last norm other than {eps} over a variance")
    names = {name for name, _ in net.blocks[0].named_parameters()}
    if names != {f"{part}.{kind}" for part in _BLOCK for kind in ("weight", "bias")}:
        wrong.append(f"has blocks of {', '.join(sorted({name.rpartition('.')[0] for name in names}))}")
    height, width = net.patch_embed.img_size or (0, 1)
    if height != width:
        wrong.append("is of no fixed, square size")
    if wrong:
        raise CapabilityError(
            f"{library} has no vision transformer that {', and '.join(wrong)}, as {tower.name!r} does."
        )
    block: Any = net.blocks[0]
    return VisionTransformer(
        width=net.embed_dim, depth=len(net.blocks), heads=block.attn.num_heads, feed=block.mlp.fc1.out_features,
        size=height, patch=net.patch_embed.patch_size[0], activation=activation_of(block.mlp.act), eps=eps,
    )  # fmt: skip


_BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")


def text_of(tower: TextTower) -> Transformer:
    """Return the numbers of a text tower."""
    block: Any = tower.blocks[0]
    return Transformer(
        width=tower.width, depth=len(tower.blocks), heads=block.heads, feed=block.feed[0].out_features,
        size=len(tower.position), activation=activation_of(block.feed[1]), eps=tower.norm.eps,
    )  # fmt: skip


def towers_of(model: DualEncoder, library: str) -> tuple[ImageTower, TextTower]:
    """Return both towers; CapabilityError for a model whose towers are of other kinds."""
    image, text = model.image, model.text
    if more := grown(model):
        raise CapabilityError(
            f"{library} has no place for what tuning added to this model, {', '.join(type(part).__name__ for part in more.values())}. Export it to onnx or "
            "triton, or tune in another way, such as components.finetuning.lora.Lora."
        )
    if isinstance(image, ImageTower) and isinstance(text, TextTower):
        return image, text
    raise CapabilityError(
        f"{library} takes a network of timm and a text transformer, and this model has {type(image).__name__} and "
        f"{type(text).__name__}."
    )
