"""A picture and labels to scores: the prompts of labels, a vector for each label, and the labels ranked by softmax.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1 (prompts in an ensemble: their mean, of unit length again).
This file stands alone (numpy, nothing of ours): the exporter copies it, as it is, beside the served classifier.
Axes: L labels, T templates, P = L x T prompts, V vectors, at least one a label, D embedding width, K answers.
"""

import unicodedata
from collections.abc import Sequence

import numpy as np

PLACE = "{}"  # where the label goes in a template; replaced as text, so that no other braces mean anything
PLAIN = (PLACE,)  # the templates of a model that was never measured with any
MAX_LABELS = 1_000
MAX_TEMPLATES = 64
MAX_PROMPTS = 4_096
MAX_CHARACTERS = 200
CONTROL = {"Cc", "Cs", "Zl", "Zp"}  # Unicode's control characters, half characters, line and paragraph separators
SHORTEST = 1e-12  # prompts that cancel each other out have a mean of no length


class BadLabels(ValueError):
    """Labels or templates that nothing can be asked with; the message is for the client."""


def check_labels(labels: Sequence[str]) -> None:
    """Raise BadLabels unless there are 1 to 1,000 different labels, each a line of 1 to 200 characters."""
    if not labels:
        raise BadLabels("there are no labels; give at least one")
    if len(labels) > MAX_LABELS:
        raise BadLabels(f"there are {len(labels):,} labels; give at most {MAX_LABELS:,}")
    seen: set[str] = set()
    for place, label in enumerate(labels):
        _check_line("label", place, label)
        if label in seen:
            raise BadLabels(f"label {place} is there twice, so each would get a part of the score; give it once")
        seen.add(label)


def check_templates(templates: Sequence[str], labels: int) -> None:
    """Raise BadLabels unless there are 1 to 64 templates with one {} each, and at most 4,096 prompts with the labels."""
    if not templates:
        raise BadLabels("there are no templates; give at least one, such as 'a picture of {}'")
    if len(templates) > MAX_TEMPLATES:
        raise BadLabels(f"there are {len(templates):,} templates; give at most {MAX_TEMPLATES}")
    for place, template in enumerate(templates):
        _check_line("template", place, template)
        if template.count(PLACE) != 1:
            raise BadLabels(f"template {place} needs {PLACE} once, where the label goes, such as 'a picture of {{}}'")
    if labels * len(templates) > MAX_PROMPTS:
        raise BadLabels(
            f"{labels:,} labels in {len(templates)} templates are {labels * len(templates):,} prompts; "
            f"at most {MAX_PROMPTS:,} are encoded for one answer"
        )


def prompts_of(labels: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Return the P prompts, all of the first label before those of the second."""
    return [template.replace(PLACE, label) for label in labels for template in templates]


def label_vectors(rows: np.ndarray, templates: int) -> np.ndarray:
    """Return float32 [L D] of the prompts' unit rows [P D]: the mean of each label's, of unit length."""
    means = rows.reshape(-1, templates, rows.shape[-1]).mean(axis=1, dtype=np.float64)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    vectors: np.ndarray = (means / np.maximum(lengths, SHORTEST)).astype(np.float32)
    return vectors


def ranked(
    image: np.ndarray, vectors: np.ndarray, logit_scale: float, top_k: int, counts: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return places and scores float32 [K] of the likeliest labels, best first; equal ones keep their order.

    The scores are a softmax over all vectors, summed by label, so those of fewer than L sum to less than 1.

    Args:
        image: a picture's embedding, float32 [D] of unit length.
        vectors: float32 [V D] of unit length, those of the first label before those of the second.
        logit_scale: what cosines are multiplied with.
        top_k: how many, at most L are there.
        counts: how many vectors each label has, at least 1; one each where it is not given.
    """
    logits = logit_scale * (vectors.astype(np.float64) @ image.astype(np.float64))
    powers = np.exp(logits - logits.max())
    starts = np.cumsum([0, *counts[:-1]]) if counts else np.arange(len(vectors))
    scores = np.add.reduceat(powers, starts) / powers.sum()
    best = np.argsort(-scores, kind="stable")[:top_k]
    return best, scores[best].astype(np.float32)


def _check_line(what: str, place: int, text: str) -> None:
    if not text.strip():
        raise BadLabels(f"{what} {place} is blank")
    if len(text) > MAX_CHARACTERS:
        raise BadLabels(f"{what} {place} has {len(text):,} characters; give at most {MAX_CHARACTERS}")
    if any(unicodedata.category(character) in CONTROL for character in text):
        raise BadLabels(f"{what} {place} has a control character or a line break in it; give one line of text")
