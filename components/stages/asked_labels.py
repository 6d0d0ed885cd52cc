"""What an adapted model is asked where labels were: which of them a picture has, by the vectors that were found, and of its start by their texts."""

import json
from pathlib import Path

from components.contracts.model_files import ADAPTED
from components.finetuning.labels.answers import Answers
from components.finetuning.labels.known import Known
from components.finetuning.labels.way import LabelVectors
from components.serving.labels import Labels

ITS_TEXT = "its own text"


def labels_asked(finetuned: Path, start: bool) -> Answers | None:
    """Return what asks the model in a folder of stage finetune, or the start that it was; None where captions were asked for."""
    raced = json.loads((finetuned / ADAPTED).read_text(encoding="utf-8"))
    known = Known.from_json(raced)
    if known is None:
        return None
    if start or raced["vectors"] is None:
        return Answers(known.labels, None, ITS_TEXT, known)
    its = Labels.read(finetuned)
    vectors = LabelVectors(vectors=its.vectors, counts=its.counts, sharpness=its.sharpness)
    return Answers(known.labels, vectors, raced["way"], known)
