"""Subjects to measure: coloured squares in splits, with a real model or with one that knows what it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from components.contracts.evaluator import Encoder, Space
from components.contracts.progress import Progress, silent
from components.data.selection import Pool
from components.evaluation.subject import TrainedModel


class Told:
    """An encoder that is told the direction of each picture and text.

    Args:
        pictures: encoded bytes -> numbers.
        texts: text -> numbers.
        logit_scale: of the softmax.
    """

    def __init__(
        self,
        pictures: Mapping[bytes, Sequence[float]],
        texts: Mapping[str, Sequence[float]],
        logit_scale: float = 10.0,
    ) -> None:
        self.of_pictures, self.of_texts, self.logit_scale = pictures, texts, logit_scale

    def pictures(self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = "") -> np.ndarray:
        return unit([self.of_pictures[picture] for picture in pictures])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return unit([self.of_texts[text] for text in texts])

    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress = silent, doing: str = ""
    ) -> dict[Space, np.ndarray]:
        return {space: np.array([self.of_pictures[picture] for picture in pictures], np.float32) for space in spaces}


def unit(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Return float32 rows of unit length."""
    numbers = np.array(rows, np.float64)
    return (numbers / np.linalg.norm(numbers, axis=1, keepdims=True)).astype(np.float32)


def twelve(count: int) -> np.ndarray:
    """Return rows of which twelve are different, for the pictures or the texts of the squares, one for both pictures of a text: each text has twins."""
    rows = unit(np.random.default_rng(0).normal(size=(12, 67)))
    return rows[np.arange(count) * 25 // count % 12]


def part_of(pool: Pool, places: Sequence[int], labelled: bool = True) -> Pool:
    """Return some of the pool's pictures, with or without their groups."""

    def of(column: tuple) -> tuple:
        return tuple(column[place] for place in places)

    return replace(
        pool, keys=of(pool.keys), pictures=of(pool.pictures), captions=of(pool.captions), concepts=of(pool.concepts),
        sources=of(pool.sources), groups=of(pool.groups) if labelled and pool.groups else (), regions=of(pool.regions) if pool.regions else (),
        languages=of(pool.languages) if pool.languages else (), series=of(pool.series) if pool.series else (),
    )  # fmt: skip


def subject_of(
    pool: Pool, encoder: Encoder, untrained: Encoder, splits: Mapping[str, Sequence[int]], labelled: bool = True
) -> TrainedModel:
    """Return the model with the pool in splits, `train` among them."""
    pools = {split: part_of(pool, places, labelled) for split, places in splits.items()}
    return TrainedModel(
        encoder=encoder, untrained=lambda: untrained, train=pools.pop("train"), pools=pools, seed=0
    )  # fmt: skip
