"""Handwritten digits that come with scikit-learn, as a set of others to measure on: nothing is downloaded.

Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (doi:10.24432/C50P49), its test part as scikit-learn
has it. Licence: CC-BY-4.0. Differs: dark ink on white paper, enlarged from 8 x 8 to 32 x 32 pixels. Pictures: 1,797.
"""

import io
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from PIL import Image

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.contracts.sample import Media, Sample, Text

LICENCE = "CC-BY-4.0"
SPLIT = "pair"  # of all: to measure on, not to train on
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FULL = 16  # of ink in a pixel
TIMES = 4  # larger a side


def drawn_digits() -> Iterator[tuple[bytes, int]]:
    """Yield each picture as PNG with its digit, in scikit-learn's order."""
    from sklearn.datasets import load_digits  # a second to import, which checking a recipe need not spend

    images, target = load_digits(return_X_y=True)
    for image, digit in zip(images, target, strict=True):
        yield _png(image.reshape(8, 8)), int(digit)


class DigitsSource:
    """Gives handwritten digits, each a thing of its own, whose `category` is the digit as a word.

    Args:
        every: of the pictures in scikit-learn's order one of so many; 1 for all.
    """

    def __init__(self, every: int = 1) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ConfigError(
                f"source.every is {every!r}. Give a whole number, 1 for all digits, 3 for a third of them."
            )
        self.every = every

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample]:
        """Yield them in scikit-learn's order; nothing depends on the seed."""
        pictures = list(drawn_digits())[:: self.every]
        for place, (data, digit) in enumerate(pictures):
            key, name = f"digit-{place * self.every:04d}", NAMES[digit]
            yield Sample(
                key=key, split=SPLIT, source="uci", licence=LICENCE, media=(Media(member=f"{key}.png", data=data),),
                texts=(Text(text=f"a handwritten {name}"),), labels={"concept": key, "category": name},
            )  # fmt: skip
            progress("write pictures", place + 1, len(pictures))

    def describe(self) -> dict[str, object]:
        """Return where they are from, and that nobody should train on them."""
        return {
            "name": "digits",
            "designers": {"uci": LICENCE},
            "held_out": None,
            "languages": ["en"],
            "every": self.every,
            "splits": {SPLIT: "handwritten digits"},
            "without": {"train and val": "this is to be measured, not trained on: list it under evaluation.sets"},
        }


def _png(ink: Float[np.ndarray, "8 8"]) -> bytes:
    grey = np.round(255 * (1 - ink / FULL)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey.repeat(TIMES, 0).repeat(TIMES, 1)).save(file, "PNG")
    return file.getvalue()
