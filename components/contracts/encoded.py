"""What a tower gives back, and what a tower is.

Axes: N rows, D shared width, W tower width, L tokens.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from components.contracts.batch import Images, Texts
from components.contracts.errors import CapabilityError

TOKENS = "tokens"  # what may be needed beside a tower's hooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One side of a batch, encoded. A tower's own has nothing projected: `pooled` is `features` there.

    Args:
        pooled: float [N D], projected into the shared space, not of unit length.
        features: float [N W], before the projection.
        tokens: float [N L D], projected, without class and register tokens; only where needed.
        mask: bool [N L], True where a token is real; None means that all are.
        grid: rows and columns in which the L tokens of a picture lie, row by row; None where they lie in no grid.
        hooks: what was needed by name: `block3` as the block gives it, `level2` [N W h w], `attention1` [N heads L L], with
            class and register tokens.
    """

    pooled: Tensor
    features: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    grid: tuple[int, int] | None = None
    hooks: Mapping[str, Tensor] = field(default_factory=dict)


class Tower(nn.Module):
    """Turns rows of one modality into one vector each, and where needed into tokens and what its blocks say on the way.

    `width` is the length of that vector. A tower normalises its own input, so that what is exported takes pixels in
    [0, 1] and token ids, and nothing else has to travel along. It is opened as `stem`, `blocks` and `finish`, so that a
    method can walk two towers together.
    """

    width: int

    def forward(self, rows: Images | Texts, need: Sequence[str] = ()) -> Encoded:
        """Return float [N W] as `features`, and what is needed: `tokens`, or names of `hooks`.

        Raises CapabilityError for a hook that this tower has not.
        """
        raise NotImplementedError(
            f"{type(self).__name__} is a Tower without a forward; write one that returns Encoded."
        )

    def stem(self, rows: Images | Texts) -> Tensor:
        """Return what the first block takes."""
        raise NotImplementedError(f"{type(self).__name__} has no stem; write one to have it walked block by block.")

    @property
    def hooks(self) -> tuple[str, ...]:
        """Names of what can be needed beside `tokens`."""
        return ()

    def check(self, need: Iterable[str]) -> None:
        """Raise CapabilityError, with the names there are, when something is needed that this tower has not."""
        missing = [name for name in need if name != TOKENS and name not in self.hooks]
        if missing:
            raise CapabilityError(
                f"{type(self).__name__} has no {', '.join(missing)} to give. A method that reads it would have nothing to "
                f"learn from. There is {TOKENS}{''.join(f', {kind}' for kind in ranges(self.hooks))}."
            )


def ranges(names: Iterable[str]) -> list[str]:
    """Return `block0 to block11` in place of twelve names."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        kind, number = re.fullmatch(r"(\D+)(\d+)", name).groups()  # type: ignore[union-attr]  # every hook is a kind and a number
        numbers.setdefault(kind, []).append(int(number))
    return [
        f"{kind}{min(found)} to {kind}{max(found)}" if len(found) > 1 else f"{kind}{found[0]}"
        for kind, found in numbers.items()
    ]
