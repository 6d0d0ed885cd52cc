"""Retrieval by tokens: each patch looks for its best word, each word for its best patch; the baseline is by one vector each.

Source: Yao et al. 2021, arXiv:2111.07783, section 3.1 (seed 19); a picture looks for texts by its own score, a text by its own.
Differs: nothing. Axes: I pictures, T texts, K patches, L words, D shared width.
"""

from collections.abc import Sequence

import numpy as np
import torch

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject, TokenEncoder
from components.evaluation.bootstrap import mean_interval
from components.evaluation.retrieval import DIRECTIONS, Gallery, chance_at, ranks
from components.objectives.similarity import max_sim


class LateInteraction(Evaluator):
    """Recall at k of every pool, both ways, by the scores of tokens.

    Args:
        ks: the k of recall at k.
        chunk: pictures whose cosines with all texts' words are there at once.
    """

    def __init__(self, ks: Sequence[int] = (1, 5, 10), chunk: int = 16) -> None:
        if not ks or min(ks) < 1 or chunk < 1:
            raise ConfigError(
                f"ks is {list(ks)} and chunk {chunk}, but each must be 1 or more. 1, 5 and 10 are usual, and 16."
            )
        self.ks, self.chunk = tuple(ks), chunk

    def measure(self, subject: Subject) -> Findings:
        """Return `late_interaction.<split>.<direction>.recall_at_<k>`."""
        metrics, encoder = [], subject.encoder
        if not isinstance(encoder, TokenEncoder):
            return Findings(
                without={"late_interaction": "the model gives one vector a picture and text, and no tokens"}
            )
        for split, pool in subject.pools.items():
            gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
            patches = encoder.picture_tokens(pool.pictures, subject.progress, f"tokens of {split}")
            words, mask = encoder.text_tokens(gallery.texts)
            tokens = torch.from_numpy(patches), torch.from_numpy(words), torch.from_numpy(mask)
            scores = max_sim(*tokens, self.chunk)
            pooled = subject.embedded(split) @ subject.encoder.texts(gallery.texts).T
            ways = zip(
                DIRECTIONS, (scores.image_to_text.numpy(), scores.text_to_image.numpy()), (pooled, pooled.T),
                (gallery.belongs, gallery.belongs.T), strict=True,
            )  # fmt: skip
            for direction, ours, theirs, belongs in ways:
                placed, plain = ranks(ours, belongs), ranks(theirs, belongs)
                for k in self.ks:
                    low, high = mean_interval(placed <= k, gallery.about(direction).tolist(), subject.seed)
                    metrics.append(
                        Metric(
                            name=f"late_interaction.{split}.{direction}.recall_at_{k}", value=_share(placed, k), unit="fraction",
                            better="up", n=len(belongs), chance=chance_at(k, belongs), baseline=_share(plain, k),
                            method="by the best word of each patch, and the best patch of each word", low=low, high=high,
                        )
                    )  # fmt: skip
        return Findings(metrics=tuple(metrics))


def _share(placed: np.ndarray, k: int) -> float:
    return float((placed <= k).mean())
