"""How much of retrieval is left of embeddings that are cut to their first dimensions.

Source: Kusupati et al. 2022, arXiv:2205.13147, section 4.2 (retrieval by width). Differs: what is cut is made of unit length
anew, and the whole width stands beside every number.
Axes: I pictures, T texts, D width, W of the first dimensions.
"""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.evaluation.rank_rows import rank_rows, recall
from components.evaluation.ranking import Cosines, placed
from components.evaluation.retrieval import DIRECTIONS, Gallery


def first(rows: Float[np.ndarray, "N D"], width: int) -> Float[np.ndarray, "N W"]:
    """Return the first dimensions, of unit length; a row that has nothing there stays nothing."""
    cut = rows[:, :width]
    return cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)


class Shortened(Evaluator):
    """Recall at k of every pool, both ways, by shares of the width; the baseline is the whole width's.

    Args:
        shares: of the width, above 0 and below 1.
        k: of recall at k.
    """

    def __init__(self, shares: Sequence[float] = (0.5,), k: int = 10) -> None:
        if not shares or not all(0 < share < 1 for share in shares):
            raise ConfigError(
                f"shares is {list(shares)}, but there must be one at least, each above 0 and below 1: the whole width is what "
                "retrieval measures. 0.5 is half of it."
            )
        if k < 1:
            raise ConfigError(f"k is {k}, but the first answers are looked at, 1 or more. 10 is usual.")
        self.shares, self.k = tuple(shares), k

    def measure(self, subject: Subject) -> Findings:
        """Return `shortened.<split>.<direction>.recall_at_<k>.width_<W>` and a row a query and width."""
        metrics: list[Metric] = []
        rows = {}
        for split, pool in subject.pools.items():
            gallery = Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
            image, text = subject.embedded(split), subject.encoder.texts(gallery.texts)
            name, tables = f"shortened.{split}", []
            ways = dict(
                zip(DIRECTIONS, ((image, text, gallery.right), (text, image, gallery.right.turned)), strict=True)
            )
            whole = {
                way: placed(Cosines(left=left, right=right), belongs).rank
                for way, (left, right, belongs) in ways.items()
            }
            for width in sorted({max(1, math.floor(share * image.shape[1])) for share in self.shares}, reverse=True):
                method = f"the first {width} of {image.shape[1]} dimensions, of unit length"
                for direction, (left, right, belongs) in ways.items():
                    cut = placed(Cosines(left=first(left, width), right=first(right, width)), belongs).rank
                    table = rank_rows(split, direction, gallery, cut, whole[direction], width=width)
                    called = f"{name}.{direction}.recall_at_{self.k}.width_{width}"
                    metrics.append(recall(called, name, table, self.k, gallery, subject.seed, method))
                    tables.append(table)
            rows[name] = pa.concat_tables(tables)
        return Findings(metrics=tuple(metrics), rows=rows)
