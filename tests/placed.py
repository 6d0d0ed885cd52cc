"""Pictures that are nothing but regions, and a model that is told what each patch shows: what is found can be counted by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.contracts.progress import Progress, silent
from components.contracts.sample import Region
from components.data.masks import pack
from components.data.selection import Pool
from components.evaluation.subject import TrainedModel


def region(
    label: str, box: tuple[int, int, int, int], side: int = 8, text: str | None = None, masked: bool = True
) -> Region:
    """Return a region that fills its box: left, top, right, bottom, in pixels of a square picture."""
    left, top, right, bottom = box
    mask = np.zeros((side, side), np.bool_)
    mask[top:bottom, left:right] = True
    shares = (left / side, top / side, right / side, bottom / side)
    return Region(box=shares, label=label, text=text, of_px=(side, side), mask=pack(mask) if masked else None)


def pool_of(*pictures: Sequence[Region]) -> Pool:
    """Return pictures of which only the regions are known; picture i is the bytes of its number."""
    names = tuple(str(number) for number in range(len(pictures)))
    return Pool(
        keys=names, pictures=tuple(name.encode() for name in names), captions=tuple((name,) for name in names),
        concepts=names, sources=names, regions=tuple(map(tuple, pictures)) if any(pictures) else (),
    )  # fmt: skip


@dataclass
class Seer:
    """A model of patches that are told.

    Args:
        shown: picture -> what each patch shows, rows of words; an empty one shows nothing.
        words: what can be asked, each a direction of its own.
        window: what is shown of every picture.
    """

    shown: Mapping[bytes, Sequence[Sequence[str]]]
    words: Sequence[str]
    window: tuple[float, float, float, float] = (0, 0, 1, 1)
    asked: list[Sequence[str]] = field(default_factory=list)
    logit_scale: float = 1.0

    def grid(self) -> tuple[int, int] | None:
        one = next(iter(self.shown.values()))
        return len(one), len(one[0])

    def windows(self, pictures: Sequence[bytes]) -> np.ndarray:
        return np.array([self.window] * len(pictures))

    def picture_tokens(self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = "") -> np.ndarray:
        return np.array([[self._row(word) for row in self.shown[one] for word in row] for one in pictures], np.float32)

    def text_tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return a token a word, and in front a start that every patch is near to."""
        most = 1 + max(len(text.split()) for text in texts)
        rows = np.zeros((len(texts), most, len(self.words) + 1), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 1
            row[1 : 1 + len(text.split())] = [self._row(word) for word in text.split()]
        return rows, np.arange(most) <= np.array([[len(text.split())] for text in texts])

    def named(self, texts: Sequence[str], words: Sequence[str]) -> np.ndarray:
        self.asked.append(tuple(words))
        split = [text.split() for text in texts]
        most = max(map(len, split))
        rows = [
            [False, *(one == word for one in row), *[False] * (most - len(row))]
            for row, word in zip(split, words, strict=True)
        ]
        return np.array(rows)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.array([np.sum([self._row(word) for word in text.split()], 0) for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def pictures(self, pictures, progress=silent, doing=""):
        raise AssertionError("patches were asked for")

    encoded = pictures

    def _row(self, word: str) -> list[float]:
        """Return the direction of a word; what shows nothing has one of its own, far from all."""
        row = [0.0] * (len(self.words) + 1)
        row[self.words.index(word) if word else -1] = 1.0
        return row


def subject(encoder: object, **pools: Pool) -> TrainedModel:
    """Return it with these splits; nothing of it is asked that patches do not say."""
    return TrainedModel(encoder=encoder, untrained=lambda: encoder, train=next(iter(pools.values())), pools=pools)
