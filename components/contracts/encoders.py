"""Two encoders that somebody else has trained. Who writes side shards is handed some; how they are opened is for others to know.

Axes: N rows, S pixels a side, D embedding width.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from numpy import ndarray


@runtime_checkable
class Encoders(Protocol):
    """A model that is asked and not trained.

    Args:
        name: how people call it.
        digest: 64 hex digits over its files.
        size: pixels a side that it takes.
        width: numbers of an embedding.
        logit_scale: what it learned to multiply cosines with.
    """

    name: str
    digest: str
    size: int
    width: int
    logit_scale: float

    def image(self, pixels: Float[ndarray, "N 3 S S"]) -> Float[ndarray, "N D"]:
        """Return unit rows, float32, of pictures in [0, 1]."""

    def text(self, texts: Sequence[str]) -> Float[ndarray, "N D"]:
        """Return unit rows, float32, each text cut where the model's own tokenizer cuts it."""
