"""Retrieval by tokens: each patch looks for its best word, each word for its best patch; the baseline is by one vector each.

Source: Yao et al. 2021, arXiv:2111.07783, section 3.1 (seed 19); a picture looks for texts by its own score, a text by its own.
Differs: nothing. Axes: I pictures, T texts, K patches, L words, D shared width.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject, TokenEncoder
from components.evaluation.rank_rows import rank_rows, recall
from components.evaluation.ranking import Cosines, placed, tied, twins
from components.evaluation.retrieval import DIRECTIONS, Gallery
from components.objectives.similarity import max_sim

METHOD = "by the best word of each patch, and the best patch of each word"


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
        """Return `late_interaction.<split>.<direction>.recall_at_<k>` and a row a query."""
        metrics: list[Metric] = []
        rows, encoder = {}, subject.encoder
        if not isinstance(encoder, TokenEncoder):
            return Findings(
                without={"late_interaction": "the model gives one vector a picture and text, and no tokens"}
            )
        for split, pool in subject.pools.items():
            gallery = Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
            patches = encoder.picture_tokens(pool.pictures, subject.progress, f"tokens of {split}")
            words, mask = encoder.text_tokens(gallery.texts)
            tokens = torch.from_numpy(patches), torch.from_numpy(words), torch.from_numpy(mask)
            scores = max_sim(*tokens, self.chunk)
            read = np.where(mask[:, :, None], words, np.nan)  # padding may hold anything
            to_text = tied(scores.image_to_text.numpy(), twins(read.reshape(len(read), -1)))
            to_image = tied(scores.text_to_image.numpy(), twins(patches.reshape(len(patches), -1)))
            pooled = Cosines(left=subject.embedded(split), right=subject.encoder.texts(gallery.texts))
            rights = gallery.right, gallery.right.turned
            ways = zip(DIRECTIONS, (to_text, to_image), (pooled, pooled.T), rights, strict=True)
            name, tables = f"late_interaction.{split}", []
            for direction, ours, theirs, right in ways:
                table = rank_rows(split, direction, gallery, placed(ours, right).rank, placed(theirs, right).rank)
                metrics += [
                    recall(f"{name}.{direction}.recall_at_{k}", name, table, k, gallery, subject.seed, METHOD)
                    for k in self.ks
                ]
                tables.append(table)
            rows[name] = pa.concat_tables(tables)
        return Findings(metrics=tuple(metrics), rows=rows)
