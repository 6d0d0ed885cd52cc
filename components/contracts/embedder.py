"""What turns pictures and words into vectors that can be compared. Curation is handed one; which model it is, is for others to know.

Axes: N pictures or texts, D embedding width.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from numpy import ndarray


@runtime_checkable
class Embedder(Protocol):
    """A model with its own transform and tokenizer, which several threads may ask at once."""

    @property
    def name(self) -> str:
        """Return how reports call it, with its digest; another model has another name."""

    def pictures(self, pictures: Sequence[bytes]) -> Float[ndarray, "N D"]:
        """Return an embedding of each encoded picture, not of length 1; NaN of one that cannot be decoded."""

    def texts(self, texts: Sequence[str]) -> Float[ndarray, "N D"]:
        """Return an embedding of each text, not of length 1."""
