"""What says how well words fit a picture. Validation is handed one; which model it is, and how it is opened, is for others to know.

Axes: N pictures.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from numpy import ndarray


@runtime_checkable
class Scorer(Protocol):
    """A model with its own transform and tokenizer."""

    @property
    def name(self) -> str:
        """Return how a report calls it; another model has another name."""

    def score(self, pictures: Sequence[bytes], texts: Sequence[Sequence[str]]) -> Float[ndarray, " N"]:
        """Return float32 [N], the cosine of each picture, encoded, and that one of its texts which fits best.

        NaN where the picture cannot be decoded, or has no text.
        """
