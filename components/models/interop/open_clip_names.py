"""The names of open_clip's tensors, beside ours."""

from collections.abc import Sequence
from typing import Literal

from components.models.dual_encoder import DualEncoder
from components.models.interop.clip_resnet import resnet_ties
from components.models.interop.layout import towers_of
from components.models.interop.ties import Tie, affine, tie
from components.models.towers.image import ImageTower

Kind = Literal["transformer", "resnet", "timm"]
"""Of image tower: open_clip's own two, or a network of timm within open_clip."""


def ties_of(model: DualEncoder, kind: Kind, custom: bool, within: bool = False) -> list[Tie]:
    """Return the tie of every tensor.

    Args:
        kind: of image tower.
        custom: whether the text tower's tensors have its name before theirs.
        within: whether timm's classifier is what projects.
    """
    image, text = towers_of(model, "open_clip")
    before = "text." if custom else ""
    ties = [tie("logit_scale.log_scale", "logit_scale")]
    if model.logit_scale.bias is not None:
        ties.append(tie("logit_scale.bias", "logit_bias"))
    if kind == "transformer":
        ties += _vit_ties(len(image.net.blocks))  # type: ignore[arg-type]  # a vision transformer's
    else:
        ties += resnet_ties(image.net.state_dict()) if kind == "resnet" else _trunk_ties(model, image, within)
    ties += [
        tie("text.embedding.weight", f"{before}token_embedding.weight"),
        tie("text.position", f"{before}positional_embedding"),
        *affine("text.norm", f"{before}ln_final"),
    ]
    for i in range(len(text.blocks)):
        ours = ("norm_attention", "qkv", "out", "norm_feed", "feed.0", "feed.2")
        ties += _block_ties(f"text.blocks.{i}", f"{before}transformer.resblocks.{i}", ours)
    if model.text_projection.kind == "affine":
        ties += affine("text_projection.linear", f"{before}text_projection")
    elif model.text_projection.kind == "linear":
        ties.append(tie("text_projection.linear.weight", f"{before}text_projection", turned=True))
    return ties


def _vit_ties(depth: int) -> list[Tie]:
    net, visual = "image.net", "visual"
    ties = [
        tie(f"{net}.patch_embed.proj.weight", f"{visual}.conv1.weight"),
        tie(f"{net}.cls_token", f"{visual}.class_embedding", bare=2),
        tie(f"{net}.pos_embed", f"{visual}.positional_embedding", bare=1),
        *affine(f"{net}.norm_pre", f"{visual}.ln_pre"),
        *affine(f"{net}.norm", f"{visual}.ln_post"),
        tie("image_projection.linear.weight", f"{visual}.proj", turned=True),
    ]
    ours = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    for i in range(depth):
        ties += _block_ties(f"{net}.blocks.{i}", f"{visual}.transformer.resblocks.{i}", ours)
    return ties


def _block_ties(ours: str, theirs: str, names: Sequence[str]) -> list[Tie]:
    norm_attention, qkv, out, norm_feed, wide, narrow = (f"{ours}.{name}" for name in names)
    return [
        *affine(norm_attention, f"{theirs}.ln_1"),
        *(tie(f"{qkv}.{part}", f"{theirs}.attn.in_proj_{part}") for part in ("weight", "bias")),
        *affine(out, f"{theirs}.attn.out_proj"), *affine(norm_feed, f"{theirs}.ln_2"),
        *affine(wide, f"{theirs}.mlp.c_fc"), *affine(narrow, f"{theirs}.mlp.c_proj"),
    ]  # fmt: skip


def _trunk_ties(model: DualEncoder, image: ImageTower, within: bool) -> list[Tie]:
    """Return the ties of a network of timm, whose names stay."""
    ties = [tie(f"image.net.{name}", f"visual.trunk.{name}") for name in image.net.state_dict()]
    if model.image_projection.kind != "none":
        classifier = image.net.default_cfg["classifier"]  # type: ignore[index]  # timm's nets all have it
        head = f"visual.trunk.{classifier}" if within else "visual.head.proj"
        ties += affine("image_projection.linear", head, bias=model.image_projection.kind == "affine")
    return ties
