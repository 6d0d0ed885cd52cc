"""The names of transformers' tensors, beside ours."""

from typing import Any

from components.models.dual_encoder import DualEncoder
from components.models.interop.layout import towers_of
from components.models.interop.ties import Tie, affine, stacked, tie
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower


def ties_of(model: DualEncoder) -> list[Tie]:
    """Return the tie of every tensor."""
    image, text = towers_of(model, "transformers")
    one = -1 if model.logit_scale.bias is not None else 0  # SigLIP keeps its two numbers as rows of one
    ties = [tie("logit_scale.log_scale", "logit_scale", bare=one)]
    if model.logit_scale.bias is not None:
        ties.append(tie("logit_scale.bias", "logit_bias", bare=one))
    return ties + _image_ties(model, image) + _text_ties(model, text)


def _image_ties(model: DualEncoder, image: ImageTower) -> list[Tie]:
    ours, theirs = "image.net", "vision_model"
    net: Any = image.net
    mapped = net.attn_pool is not None
    ties = [
        *affine(f"{ours}.patch_embed.proj", f"{theirs}.embeddings.patch_embedding", bias=mapped),
        tie(f"{ours}.pos_embed", f"{theirs}.embeddings.position_embedding.weight", bare=1),
        *affine(f"{ours}.norm", f"{theirs}.post_layernorm"),
    ]
    if mapped:
        pool, head = f"{ours}.attn_pool", f"{theirs}.head"
        ties += [
            tie(f"{pool}.latent", f"{head}.probe"),
            *(Tie(ours=(f"{pool}.q.{part}", f"{pool}.kv.{part}"), theirs=(f"{head}.attention.in_proj_{part}",)) for part in ("weight", "bias")),
            *affine(f"{pool}.proj", f"{head}.attention.out_proj"), *affine(f"{pool}.norm", f"{head}.layernorm"),
            *affine(f"{pool}.mlp.fc1", f"{head}.mlp.fc1"), *affine(f"{pool}.mlp.fc2", f"{head}.mlp.fc2"),
        ]  # fmt: skip
    else:
        ties += [
            tie(f"{ours}.cls_token", f"{theirs}.embeddings.class_embedding", bare=2),
            *affine(f"{ours}.norm_pre", f"{theirs}.pre_layrnorm"),  # spelt so
            tie("image_projection.linear.weight", "visual_projection.weight"),
        ]
    for i in range(len(net.blocks)):
        names = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
        ties += _block_ties([f"{ours}.blocks.{i}.{name}" for name in names], f"{theirs}.encoder.layers.{i}")
    return ties


def _text_ties(model: DualEncoder, text: TextTower) -> list[Tie]:
    bert, theirs = text.norms == "after", "text_model"
    kept = f"{theirs}.embeddings"
    ties = [
        tie("text.embedding.weight", f"{kept}.{'word' if bert else 'token'}_embedding{'s' if bert else ''}.weight"),
        tie("text.position", f"{kept}.position_embedding{'s' if bert else ''}.weight"),
        *affine("text.norm", f"{kept}.LayerNorm" if bert else f"{theirs}.final_layer_norm"),
    ]
    for i in range(len(text.blocks)):
        names = [
            f"text.blocks.{i}.{name}" for name in ("norm_attention", "qkv", "out", "norm_feed", "feed.0", "feed.2")
        ]
        ties += (
            _bert_ties(names, f"{theirs}.encoder.layer.{i}")
            if bert
            else _block_ties(names, f"{theirs}.encoder.layers.{i}")
        )
    if model.text_projection.kind == "affine":
        return ties + affine("text_projection.linear", f"{theirs}.head")
    return [*ties, tie("text_projection.linear.weight", "text_projection.weight")]


def _block_ties(ours: list[str], theirs: str) -> list[Tie]:
    norm_attention, qkv, out, norm_feed, wide, narrow = ours
    return [
        *affine(norm_attention, f"{theirs}.layer_norm1"),
        *stacked([qkv], [f"{theirs}.self_attn.{part}_proj" for part in "qkv"]),
        *affine(out, f"{theirs}.self_attn.out_proj"), *affine(norm_feed, f"{theirs}.layer_norm2"),
        *affine(wide, f"{theirs}.mlp.fc1"), *affine(narrow, f"{theirs}.mlp.fc2"),
    ]  # fmt: skip


def _bert_ties(ours: list[str], theirs: str) -> list[Tie]:
    norm_attention, qkv, out, norm_feed, wide, narrow = ours
    return [
        *stacked([qkv], [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]),
        *affine(out, f"{theirs}.attention.output.dense"), *affine(norm_attention, f"{theirs}.attention.output.LayerNorm"),
        *affine(wide, f"{theirs}.intermediate.dense"), *affine(narrow, f"{theirs}.output.dense"),
        *affine(norm_feed, f"{theirs}.output.LayerNorm"),
    ]  # fmt: skip
