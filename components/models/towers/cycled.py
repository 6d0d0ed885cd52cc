"""A text tower whose tokens are looked through again, asked by what they were before.

Source: Pan et al. 2024, arXiv:2405.10160 (PriorCLIP, seed 44), and jaychempan/PIR. Differs: the tower is ours, and its vector whatever `pool` says.
Axes: N texts, L tokens, F features.
"""

from dataclasses import replace
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from components.contracts.encoded import Encoded
from components.contracts.errors import ConfigError
from components.models.poolers import Pool
from components.models.progressive import ProgressiveAttention
from components.models.towers.text import TextTower


class CycledTextTower(TextTower):
    """The vector of a text, and what became of its first token in some rounds.

    Args:
        vocabulary: as of TextTower, like all that follows.
        context: most tokens a text can have.
        width: F.
        depth: blocks.
        heads: of the blocks and of the rounds.
        pool: what the vector is.
        pad: the id of padding.
        cycles: rounds; 3 in the paper, and 0 is the tower as it is.
        dropout: probability, in the rounds alone, in training only; 0.2 in the paper.

    Raises ConfigError for fewer rounds than none.
    """

    def __init__(
        self, vocabulary: int, context: int, width: int = 128, depth: int = 2, heads: int = 4, pool: Pool = "mean", pad: int = 0,
        cycles: int = 3, dropout: float = 0.2,
    ) -> None:  # fmt: skip
        super().__init__(vocabulary, context, width=width, depth=depth, heads=heads, pool=pool, pad=pad)
        if cycles < 0:
            raise ConfigError(f"cycles is {cycles}. Give 0 or more; 3 in the paper.")
        self.progressive = ProgressiveAttention(width, cycles, heads, dropout)

    def is_read_alone(self) -> bool:
        """Never: the rounds look at all tokens."""
        return False

    def finish(
        self, tokens: Float[Tensor, "N L F"], mask: Bool[Tensor, "N L"], hooks: dict[str, Any] | None = None
    ) -> Encoded:
        """Return vector and tokens of what the last block gave."""
        said = super().finish(tokens, mask, hooks)
        assert said.tokens is not None, "a text tower gives tokens"
        features = self.progressive(said.features, said.tokens, mask=mask)
        return replace(said, pooled=features, features=features)
