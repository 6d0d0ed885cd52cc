"""A timm network, opened: what comes before its blocks, the blocks, and what follows them.

timm's networks each write their `forward_features`, which no attribute describes. Those that are plain chains are listed
here by the function they run, so that a heir that runs another is not mistaken for them; of all others the whole trunk
is one block. timm's own `forward_head` pools what comes out, always.
Axes: N pictures, L tokens, F features, h x w the grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Chain:
    """Attributes of a network in the order in which its pixels pass them.

    Args:
        stem: before the blocks.
        stages: lists of blocks. One list: each block is a level; several: each list is one.
        end: after the blocks, before the head.
    """

    stem: tuple[str, ...]
    stages: tuple[str, ...]
    end: tuple[str, ...] = ()


_STEMMED = Chain(("stem",), ("stages",))
_PATCHED = Chain(("patch_embed",), ("layers",), ("norm",))
CHAINS = {
    "vision_transformer.VisionTransformer": Chain(
        ("patch_embed", "_pos_embed", "patch_drop", "norm_pre"), ("blocks",), ("norm",)
    ),
    "mlp_mixer.MlpMixer": Chain(("stem",), ("blocks",), ("norm",)),
    "swin_transformer.SwinTransformer": _PATCHED,
    "swin_transformer_v2.SwinTransformerV2": _PATCHED,
    "resnet.ResNet": Chain(("conv1", "bn1", "act1", "maxpool"), ("layer1", "layer2", "layer3", "layer4")),
    "regnet.RegNet": Chain(("stem",), ("s1", "s2", "s3", "s4"), ("final_conv",)),
    "convnext.ConvNeXt": Chain(("stem",), ("stages",), ("norm_pre",)),
    "byobnet.ByobNet": Chain(("stem",), ("stages",), ("final_conv",)),
    "maxxvit.MaxxVit": Chain(("stem",), ("stages",), ("norm",)),
    "metaformer.MetaFormer": _STEMMED,
    "inception_next.MetaNeXt": _STEMMED,
    "efficientnet.EfficientNet": Chain(("conv_stem", "bn1"), ("blocks",), ("conv_head", "bn2")),
    "mobilenetv3.MobileNetV3": Chain(("conv_stem", "bn1"), ("blocks",)),
}
"""Module and class of timm whose `forward_features` is that chain."""


class Trunk(nn.Module):
    """All of a network but its head, as one block."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        """Return what the head takes."""
        return self.net.forward_features(pixels)  # type: ignore[operator]  # every network of timm has it


class Opened:
    """A network as its blocks; walking them gives what `forward_features` gives.

    Args:
        net: a network of timm.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        runs = type(net).forward_features  # type: ignore[attr-defined]  # every network of timm has it
        name = f"{runs.__module__.removeprefix('timm.models.')}.{runs.__qualname__.removesuffix('.forward_features')}"
        self._chain = CHAINS.get(name)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The blocks in order; one, of all, where the network is no chain."""
        if self._chain is None:
            return (Trunk(self._net),)
        return [block for name in self._chain.stages for block in getattr(self._net, name).children()]

    @property
    def levels(self) -> Sequence[int] | None:
        """After which block each level ends; None where timm must be asked."""
        if self._chain is None:
            return None
        sizes = [len(list(getattr(self._net, name).children())) for name in self._chain.stages]
        return range(sizes[0]) if len(sizes) == 1 else [sum(sizes[: i + 1]) - 1 for i in range(len(sizes))]

    def stem(self, pixels: Tensor) -> Tensor:
        """Return what the first block takes."""
        return self._through(pixels, self._chain.stem if self._chain else ())

    def end(self, tokens: Tensor) -> Tensor:
        """Return what the head takes, of what the last block gave."""
        return self._through(tokens, self._chain.end if self._chain else ())

    def _through(self, tokens: Tensor, names: Sequence[str]) -> Tensor:
        for name in names:
            step: Callable[[Tensor], Tensor] = getattr(self._net, name)
            tokens = step(tokens)
        return tokens


def spread(net: nn.Module, tokens: Tensor) -> tuple[Tensor, tuple[int, int] | None]:
    """Return what a block or trunk gave as tokens [N L F], without class and register tokens, and their grid."""
    if tokens.ndim == 4:
        if getattr(net, "output_fmt", "NCHW") == "NCHW":
            tokens = tokens.permute(0, 2, 3, 1)
        return tokens.flatten(1, 2), (tokens.shape[1], tokens.shape[2])
    tokens = tokens[:, getattr(net, "num_prefix_tokens", 0) :]
    length = tokens.shape[1]
    known = getattr(getattr(net, "patch_embed", None), "grid_size", None)
    if known is not None and known[0] * known[1] == length:
        return tokens, (known[0], known[1])
    side = isqrt(length)
    return tokens, (side, side) if side * side == length else None


def as_map(net: nn.Module, tokens: Tensor) -> Tensor:
    """Return what a block gave as float [N F h w]; tokens that lie in no grid come as one column."""
    flat, grid = spread(net, tokens)
    return flat.transpose(1, 2).unflatten(2, grid or (flat.shape[1], 1))


_ONE_WATCHES = RLock()


class Watched:
    """Keeps the attention of blocks while they run, which they must do step by step for it; in one thread at a time.

    Args:
        blocks: number -> block whose `attn` is timm's own attention over all tokens.
    """

    def __init__(self, blocks: dict[int, nn.Module]) -> None:
        self._attention: dict[int, Any] = {number: block.attn for number, block in blocks.items()}
        self.seen: dict[str, Tensor] = {}

    def __enter__(self) -> "Watched":
        if self._attention:
            _ONE_WATCHES.acquire()  # what is set here is the block's, whoever runs it
        self._fused = {number: part.fused_attn for number, part in self._attention.items()}
        self._hooks = []
        for number, part in self._attention.items():
            part.fused_attn = False  # the fused kernel never holds the weights
            self._hooks.append(part.attn_drop.register_forward_pre_hook(self._keep(f"attention{number}")))
        return self

    def _keep(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def keep(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            self.seen[name] = given[0]

        return keep

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()
        for number, part in self._attention.items():
            part.fused_attn = self._fused[number]
        if self._attention:
            _ONE_WATCHES.release()


def attentive(blocks: Sequence[nn.Module]) -> dict[int, nn.Module]:
    """Return the blocks, by number, whose attention over all tokens can be watched."""
    from timm.layers import Attention

    return {number: block for number, block in enumerate(blocks) if isinstance(getattr(block, "attn", None), Attention)}


def width_of(net: nn.Module) -> int:
    """Return the length of the vector that the network's head gives; timm names it only where the head does more than pool."""
    return int(getattr(net, "head_hidden_size", None) or net.num_features)  # type: ignore[arg-type]  # timm's nets all have it


def levels_by_timm(net: nn.Module, pixels: Tensor, numbers: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
    """Return what the head takes, and the levels asked for as [N F h w], of a network that is no chain."""
    final, levels = net.forward_intermediates(pixels, indices=list(numbers), output_fmt="NCHW")  # type: ignore[operator]
    assert isinstance(final, torch.Tensor)
    return final, list(levels)
