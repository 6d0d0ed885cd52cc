"""Whether new words find old pictures: recall of texts of this model among pictures as an older one has them in its index.

Source: Shen et al. 2020, arXiv:2003.11942, section 3.1: a new model is compatible with an old one where new queries on old vectors do
better than old queries on them. Differs: here each query is kept with its rank by either model, so that it can be shown that they do no worse.
Axes: I pictures of a pool, T texts.
"""

from collections.abc import Sequence

import pyarrow as pa

from components.contracts.errors import DataError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Encoder, Evaluator, Findings, Subject
from components.evaluation.rank_rows import rank_rows, recall
from components.evaluation.ranking import Cosines, placed
from components.evaluation.retrieval import Gallery

DIRECTION = "text_to_image"
KIND = "compatible"


class OldIndex(Evaluator):
    """Recall at k of new texts among old pictures; the baseline is that of the old model's own texts, on the same queries.

    Args:
        old: whose pictures answer; none: the model itself, with which any model is compatible.
        ks: the k of recall at k.
    """

    def __init__(self, old: Encoder | None = None, ks: Sequence[int] = (1, 10)) -> None:
        self.old, self.ks = old, tuple(ks)

    def measure(self, subject: Subject) -> Findings:
        """Return `compatible.<split>.text_to_image.recall_at_<k>`, and a row a query with the rank that either model's text gives.

        DataError for an old model of another width.
        """
        metrics: list[Metric] = []
        rows: dict[str, pa.Table] = {}
        old = self.old or subject.encoder
        for split, pool in subject.pools.items():
            gallery = Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
            index = old.pictures(pool.pictures, subject.progress, f"encoding {split} by the old model")
            new, before = subject.encoder.texts(gallery.texts), old.texts(gallery.texts)
            if new.shape[1] != index.shape[1]:
                raise DataError(
                    f"the model gives {new.shape[1]} numbers and the old index has {index.shape[1]}, so that no query can be compared with it. "
                    "Take compatible_with out of params.yaml."
                )
            ours, theirs = (
                placed(Cosines(left=queries, right=index), gallery.right.turned).rank for queries in (new, before)
            )
            table = rank_rows(split, DIRECTION, gallery, ours, theirs)
            rows[f"{KIND}.{split}"] = table
            metrics += [
                recall(
                    f"{KIND}.{split}.{DIRECTION}.recall_at_{k}", f"{KIND}.{split}", table, k, gallery, subject.seed,
                    "new texts on the old model's pictures",
                )
                for k in self.ks
            ]  # fmt: skip
        return Findings(metrics=tuple(metrics), rows=rows)
