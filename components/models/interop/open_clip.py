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
from components.models.interop.clip_resnet import NETS, net_of, resnet_ties
from components.models.interop.layout import (
    CLIP_EPS,
    CLIP_MEAN,
    CLIP_NET,
    CLIP_STD,
    Transformer,
    VisionTransformer,
    dual_encoder,
    image_tower,
    ratio_of,
    text_of,
    text_tower,
    towers_of,
    vit_args,
    vit_of,
)
from components.models.interop.ties import Tie, affine, tie, to_ours, to_theirs
from components.models.poolers import Pool
from components.models.towers.image import ImageTower
from components.models.towers.text import Activation, TextTower

LIBRARY = "open_clip"
POOLS: dict[str, Pool] = {"argmax": "eos", "eos": "eos", "last": "last", "first": "cls"}

# What we read of each tower's config, and what changes no feature; anything else must be off.
_OF_TRAINING = (
    "patch_dropout",
    "timm_drop",
    "timm_drop_path",
    "timm_model_pretrained",
    "output_tokens",
    "pos_embed_type",
)
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

    Raises DataError when it is no such config, CapabilityError naming what it asks for that we have not.
    """
    model = config.get("model_cfg", config)
    missing = [name for name in ("embed_dim", "vision_cfg", "text_cfg") if name not in model]
    if missing:
        raise DataError(
            f"this is no config of open_clip: it lacks {', '.join(missing)}. Give open_clip_config.json as open_clip's hub "
            "folders have it, or one of its model_configs."
        )
    _only_known("vision_cfg", model["vision_cfg"], _VISION)
    _only_known("text_cfg", model["text_cfg"], _TEXT)
    if "multimodal_cfg" in model:
        raise CapabilityError("this is CoCa (multimodal_cfg): it has a decoder, which a dual encoder has no place for.")
    quick = bool(model.get("quick_gelu", False))
    image, image_projection = _image(model, config.get("preprocess_cfg", {}), quick)
    text, text_projection = _text(model["text_cfg"], quick)
    scale = float(theirs["logit_scale"].exp()) if "logit_scale" in theirs else 1.0
    return dual_encoder(
        image, text, model["embed_dim"], scale, {"image": image_projection, "text": text_projection},
        bias="logit_bias" in theirs,
    )  # fmt: skip


def take(model: DualEncoder, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our weights of theirs; DataError as of `to_ours`. `model` is what was described, with any weights."""
    bare = {name.removeprefix("module."): value for name, value in theirs.items()}  # trained on several devices
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    custom = any(name.startswith("text.") for name in bare)
    native = "visual.class_embedding" in bare
    ties = _ties(model, custom, native, within="visual.head.proj.weight" not in bare)
    return to_ours(bare, ties, shapes, dropped=("attn_mask", "text.attn_mask"))


def give(model: DualEncoder, end: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return open_clip_config.json and the weights that open_clip reads with it.

    `end` is the id of the token that ends a text. Raises CapabilityError for what open_clip has not.
    """
    image, text = towers_of(model, LIBRARY)
    native = model.image_projection.kind == "linear" and _refusal(image) is None
    its_own = native or _own_resnet(model, image) is not None
    custom = not (its_own and model.text_projection.kind == "linear" and text.pool == "eos")
    vision, quick = _vision_cfg(model, image, native)
    words = _text_cfg(model, text, quick, end)
    config: dict[str, Any] = {"embed_dim": model.width, "quick_gelu": quick, "vision_cfg": vision, "text_cfg": words}
    if custom:
        config["custom_text"] = True
    if model.logit_scale.bias is not None:
        config["init_logit_bias"] = -10.0
    shown = {"mean": image.mean.flatten().tolist(), "std": image.std.flatten().tolist(), "interpolation": "bicubic"}
    weights = to_theirs(model.state_dict(), _ties(model, custom, native))
    return {"model_cfg": config, "preprocess_cfg": shown}, weights


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
    tower = text_tower(
        text,
        config.get("vocab_size", 49408),
        causal=causal,
        pool=pool,
        masked=causal and pool == "eos",
        pad=config.get("pad_id", 0),
    )  # open_clip hides no padding; from a causal end token it cannot be seen
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


def _refusal(image: ImageTower) -> CapabilityError | None:
    try:
        vit_of(image, LIBRARY, "token")
    except CapabilityError as err:
        return err
    return None


def _own_resnet(model: DualEncoder, image: ImageTower) -> tuple[tuple[int, ...], int] | None:
    """Return its blocks and width, where open_clip has the network as its own."""
    plain = model.image_projection.kind == "affine" and not image.net_args
    return next((said for said, (name, _) in NETS.items() if name == image.name), None) if plain else None


def _vision_cfg(model: DualEncoder, image: ImageTower, native: bool) -> tuple[dict[str, Any], bool]:
    """Return vision_cfg, and whether open_clip's one word for both towers, quick_gelu, is said."""
    if native:
        vit = vit_of(image, LIBRARY, "token")
        config: dict[str, Any] = {
            "image_size": vit.size, "layers": vit.depth, "width": vit.width, "head_width": vit.width // vit.heads,
            "patch_size": vit.patch, "mlp_ratio": ratio_of(vit),
        }  # fmt: skip
        if vit.activation == "gelu_tanh":
            config["act_kwargs"] = {"approximate": "tanh"}
        return config, vit.activation == "quick_gelu"
    quick = isinstance(model.text, TextTower) and text_of(model.text).activation == "quick_gelu"
    if found := _own_resnet(model, image):
        layers, width = found
        return {"layers": list(layers), "width": width, "patch_size": None, "image_size": NETS[found][1]}, quick
    beyond = {name: value for name, value in image.net_args.items() if name != "global_pool"}
    if beyond:
        raise CapabilityError(
            f"open_clip builds a network of timm by its name alone, and {image.name!r} was built with {beyond}. It would build "
            f"another one. Train a network as timm has it, or a vision transformer as CLIP's ({_refusal(image)})"
        )
    kind = model.image_projection.kind
    return {
        "timm_model_name": image.name, "timm_model_pretrained": False, "timm_proj": "none" if kind == "none" else "linear",
        "timm_proj_bias": kind == "affine", "timm_pool": image.net_args.get("global_pool") or _pool_of(image),
        "image_size": image.net.default_cfg["input_size"][-1],  # type: ignore[index, union-attr]  # timm's nets all have it
    }, quick  # fmt: skip


def _pool_of(image: ImageTower) -> str:
    """Return what timm's network pools by; open_clip must be told where it projects nothing."""
    by = getattr(image.net, "global_pool", None) or getattr(getattr(image.net, "head", None), "global_pool", None)
    return by if isinstance(by, str) else str(getattr(by, "pool_type", ""))


def _text_cfg(model: DualEncoder, text: TextTower, quick: bool, end: int) -> dict[str, Any]:
    numbers = text_of(text)
    pool = {ours: theirs for theirs, ours in reversed(POOLS.items())}.get(text.pool)
    wrong = []
    if pool is None:
        wrong.append(f"pools by {text.pool!r}")
    if text.norms != "before":
        wrong.append("norms after its sums")
    if text.masked and not (text.causal and text.pool == "eos"):
        wrong.append("hides padding from what is read")
    if (numbers.activation == "quick_gelu") != quick:
        wrong.append("bends by quick_gelu where the image tower does not, or the other way")
    if wrong:
        raise CapabilityError(f"open_clip has no text tower that {', and '.join(wrong)}, as this model's does.")
    config: dict[str, Any] = {
        "context_length": numbers.size, "vocab_size": text.embedding.num_embeddings, "width": numbers.width,
        "heads": numbers.heads, "layers": numbers.depth, "mlp_ratio": ratio_of(numbers), "pool_type": pool,
        "no_causal_mask": not text.causal, "norm_kwargs": {"eps": numbers.eps},
    }  # fmt: skip
    if numbers.activation == "gelu_tanh":
        config["act_kwargs"] = {"approximate": "tanh"}
    if text.pool == "eos" and end != text.embedding.num_embeddings - 1:  # argmax finds the highest id
        config |= {"pool_type": "eos", "eos_id": end}
    kind = model.text_projection.kind
    return config | {"proj_bias": kind == "affine", "proj_type": "none" if kind == "none" else "linear"}


def _ties(model: DualEncoder, custom: bool, native: bool, within: bool = False) -> list[Tie]:
    """Return the tie of every tensor.

    Args:
        custom: whether the text tower's tensors have its name before theirs.
        native: whether the image tower is open_clip's own, or else timm's.
        within: whether timm's classifier is what projects.
    """
    image, text = towers_of(model, LIBRARY)
    before = "text." if custom else ""
    ties = [tie("logit_scale.log_scale", "logit_scale")]
    if model.logit_scale.bias is not None:
        ties.append(tie("logit_scale.bias", "logit_bias"))
    ties += _vit_ties(len(image.net.blocks)) if native else _trunk_ties(model, image, within)  # type: ignore[arg-type]
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
    """Return the ties of a network of timm, whose names stay, unless it is one of open_clip's own ResNets."""
    if _own_resnet(model, image):
        return resnet_ties(image.net.state_dict())
    ties = [tie(f"image.net.{name}", f"visual.trunk.{name}") for name in image.net.state_dict()]
    if model.image_projection.kind != "none":
        classifier = image.net.default_cfg["classifier"]  # type: ignore[index]  # timm's nets all have it
        head = f"visual.trunk.{classifier}" if within else "visual.head.proj"
        ties += affine("image_projection.linear", head, bias=model.image_projection.kind == "affine")
    return ties
