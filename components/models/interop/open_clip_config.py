"""What open_clip's config says of a model of ours, and what stands in the way of saying it."""

from typing import Any

from components.contracts.errors import CapabilityError
from components.models.dual_encoder import DualEncoder
from components.models.interop.clip_resnet import NETS
from components.models.interop.layout import ratio_of, text_of, vit_of
from components.models.interop.open_clip_names import Kind
from components.models.poolers import Pool
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower

SHOWN_AT = "pretrained_cfg_overlay"  # timm's argument by which a network says another size of pictures than its own
POOLS: dict[str, Pool] = {"argmax": "eos", "eos": "eos", "last": "last", "first": "cls"}


def at_size(net: str, size: int) -> dict[str, Any]:
    """Return timm's arguments of a network that is shown pictures of so many pixels a side; none where that is its own size, or it can take no other.

    open_clip builds it for its own and shows it these, which changes no weight of a network that takes any.
    """
    from timm.models import PretrainedCfg, get_pretrained_cfg, is_model

    try:
        own = get_pretrained_cfg(net) or PretrainedCfg()
    except RuntimeError:  # it has no such tag, which building it says
        return {}
    if not is_model(net) or own.fixed_input_size or own.input_size[-1] == size:
        return {}
    return {SHOWN_AT: {"input_size": [3, size, size]}}


def _refusal(image: ImageTower) -> CapabilityError | None:
    try:
        vit_of(image, "open_clip", "token")
    except CapabilityError as err:
        return err
    return None


def kind_of(model: DualEncoder, image: ImageTower) -> Kind:
    """Return what open_clip would have as image tower."""
    if model.image_projection.kind == "linear" and _refusal(image) is None:
        return "transformer"
    published = image.name in {name for name, _ in NETS.values()} and not image.net_args
    return "resnet" if published and model.image_projection.kind == "affine" else "timm"


def vision_cfg(model: DualEncoder, image: ImageTower, kind: Kind) -> tuple[dict[str, Any], bool]:
    """Return vision_cfg, and whether open_clip's one word for both towers, quick_gelu, is said."""
    if kind == "transformer":
        vit = vit_of(image, "open_clip", "token")
        config: dict[str, Any] = {
            "image_size": vit.size, "layers": vit.depth, "width": vit.width, "head_width": vit.width // vit.heads,
            "patch_size": vit.patch, "mlp_ratio": ratio_of(vit),
        }  # fmt: skip
        if vit.activation == "gelu_tanh":
            config["act_kwargs"] = {"approximate": "tanh"}
        return config, vit.activation == "quick_gelu"
    quick = isinstance(model.text, TextTower) and text_of(model.text).activation == "quick_gelu"
    if kind == "resnet":
        (layers, width), size = next((said, size) for said, (name, size) in NETS.items() if name == image.name)
        return {"layers": list(layers), "width": width, "patch_size": None, "image_size": size}, quick
    beyond = {name: value for name, value in image.net_args.items() if name not in ("global_pool", SHOWN_AT)}
    if beyond:
        raise CapabilityError(
            f"open_clip builds a network of timm by its name alone, and {image.name!r} was built with {beyond}. It would build "
            f"another one. Train a network as timm has it, or a vision transformer as CLIP's ({_refusal(image)})"
        )
    by = model.image_projection.kind
    return {
        "timm_model_name": image.name, "timm_model_pretrained": False, "timm_proj": "none" if by == "none" else "linear",
        "timm_proj_bias": by == "affine", "timm_pool": image.net_args.get("global_pool") or _pool_of(image),
        "image_size": image.net.default_cfg["input_size"][-1],  # type: ignore[index, union-attr]  # timm's nets all have it
    }, quick  # fmt: skip


def _pool_of(image: ImageTower) -> str:
    """Return what timm's network pools by; open_clip must be told where it projects nothing."""
    by = getattr(image.net, "global_pool", None) or getattr(getattr(image.net, "head", None), "global_pool", None)
    return by if isinstance(by, str) else str(getattr(by, "pool_type", ""))


def text_cfg(model: DualEncoder, text: TextTower, quick: bool, end: int) -> dict[str, Any]:
    """Return text_cfg; `quick` is that one word, `end` the id of the token that ends a text."""
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
