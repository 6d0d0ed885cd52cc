"""Prompts as vectors, and how a picture's probability is shared out among the labels they stand for.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1; see zero_shot.py for what differs.
Axes: I pictures, L labels, V vectors, D shared width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

PLACE = "{}"  # where the label goes in a template
SHORTEST = 1e-12  # prompts that cancel each other out have a mean of no length

Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Labels as vectors.

    Args:
        vectors: float32 [V D], of unit length, those of the first label before those of the second.
        counts: how many vectors each of the L labels has.
    """

    vectors: np.ndarray
    counts: tuple[int, ...]

    def shares(self, image: Float[np.ndarray, "I D"], logit_scale: float) -> Float[np.ndarray, "I L"]:
        """Return the share of each label in a softmax over all vectors; the shares of a picture sum to 1."""
        logits = logit_scale * (image.astype(np.float64) @ self.vectors.T.astype(np.float64))
        powers = np.exp(logits - logits.max(1, keepdims=True))
        starts = np.cumsum((0, *self.counts[:-1]))
        return np.add.reduceat(powers, starts, axis=1) / powers.sum(1, keepdims=True)


def asked_by(prompts: Mapping[str, Sequence[str]], encode: Encode, join: Literal["mean", "sum"]) -> Asked:
    """Return the labels, in the order of `prompts`, by the mean of their prompts or by each prompt for itself.

    Args:
        prompts: label -> its texts, at least one.
        encode: texts to unit rows.
        join: `mean` gives a label one vector, of unit length again; `sum` leaves it one a prompt.
    """
    counts = tuple(len(texts) for texts in prompts.values())
    rows = encode([text for texts in prompts.values() for text in texts])
    if join == "sum":
        return Asked(vectors=rows, counts=counts)
    means = np.stack([part.mean(0, dtype=np.float64) for part in np.split(rows, np.cumsum(counts)[:-1])])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return Asked(vectors=(means / np.maximum(lengths, SHORTEST)).astype(np.float32), counts=(1,) * len(counts))


def one_prompt(texts: Mapping[str, str], encode: Encode) -> Asked:
    """Return each label by the one text that it is called by."""
    return asked_by({label: (text,) for label, text in texts.items()}, encode, "mean")
