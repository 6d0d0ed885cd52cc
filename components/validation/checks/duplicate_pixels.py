"""Pictures that equal another one, pixel for pixel on white, however they are encoded.

With identical pixels under two captions nobody can be right about both; with a twin in train, recall is memory; with one in val, a model was
chosen by what it is tested on.
"""

import numpy as np
from numpy.typing import NDArray

from components.contracts.sample import TEST_SPLITS
from components.data.personal import masked
from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows, groups


class DuplicatePixels(Check):
    """An evaluation row (val or test) goes when its twin is trained on or captioned otherwise, one of val when its twin is tested on; twins in train are told of."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `duplicate_pixels` for rows of val and test, `twin_in_train` for those of train with a twin in train."""
        trained, tested = rows.trained, rows.of_splits(*TEST_SPLITS)
        findings = []
        for twins in groups(rows.measured["pixel_sha256"]):
            in_train = twins[trained[twins]]
            if len(in_train) > 1:
                first, second = in_train[:2]
                findings += [
                    rows.finding(at, "twin_in_train", f"identical to {rows.called(second if at == first else first)}")
                    for at in in_train
                ]
            if len(in_train) < len(twins):
                findings += _of_evaluation(rows, twins, in_train, twins[tested[twins]])
        return findings


def _of_evaluation(
    rows: Rows, twins: NDArray[np.int64], in_train: NDArray[np.int64], in_test: NDArray[np.int64]
) -> list[Finding]:
    """Return what is wrong with the rows of one group that are not trained on."""
    said = [tuple((text["text"], text["lang"]) for text in row["texts"]) for row in rows.read(twins, "texts")]
    if len(in_train) or len(set(said)) == 1:
        stay = in_train if len(in_train) else in_test
        others, going = stay, np.setdiff1d(twins, stay) if len(stay) else stay
    else:
        others = going = twins
    named = {at: texts[0][0] for at, texts in zip(twins, said, strict=True)}
    findings = []
    for at in going:
        other = next(other for other in others if other != at)
        detail = f"identical to {rows.called(other)}, which is named {masked(named[other])!r}"
        findings.append(rows.finding(at, "duplicate_pixels", detail))
    return findings
