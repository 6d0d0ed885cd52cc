"""Concepts of a picture: which ones it has, as the data says, and how near it is to the words for each.

Axes: I pictures of a pool, C concepts.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Pictures, Subject
from components.evaluation.prompts import PLACE

DIGITS = (
    5  # of a cosine of float32 vectors; pictures that are alike get the same, so that their order is no order of rank
)


def things(pool: Pictures) -> tuple[frozenset[str], ...]:
    """Return what the regions of each picture are called; one that has none shows nothing of the kind.

    Empty where no region of the pool has a name.
    """
    found = tuple(frozenset(region.label for region in regions if region.label) for regions in pool.regions)
    return found if any(found) else ()


def cosines(subject: Subject, split: str, concepts: Sequence[str], template: str) -> Float[np.ndarray, "I C"]:
    """Return the cosine of each picture's one vector with that of each concept's text, to as many digits as no batch's rounding changes."""
    texts = subject.encoder.texts([template.replace(PLACE, concept) for concept in concepts])
    return (subject.embedded(split).astype(np.float64) @ texts.T.astype(np.float64)).round(DIGITS)


def check_template(template: str) -> None:
    """Raise ConfigError for a template that has no place, or several, for the concept."""
    if template.count(PLACE) != 1:
        raise ConfigError(
            f"template is {template!r}, but every concept is put into it. Give a text with {PLACE} once where its name goes, such as "
            f"'a {PLACE}', or {PLACE!r} for the name alone."
        )
