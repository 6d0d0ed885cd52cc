"""A selection as training reads it.

Axes: M samples of the selection, C channels, S pixels of the kept pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import UInt8
from torch import Tensor

from components.contracts.text_pick import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """A selection, decoded once.

    Args:
        keys: M names.
        pictures: uint8 [M C S S], RGBA or, where nothing is transparent, RGB; where they come from a cache they stay on disk until a batch asks for them.
        captions: the captions of each sample, at least one.
        concepts: what each sample shows.
        kinds: of each caption; none where nothing is known of them.
        mentions: of each caption, the places where concepts stand in it; none where nobody asked.
        languages: the same, their codes.
        clusters: that each picture is of, as many of each; none where nobody asked.
        groups: label -> group of each, such as `category` -> `Flags`; none where no labels are known.
    """

    keys: tuple[str, ...]
    pictures: UInt8[Tensor, "M C S S"]
    captions: tuple[tuple[str, ...], ...]
    concepts: tuple[str, ...]
    kinds: tuple[tuple[str, ...], ...] = ()
    mentions: tuple[tuple[tuple[Place, ...], ...], ...] = ()
    languages: tuple[tuple[str, ...], ...] = ()
    groups: tuple[Mapping[str, str], ...] = ()
    clusters: tuple[tuple[int, ...], ...] = ()
