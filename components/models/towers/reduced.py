"""An image tower of few tokens: a TokenLearner behind another, whose vector is the mean of what it leaves.

Source: Gu et al. 2022, arXiv:2202.06767 (seed 25), section 4.2. Differs: there is a vector too, for what compares one with one; the
paper compares tokens alone.
Axes: N pictures, Q tokens, F features.
"""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from components.contracts.batch import Images, Texts
from components.contracts.encoded import TOKENS, Encoded, Tower
from components.contracts.errors import CapabilityError
from components.models.token_learner import TokenLearner


class ReducedTower(Tower):
    """A tower's tokens, made few.

    Args:
        tower: gives tokens as wide as its vector.
        tokens: how many are left; 12 of 49 and 24 of 256 in the paper. 0 is the tower as it is.
        groups, dropout: as of TokenLearner.

    Raises ConfigError as of TokenLearner.
    """

    def __init__(self, tower: Tower, tokens: int = 8, groups: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.tower, self.width = tower, tower.width
        self.learner = TokenLearner(tower.width, tokens, groups, dropout) if tokens else None

    @property
    def hooks(self) -> tuple[str, ...]:
        """Those of the tower, which have all its tokens."""
        return self.tower.hooks

    def stem(self, rows: Images | Texts) -> Tensor:
        """Return what the tower's first block takes."""
        return self.tower.stem(rows)

    def forward(self, rows: Images | Texts, need: Sequence[str] = ()) -> Encoded:
        """Return the mean of the tokens that are left, and where they are needed these, which lie in no grid.

        Raises CapabilityError for a tower without tokens as wide as its vector.
        """
        if self.learner is None:
            return self.tower(rows, need)  # type: ignore[no-any-return]
        seen: Encoded = self.tower(rows, list(dict.fromkeys([TOKENS, *need])))
        if seen.tokens is None or seen.tokens.shape[-1] != self.width:
            raise CapabilityError(
                "the image tower gives no tokens as wide as its vector, so there is nothing to make few. Choose a network that only pools them, "
                "or set tokens to 0."
            )
        left = self.learner(seen.tokens)
        features = left.mean(1)
        return replace(seen, pooled=features, features=features, tokens=left if TOKENS in need else None, grid=None)
