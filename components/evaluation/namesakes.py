"""Classes that are called alike, as ImageNet's two `missile` and two `sunglasses`: which of them is answered, when no text can tell them apart.

Source: CLIP_benchmark 1.6.2, metrics/zeroshot_classification.py. It scores each class for itself, so namesakes always tie. Its acc1 and acc5 take the
classes that torch.topk returns, which leaves ties in no order that anybody promised; its mean_per_class_recall takes argmax, which is the first.
Differs: namesakes tie to the last bit, whichever batch their prompts were encoded in; among others a tie still counts as lost.
Axes: I pictures, L labels in the order of the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, slots=True, kw_only=True)
class Namesakes:
    """Which labels are called alike.

    Args:
        first: int [L], the first label that is called as each is; its own number where no other is.
    """

    first: Int[np.ndarray, "L"]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Namesakes":
        """Build from what each label is called."""
        numbers: dict[str, int] = {}
        return cls(first=np.array([numbers.setdefault(text, number) for number, text in enumerate(texts)], np.int64))

    def __bool__(self) -> bool:
        return bool((self.first != np.arange(len(self.first))).any())

    def tied(self, scores: Float[np.ndarray, "I L"]) -> Float[np.ndarray, "I L"]:
        """Return the same scores with those of namesakes equal."""
        return scores[:, self.first]

    def untied(
        self, rank: Int[np.ndarray, "I"], scores: Float[np.ndarray, "I L"], belongs: Bool[np.ndarray, "I L"], k: int
    ) -> tuple[Int[np.ndarray, "I"], Int[np.ndarray, "I"]]:
        """Return ranks with ties of namesakes broken as acc1 and acc5 have them, and as mean_per_class_recall has them.

        Args:
            rank: from 1, where every tie counts as lost.
            scores: in which namesakes tie.
            belongs: which label is right, one a picture.
            k: of the topk that is asked for the former.
        """
        truth = belongs.argmax(1)
        alike = (self.first[truth][:, None] == self.first) & ~belongs
        earlier = alike & (np.arange(len(self.first)) < truth[:, None])
        taken = torch.from_numpy(scores).topk(k, dim=1).indices.numpy()
        place = np.full(scores.shape, k, np.int64)  # where topk leaves each label, k where it does not return it
        np.put_along_axis(place, taken, np.arange(k)[None, :].repeat(len(scores), 0), axis=1)
        own = np.take_along_axis(place, truth[:, None], axis=1)
        before = alike & (place <= own)  # where it returns neither, both are behind k, and the tie may count as lost
        return rank - (alike & ~before).sum(1), rank - (alike & ~earlier).sum(1)
