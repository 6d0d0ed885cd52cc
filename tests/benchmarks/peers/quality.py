"""When a training gets as far as it has to: looks at a held-out pool, and the CPU-seconds at each; the same for every side.

It needs numpy and nothing of ours. Axes: I pictures, T texts, D embedding width.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Embed = Callable[[], tuple[np.ndarray, np.ndarray]]
"""Gives float rows of all pictures [I D] and all texts [T D] of a pool, of unit length."""


class Reached(Exception):
    """The training has got as far as it has to."""


class Pool:
    """Pictures and texts that are only looked at.

    Args:
        folder: holds `<split>.npz`, with pixels uint8 [I 3 S S] and which picture belongs to which text, bool [I T], and
            `<split>.json`, the T texts.
        split: which.
    """

    def __init__(self, folder: Path, split: str) -> None:
        with np.load(folder / f"{split}.npz") as kept:
            self.pixels, self.belongs = kept["pixels"], kept["belongs"]
        self.texts = json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))


class Course:
    """The looks of one training, and what they cost, which is no part of it.

    Args:
        belongs: bool [I T].
        target: recall at 1 from picture to text, as a share, at which it is there.
        clock: gives the CPU-seconds of this process and its children.
        stop: whether the training is left then.
    """

    def __init__(self, belongs: np.ndarray, target: float, clock: Callable[[], float], *, stop: bool) -> None:
        self.belongs, self.target, self.clock, self.stop = belongs, target, clock, stop
        self.looks: list[tuple[int, float, float]] = []
        self.looking_s = self.prepared_s = 0.0

    def begins(self) -> None:
        """Mark the end of what comes before the first step: imports, and what a side decodes and tokenises ahead."""
        self.prepared_s = self.clock() - self.looking_s

    def look(self, step: int, embed: Embed) -> None:
        """Measure after a step; Reached when that is enough."""
        began = self.clock()
        pictures, texts = embed()
        recall = recall_at_1(pictures @ texts.T, self.belongs)
        self.looks.append((step, began - self.looking_s, recall))
        self.looking_s += self.clock() - began
        if self.stop and recall >= self.target:
            raise Reached

    def told(self, **more: Any) -> str:
        """Return one line of JSON; `cpu_s` is None where the target was not reached."""
        there = next((look for look in self.looks if look[2] >= self.target), None)
        return json.dumps({
            "cpu_s": there and round(there[1], 1), "steps": there and there[0], "prepared_s": round(self.prepared_s, 1),
            "looking_s": round(self.looking_s, 1), "looks": [(step, round(at, 1), round(recall, 4)) for step, at, recall in self.looks],
            **more,
        })  # fmt: skip


def recall_at_1(scores: np.ndarray, belongs: np.ndarray) -> float:
    """Return the share of pictures whose nearest text is one of theirs; a tie with another counts as lost."""
    own = np.where(belongs, scores, -np.inf).max(1)
    others = np.where(belongs, -np.inf, scores).max(1)
    return float((own > others).mean())
