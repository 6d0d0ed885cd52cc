"""The same numbers under two names: ours and theirs.

A model's ties are written out one by one, so that what is missing, what is unknown and what has another shape is said
before a number is copied, in either direction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor

from components.contracts.errors import DataError

SHOWN = 10  # keys that an error names


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """Tensors of ours that hold what tensors of theirs hold; several of one side lie one after the other, along the first axis.

    Args:
        ours: our names.
        theirs: their names.
        turned: whether rows of ours are columns of theirs.
        bare: leading axes of length 1 that ours have and theirs have not; negative for the other way.
    """

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    turned: bool = False
    bare: int = 0

    def mine(self, theirs: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor] | str:
        """Return our tensors, fractions as float32, or in words how the shapes differ."""
        parts = [theirs[name] for name in self.theirs]
        try:
            value = self._turn(torch.cat(parts) if len(parts) > 1 else parts[0])
            value = value[(None,) * self.bare] if self.bare >= 0 else value.reshape(value.shape[-self.bare :])
            sizes = [shapes[name][0] for name in self.ours] if len(self.ours) > 1 else []
            values = value.split(sizes) if sizes else (value,)
        except (RuntimeError, IndexError):
            values = ()
        if [part.shape for part in values] == [shapes[name] for name in self.ours]:
            values = tuple(part.float() if part.is_floating_point() else part for part in values)
            return {name: part.contiguous().clone() for name, part in zip(self.ours, values, strict=True)}
        has = ", ".join(f"{name} is {list(theirs[name].shape)}" for name in self.theirs)
        return f"{has}, but {', '.join(f'{name} {list(shapes[name])}' for name in self.ours)}"

    def yours(self, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return their tensors."""
        parts = [ours[name] for name in self.ours]
        value = torch.cat(parts) if len(parts) > 1 else parts[0]
        value = value.reshape((1,) * -self.bare + value.shape[max(self.bare, 0) :])
        values = self._turn(value).chunk(len(self.theirs)) if len(self.theirs) > 1 else (self._turn(value),)
        return {name: part.contiguous().clone() for name, part in zip(self.theirs, values, strict=True)}

    def _turn(self, value: Tensor) -> Tensor:
        return value.T if self.turned else value


def tie(ours: str, theirs: str, turned: bool = False, bare: int = 0) -> Tie:
    """Return the tie of one tensor to one."""
    return Tie(ours=(ours,), theirs=(theirs,), turned=turned, bare=bare)


def affine(ours: str, theirs: str, bias: bool = True) -> list[Tie]:
    """Return the ties of a weight and, where there is one, a bias."""
    return [tie(f"{ours}.{part}", f"{theirs}.{part}") for part in ("weight", "bias")[: 1 + bias]]


def stacked(ours: Sequence[str], theirs: Sequence[str]) -> list[Tie]:
    """Return the ties of weights and biases of which one side, or both, holds several."""
    return [
        Tie(ours=tuple(f"{name}.{part}" for name in ours), theirs=tuple(f"{name}.{part}" for name in theirs))
        for part in ("weight", "bias")
    ]


def to_ours(
    theirs: Mapping[str, Tensor], ties: Sequence[Tie], shapes: Mapping[str, torch.Size], dropped: Iterable[str] = ()
) -> dict[str, Tensor]:
    """Return our weights of theirs.

    Args:
        theirs: name -> tensor, as their file has them.
        ties: of every tensor of ours.
        shapes: what our model has.
        dropped: their names that hold nothing learned.

    Raises DataError naming the keys that are missing, that nothing of ours takes, or whose shape is another.
    """
    wanted = [name for tied in ties for name in tied.theirs]
    present, spare = set(theirs), set(theirs) - set(wanted) - set(dropped)
    missing = [name for name in wanted if name not in present]
    if missing or spare:
        said = [
            _named("lacks", missing, sorted(spare)),
            _named("has what this model has no place for:", sorted(spare), missing),
        ]
        raise DataError(
            f"the checkpoint is of another model than its config describes: it {'; it '.join(filter(None, said))}. Nothing was "
            "taken from it. Give the config that it was trained with."
        )
    ours: dict[str, Tensor] = {}
    differ = []
    for tied in ties:
        found = tied.mine(theirs, shapes)
        if isinstance(found, str):
            differ.append(found)
        else:
            ours |= found
    if differ:
        raise DataError(
            f"{len(differ)} tensors of the checkpoint are of another size than its config describes: "
            f"{'; '.join(differ[:SHOWN])}{_more(differ)}. Nothing was taken from it. Give the config that it was trained with."
        )
    assert set(ours) == set(shapes), f"ties do not cover {sorted(set(shapes) ^ set(ours))[:SHOWN]}"
    return ours


def to_theirs(ours: Mapping[str, Tensor], ties: Sequence[Tie]) -> dict[str, Tensor]:
    """Return their weights of ours."""
    untied = set(ours) - {name for tied in ties for name in tied.ours}
    assert not untied, f"ties do not cover {sorted(untied)[:SHOWN]}"
    return {name: value for tied in ties for name, value in tied.yours(ours).items()}


def _named(what: str, names: Sequence[str], others: Sequence[str]) -> str:
    if not names:
        return ""
    shown = []
    for name in names[:SHOWN]:
        near = get_close_matches(name, others, 1, cutoff=0.8)
        shown.append(f"{name} (there is {near[0]})" if near and what == "lacks" else name)
    return f"{what} {', '.join(shown)}{_more(names)}"


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
