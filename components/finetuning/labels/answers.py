"""How often the right label is answered by given vectors: the number that a way with label vectors is judged by on held-out pictures.

Source: as of components/evaluation/zero_shot.py, whose numbers it has: vectors of prompts give the very same.
Axes: I pictures, L labels.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.data.evaluation_set import LABEL
from components.evaluation.bootstrap import mean_interval
from components.evaluation.groups import Grouped
from components.evaluation.retrieval import nearest, ranks
from components.finetuning.labels.way import LabelVectors


class Answers(Evaluator):
    """Accuracy of choosing among labels, on every pool that has them. Chance and baseline are a blind guess.

    Args:
        labels: in the order of the vectors.
        vectors: of them.
        method: how they came about, in words.
    """

    def __init__(self, labels: Sequence[str], vectors: LabelVectors, method: str) -> None:
        self.labels, self.vectors, self.method = tuple(labels), vectors, method

    def measure(self, subject: Subject) -> Findings:
        """Return `zero_shot.<split>.class.top1`, with a row a picture."""
        metrics, rows, guess = [], {}, 1 / len(self.labels)
        for split, pool in subject.pools.items():
            known = Grouped.of(pool, LABEL, self.labels)
            shares = self.vectors.shares(subject.embedded(split)[known.has], subject.encoder.logit_scale)
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
            first = [self.labels[place] for place in nearest(shares, known.belongs)]
            rows[name] = pa.table(
                {
                    "split": [split] * len(placed), "set": [LABEL] * len(placed), "query": known.keys, "group": known.about, "label": known.groups,
                    "rank": pa.array(placed, pa.int32()), "first": first, "first_share": pa.array(np.max(shares, 1), pa.float32()),
                }
            )  # fmt: skip
        return Findings(metrics=tuple(metrics), rows=rows)
