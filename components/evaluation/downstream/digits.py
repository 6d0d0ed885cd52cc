"""Handwritten digits: 1,797 pictures of 8 x 8 pixels that come with scikit-learn, so nothing is downloaded.

Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository
(doi:10.24432/C50P49), its test part as scikit-learn has it. Licence: CC-BY-4.0.
Differs: dark ink on white paper, enlarged to 32 x 32 pixels. Writers are not told apart, so the same hand may be in all
parts: numbers say how well digits can be told by these features, not how well a new hand is read.
"""

import hashlib

from components.contracts.evaluator import Downstream, Labelled, Part
from components.data.sources.digits import drawn_digits

SHARES = {"train": 0.6, "val": 0.2}  # the rest is test


class Digits(Downstream):
    """Ten classes, 60% to fit on, 20% to choose by and 20% to test on in each; the parts never change."""

    name = "digits"
    about = "handwritten digits of scikit-learn (UCI, CC-BY-4.0)"

    def read(self) -> Labelled:
        """Return all pictures as PNG, in scikit-learn's order."""
        pictures, target = zip(*drawn_digits(), strict=True)
        keys = tuple(f"digits-{place:04d}" for place in range(len(target)))
        labels = tuple(str(digit) for digit in target)
        return Labelled(pictures=pictures, keys=keys, labels=labels, parts=parts_of(keys, labels))


def parts_of(keys: tuple[str, ...], labels: tuple[str, ...]) -> tuple[Part, ...]:
    """Return the part of each, the shares holding within each label; which goes where follows from its key alone."""
    parts: dict[str, Part] = {}
    for label in set(labels):
        its = [key for key, one in zip(keys, labels, strict=True) if one == label]
        its.sort(key=lambda key: hashlib.sha256(key.encode()).digest())
        fitted = round(SHARES["train"] * len(its))
        chosen = fitted + round(SHARES["val"] * len(its))
        parts |= {key: "train" if i < fitted else "val" if i < chosen else "test" for i, key in enumerate(its)}
    return tuple(parts[key] for key in keys)
