"""Labels that a race told apart, as they lie beside a model: what a server takes, and what is asked by them."""

from components.data.evaluation_set import LABEL
from components.evaluation.embedding import Embedder
from components.finetuning.labels.choice import Choice
from components.finetuning.labels.way import LabelVectors, plain
from components.serving.classification import PLAIN
from components.serving.labels import Labels

CAPTIONS, LABELS = "retrieval.pair.mean_recall", f"zero_shot.pair.{LABEL}.top1"
"""The number that all is told by in the end, where captions are asked for, and where labels are."""


def served_by(embedder: Embedder, choice: Choice, vectors: LabelVectors | None) -> Labels:
    """Return the labels as a server takes them: by the vectors that were found, or by their own texts."""
    of = vectors or plain(embedder, choice.labels)
    return Labels(
        set=LABEL, templates=PLAIN, labels=choice.labels, logit_scale=embedder.logit_scale, sharpness=of.sharpness, vectors=of.vectors,
        counts=of.counts,
    )  # fmt: skip
