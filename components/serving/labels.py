"""The labels a package classifies with: labels.json says them and how they were asked, labels.npy has their vectors.

A label has one vector, the mean of its prompts, or one a prompt, as the model was measured with.

A package whose data has no labels has none here either, but still the logit scale that any labels are scored with.
Axes: L labels, V vectors, D embedding width.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts.errors import DataError, StaleArtifact
from components.serving.classification import PLACE, PLAIN, label_vectors

LABEL_FILES = ("labels.json", "labels.npy")
UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is known before anybody asks.

    Args:
        set: what the labels are, such as `category`; None where there are none.
        templates: what other labels are put into, each with one {}.
        labels: in the order of the rows.
        logit_scale: what cosines are multiplied with before the softmax, as it was learned.
        sharpness: what it is multiplied with for these labels, as they were measured; others have the learned one.
        vectors: float32 [V D], of unit length, those of the first label before those of the second.
        counts: how many of them each label has.
    """

    set: str | None
    templates: tuple[str, ...]
    labels: tuple[str, ...]
    logit_scale: float
    sharpness: float
    vectors: np.ndarray
    counts: tuple[int, ...]

    def write(self, folder: Path) -> None:
        """Write the two files."""
        about = {
            "set": self.set,
            "templates": list(self.templates),
            "labels": list(self.labels),
            "logit_scale": self.logit_scale,
            "sharpness": self.sharpness,
            "counts": list(self.counts),
        }
        text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
        (folder / "labels.json").write_text(text, encoding="utf-8")
        np.save(folder / "labels.npy", np.ascontiguousarray(self.vectors, np.float32), allow_pickle=False)

    @classmethod
    def read(cls, folder: Path) -> "Labels":
        """Read the two files; StaleArtifact when they do not fit each other."""
        try:
            about = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
            vectors = np.load(folder / "labels.npy", allow_pickle=False)
            found = cls(
                set=about["set"], templates=tuple(about["templates"]), labels=tuple(about["labels"]),
                logit_scale=float(about["logit_scale"]), sharpness=float(about.get("sharpness", 1.0)), vectors=vectors,
                counts=tuple(about.get("counts", [1] * len(about["labels"]))),  # packages of before had one each
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise StaleArtifact(
                f"The labels of {folder} cannot be read ({type(err).__name__}: {err}). Package the model again: dvc repro"
            ) from err
        rows = vectors.dtype == np.float32 and vectors.ndim == 2 and len(vectors) == sum(found.counts)
        counted = len(found.counts) == len(found.labels) and min(found.counts, default=1) >= 1
        if not rows or not counted or np.any(np.abs(np.linalg.norm(vectors, axis=1) - 1) > UNIT_TOLERANCE):
            raise StaleArtifact(
                f"The labels of {folder} do not fit: labels.json has {len(found.labels)} with {sum(found.counts)} vectors, "
                f"labels.npy is {vectors.dtype} {vectors.shape}; needed are as many rows, float32 and of unit length. "
                "Package the model again: dvc repro"
            )
        return found


def measured_labels(
    evaluated: Path, encode: Callable[[Sequence[str]], np.ndarray], width: int, logit_scale: float
) -> Labels:
    """Return the labels that the model was measured with, as vectors of the very prompts that were.

    Args:
        evaluated: labels.json of stage evaluate, with `set`, `templates`, `labels`, `prompts` (texts by label), `join`,
            `mean` or `sum`, and `sharpness`; where it is missing, the data has no labels.
        encode: texts to unit rows, float32 [N D].
        width: D.
        logit_scale: as it was learned.

    Raises DataError when a label has no prompts, or a template no place for one.
    """
    if not evaluated.exists():
        nothing = np.zeros((0, width), np.float32)
        return Labels(
            set=None, templates=PLAIN, labels=(), logit_scale=logit_scale, sharpness=1.0, vectors=nothing, counts=()
        )
    about: dict[str, Any] = json.loads(evaluated.read_text(encoding="utf-8"))
    labels, prompts, templates = about["labels"], about["prompts"], tuple(about["templates"]) or PLAIN
    wrong = [label for label in labels if not prompts.get(label)]
    if wrong or len(set(labels)) != len(labels) or any(template.count(PLACE) != 1 for template in templates):
        raise DataError(
            f"{evaluated} needs different labels, prompts for each (missing: {', '.join(wrong) or 'none'}) and {PLACE} "
            f"once in every template (it has {', '.join(templates)}). Evaluate the model again: dvc repro"
        )
    rows = encode([prompt for label in labels for prompt in prompts[label]])
    counts = [len(prompts[label]) for label in labels]
    if about.get("join") != "sum":
        parts = np.split(rows, np.cumsum(counts)[:-1])
        rows, counts = np.concatenate([label_vectors(part, len(part)) for part in parts]), [1] * len(labels)
    return Labels(
        set=about["set"], templates=templates, labels=tuple(labels), logit_scale=logit_scale,
        sharpness=float(about.get("sharpness", 1.0)), vectors=rows, counts=tuple(counts),
    )  # fmt: skip
