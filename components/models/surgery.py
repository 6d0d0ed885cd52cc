"""The weights of a small model in a larger one of its kind: more blocks, wider ones, or both.

Source: Deng et al. 2023, arXiv:2308.11331 (seed 15), parameter inheriting with momentum; blocks that change nothing at first: Chen et
al. 2016, arXiv:1511.05641. Differs: which tensors are never mixed, and that an inserted block may add nothing at first,
are our choices, since no code of the paper is public; a widened block of query, key and value grows each of the three.
Axes: as each tensor has them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from components.contracts.errors import ConfigError
from components.contracts.inherit import Inherit

_IN_CHAIN = re.compile(r"(?P<chain>(?:.+\.)?(?:blocks|shared))\.(?P<number>\d+)\.(?P<rest>.+)")
_TABLES = ("embedding", "position", "pos_embed", "cls_token", "reg_token")  # rows that stand for something
_ADDS = re.compile(
    r"(?:out|feed\.2|attn\.proj|mlp\.fc2)\.(?:weight|bias)"
)  # the ends of a block's branches, ours and timm's
_SHOWN = 3


@dataclass(slots=True)
class Inherited:
    """What became of each tensor of the larger model, by name.

    Args:
        mapped: was there, in the same size.
        widened: was there, smaller.
        inserted: is of a block that was not there.
    """

    mapped: list[str] = field(default_factory=list)
    widened: list[str] = field(default_factory=list)
    inserted: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{len(self.mapped)} tensors as they were, {len(self.widened)} wider, {len(self.inserted)} of blocks that are new"


def inherit(model: nn.Module, weights: Mapping[str, Tensor], how: Inherit) -> Inherited:
    """Put the weights of a smaller model into a larger one, whose own are taken for those that were drawn.

    Args:
        model: the larger one; it has every tensor of `weights`, in no axis shorter.
        weights: of the smaller one, by name.
        how: how much of what was drawn is mixed in, and what inserted blocks do at first.

    Raises ConfigError for a model that is smaller anywhere, or has a part that the smaller one lacks and that is no block.
    """
    own, chains = model.state_dict(), _depths(weights)
    grown, told, faults = dict[str, Tensor](), Inherited(), [f"it has no {name}" for name in weights if name not in own]
    for name, drawn in own.items():
        match = _IN_CHAIN.fullmatch(name)
        is_new = match is not None and int(match["number"]) >= chains.get(match["chain"], 0)
        if match is None and name not in weights:
            faults.append(f"the start has no {name}")
            continue
        old = weights.get(
            _below(match, chains) if match is not None and is_new else name, drawn
        )  # a chain's first is drawn
        if old.ndim != drawn.ndim or any(now < was for now, was in zip(drawn.shape, old.shape, strict=True)):
            faults.append(f"{name} would shrink from {tuple(old.shape)} to {tuple(drawn.shape)}")
            continue
        is_end = match is not None and _ADDS.fullmatch(match["rest"]) is not None
        grown[name] = (
            torch.zeros_like(drawn) if is_new and is_end and how.identity else _grown(name, old, drawn, how.beta)
        )
        (told.inserted if is_new else told.mapped if old.shape == drawn.shape else told.widened).append(name)
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ConfigError(
            f"the model cannot inherit: {'; '.join(faults[:_SHOWN])}{more}. Growth adds blocks to a chain, or width, and takes nothing away: "
            "give the recipe sizes at least those of its start."
        )
    model.load_state_dict(grown)
    return told


def _depths(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Return how many blocks each chain has."""
    found = [match for name in weights if (match := _IN_CHAIN.fullmatch(name))]
    return {
        chain: 1 + max(int(one["number"]) for one in found if one["chain"] == chain)
        for chain in {one["chain"] for one in found}
    }


def _below(match: re.Match[str], chains: Mapping[str, int]) -> str:
    """Return the tensor's name in the last block that the smaller model has."""
    return f"{match['chain']}.{chains.get(match['chain'], 0) - 1}.{match['rest']}"


def _grown(name: str, old: Tensor, drawn: Tensor, beta: float) -> Tensor:
    """Return what was drawn, with the old tensor, mixed with what was drawn there, in its first rows and columns."""
    if ".qkv." in name and old.shape != drawn.shape:
        thirds = zip(old.chunk(3), drawn.chunk(3), strict=True)
        return torch.cat([_grown("", was, now, beta) for was, now in thirds])
    mixes = old.ndim > 1 and old.is_floating_point() and not any(word in name for word in _TABLES)
    corner = tuple(slice(size) for size in old.shape)
    grown = drawn.clone()
    grown[corner] = beta * old + (1 - beta) * drawn[corner] if mixes else old
    return grown
