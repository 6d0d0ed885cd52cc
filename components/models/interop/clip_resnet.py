"""The ResNets that OpenAI trained CLIP with, as open_clip writes them and as timm has them.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.4. Differs: nothing; timm's `resnet50_clip` and its kin are the same
networks, pooled by attention, whose last map is our projection.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.contracts.errors import CapabilityError
from components.models.interop.ties import Tie, affine, tie

NETS: dict[tuple[tuple[int, ...], int], tuple[str, int]] = {
    ((3, 4, 6, 3), 64): ("resnet50_clip", 224), ((3, 4, 23, 3), 64): ("resnet101_clip", 224),
    ((4, 6, 10, 6), 80): ("resnet50x4_clip", 288), ((6, 8, 18, 8), 96): ("resnet50x16_clip", 384),
    ((3, 15, 36, 10), 128): ("resnet50x64_clip", 448),
}  # fmt: skip
"""Blocks of each stage and width -> timm's name and the pixels a side."""

_POOL = {"q": "q_proj", "k": "k_proj", "v": "v_proj"}


def net_of(vision: Mapping[str, Any]) -> str:
    """Return timm's name of what vision_cfg describes; CapabilityError when it has none."""
    layers, width, size = tuple(vision["layers"]), vision.get("width", 64), vision.get("image_size", 224)
    name, wanted = NETS.get((layers, width), ("", 0))
    if size != wanted:
        known = ", ".join(f"{list(said[0])} of {said[1]} at {pixels}" for said, (_, pixels) in NETS.items())
        raise CapabilityError(
            f"vision_cfg asks for a ResNet of {list(layers)} blocks, {width} wide, at {size} pixels; those that CLIP was published "
            f"with are {known}. Convert one of these, or a vision transformer."
        )
    return name


def resnet_ties(names: Iterable[str]) -> list[Tie]:
    """Return the ties of such a network, of its names in timm, and of our projection."""
    return [
        *(tie(f"image.net.{name}", f"visual.{theirs_of(name)}") for name in names),
        *affine("image_projection.linear", "visual.attnpool.c_proj"),
    ]


def theirs_of(name: str) -> str:
    """Return open_clip's name of one of timm's, such as layer1.0.bn2.weight of stages.0.0.conv2_kxk.bn.weight."""
    kind, *rest = name.split(".")
    if kind == "stem":  # conv1.conv.weight
        return _numbered(rest[0][-1], rest[1:])
    if kind == "head":
        return ".".join(
            ["attnpool", *(["positional_embedding"] if rest == ["pos_embed"] else [_POOL[rest[0]], *rest[1:]])]
        )
    stage, block, part, *rest = rest
    before = f"layer{int(stage) + 1}.{block}"
    if part == "shortcut":  # conv.bn.weight
        return ".".join([before, "downsample", {"conv": "0", "bn": "1"}[rest[1]], *rest[2:]])
    return f"{before}.{_numbered(part[4], rest)}"


def _numbered(number: str, rest: Sequence[str]) -> str:
    return ".".join([f"{rest[0]}{number}", *rest[1:]])
