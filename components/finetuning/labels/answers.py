"""How often the right label is answered by given vectors: the number that a way with label vectors is judged by on held-out pictures.

Source: as of components/evaluation/zero_shot.py, whose numbers it has: vectors of prompts give the very same.
Axes: I pictures, L labels.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.data.evaluation_set import LABEL
from components.evaluation.bootstrap import mean_interval
from components.evaluation.groups import Grouped
from components.evaluation.hard_data import COMMON
from components.evaluation.retrieval import nearest, ranks
from components.evaluation.zero_shot import mean_per_class
from components.finetuning.labels.known import Known
from components.finetuning.labels.way import LabelVectors, plain


class Answers(Evaluator):
    """Accuracy of choosing among labels, on every pool that has them. Chance and baseline are a blind guess.

    Args:
        labels: in the order of the vectors.
        vectors: of them; None asks by each label's own text.
        method: how they came about, in words.
        known: which label a picture has; None takes what pools say by `class`.
    """

    def __init__(
        self, labels: Sequence[str], vectors: LabelVectors | None, method: str, known: Known | None = None
    ) -> None:
        self.labels, self.vectors, self.method, self.known = tuple(labels), vectors, method, known

    def measure(self, subject: Subject) -> Findings:
        """Return `zero_shot.<split>.class.top1`, and `.mean_per_class` where one label is nearly all there is, with a row a picture; in `without`, how many pictures have no label that is known."""
        metrics, rows, without, guess = [], {}, {}, 1 / len(self.labels)
        vectors = self.vectors or plain(subject.encoder, self.labels)
        for split, given in subject.pools.items():
            pool = self.known.pool(given) if self.known else given
            known = Grouped.of(pool, LABEL, self.labels)
            if lacking := len(pool.keys) - len(known.keys):
                without[f"{lacking:,} of {len(pool.keys):,} pictures of zero_shot.{split}.{LABEL}"] = (
                    "they have no label, or one that no picture to learn from has"
                )
            if not known.keys:
                continue
            shares = vectors.shares(subject.embedded(split)[known.has], subject.encoder.logit_scale)
            placed = ranks(shares, known.belongs)
            low, high = mean_interval(placed <= 1, known.about, subject.seed)
            name = f"zero_shot.{split}"
            metrics.append(
                Metric(
                    name=f"{name}.{LABEL}.top1", value=float((placed <= 1).mean()), unit="fraction", better="up", n=len(placed), chance=guess,
                    baseline=guess, method=f"1 of {len(self.labels)} by {self.method}", low=low, high=high,
                    tallies=(Tally(rows=name, where={"set": LABEL}, column="rank", at_most=1),),
                )
            )  # fmt: skip
            if max(Counter(known.groups).values()) >= COMMON * len(placed):
                right = (placed <= 1).astype(float)
                metrics.append(
                    mean_per_class(f"{name}.{LABEL}", self.method, (right, None), known.groups, len(self.labels), known.about, subject.seed)
                )  # fmt: skip
            first = [self.labels[place] for place in nearest(shares, known.belongs)]
            rows[name] = pa.table(
                {
                    "split": [split] * len(placed), "set": [LABEL] * len(placed), "query": known.keys, "group": known.about, "label": known.groups,
                    "rank": pa.array(placed, pa.int32()), "first": first, "first_share": pa.array(np.max(shares, 1), pa.float32()),
                }
            )  # fmt: skip
        return Findings(metrics=tuple(metrics), rows=rows, without=without)
