"""The contract of a way to tell labels apart with towers that stay as they are, and what one yields: vectors, several a label or one.

A label's score is the sum over its vectors of exp(scale * sharpness * cosine), which is what a server answers by (components/serving/labels.py). What
is lost elsewhere is nothing, since no weight changes.
Axes: N pictures, V vectors, L labels, D shared width.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Encoder
from components.contracts.progress import Progress, silent
from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.evaluation.hard_data import COMMON, FEW_TO_CHOOSE_BY
from components.evaluation.prompts import SHORTEST, Asked, one_prompt
from components.evaluation.retrieval import ranks
from components.finetuning.labels.choice import Choice

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHARPNESSES = tuple(2.0**power for power in range(-4, 4))  # of the learned scale
LEAST = 1e-12  # of a share, so that one label that is ruled out does not decide alone
TIE = 1e-6  # of one, less than any of few pictures counts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelVectors:
    """Labels as a server has them.

    Args:
        vectors: of unit length, those of the first label before those of the second.
        counts: how many of them each label has.
        sharpness: what the learned scale is multiplied with.
    """

    vectors: Float[np.ndarray, "V D"]
    counts: tuple[int, ...]
    sharpness: float = 1.0

    def shares(self, image: Float[np.ndarray, "N D"], logit_scale: float) -> Float[np.ndarray, "N L"]:
        """Return the share of each label in a softmax over all vectors."""
        return Asked(vectors=self.vectors, counts=self.counts).shares(image, logit_scale * self.sharpness)

    def towards(self, other: "LabelVectors", strength: float) -> "LabelVectors":
        """Return what lies at `strength` of the way to another, whose counts it has; this one has one vector a label. At 0 it is this one, said as often."""
        own = self.vectors if set(other.counts) == {1} else np.repeat(self.vectors, other.counts, axis=0)
        return replace(other, vectors=own if strength == 0 else unit((1 - strength) * own + strength * other.vectors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Pictures of a split as the towers see them.

    Args:
        image: unit rows.
        label: the place of each one's label.
        series: a number that pictures of one series share, and no others; None where each is alone.
    """

    image: Float[np.ndarray, "N D"]
    label: Int[np.ndarray, "N"]
    series: Int[np.ndarray, "N"] | None = None

    def answered(self, vectors: LabelVectors, logit_scale: float) -> "Answered":
        """Return what became of each picture."""
        shares = vectors.shares(self.image, logit_scale)
        right = self.label[:, None] == np.arange(shares.shape[1])
        return Answered(right=ranks(shares, right) == 1, log=np.log(np.maximum(shares[right], LEAST)), label=self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of pictures.

    Args:
        right: whether the share of a picture's label is the largest, a tie counting as wrong.
        log: of that share.
        label: the place of it.
    """

    right: Bool[np.ndarray, "N"]
    log: Float[np.ndarray, "N"]
    label: Int[np.ndarray, "N"]

    def judged(self) -> tuple[float, float]:
        """Return the share that is answered rightly, and the mean log of the right label's share; each label counts alike where they are uneven."""
        counts = np.bincount(self.label)
        weights = 1 / counts[self.label] if counts.max() >= COMMON * len(self.label) else None
        return float(np.average(self.right, weights=weights)), float(np.average(self.log, weights=weights))

    def score(self) -> float:
        """Return the share that is answered rightly, with TIE of how sure is who answers few, so that of equals the surest is higher.

        Few are fewer than FEW_TO_CHOOSE_BY. How sure is the geometric mean of the right labels' shares, from 0 to 1 by hundredths.
        """
        share, log = self.judged()
        return share + (TIE * round(math.exp(log), 2) if len(self.label) < FEW_TO_CHOOSE_BY else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a way may look at; pictures are encoded once for all ways.

    Args:
        embedder: the model; nothing of it changes.
        choice: the labels.
        train: pictures to learn from.
        val: pictures to choose by.
        seed: of every draw.
    """

    embedder: Embedder
    choice: Choice
    train: Shown
    val: Shown
    seed: int = 0

    @classmethod
    def of(
        cls, embedder: Embedder, choice: Choice, train: Pool, val: Pool, seed: int, progress: Progress = silent
    ) -> "Seen":
        """Encode the pictures of both splits."""
        places = {label: place for place, label in enumerate(choice.labels)}
        series = _series_of(train, val)
        shown = {
            name: Shown(
                image=embedder.pictures(pool.pictures, progress, f"encoding {name}"),
                label=np.array([places[label] for label in choice.of[name]]),
                series=series.get(name),
            )
            for name, pool in (("train", train), ("val", val))
        }
        return cls(embedder=embedder, choice=choice, **shown, seed=seed)


def _series_of(train: Pool, val: Pool) -> dict[str, Int[np.ndarray, "_"]]:
    """Return split -> a number of each picture, which those of one series share over both; nothing where no two are of one."""
    said = [name for pool in (train, val) for name in pool.series or (None,) * len(pool)]
    series = [name if name is not None else place for place, name in enumerate(said)]
    first = {one: number for number, one in enumerate(dict.fromkeys(series))}
    if len(first) == len(series):
        return {}
    numbers = np.array([first[one] for one in series])
    return {"train": numbers[: len(train)], "val": numbers[len(train) :]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a way came to.

    Args:
        vectors: what was chosen.
        strength: how far it is from what was begun with.
        score: of `val`, as of `Answered.score`.
        tried: how many choices there were.
        which: of them was taken: the place of its candidate, and that of its variant.
        chosen_by: the score of the pictures that chose, which are those of `val` or more.
        begun_by: their score of what was begun with.
    """

    vectors: LabelVectors = field(compare=False)
    strength: float
    score: float
    tried: int
    which: tuple[int, int]
    chosen_by: float
    begun_by: float


class LabelWay(ABC):
    """Base of all ways that yield label vectors. `val` chooses among candidates, strengths and sharpnesses; where it has few pictures, folds.py.

    `learns` says whether candidates are other ones of other pictures.

    Args:
        strengths: how far to go from the vectors that are begun with (0) to what was found (1); several to choose from.
        sharpnesses: of the learned scale, above 0.

    Raises ConfigError for numbers out of range.
    """

    learns: ClassVar[bool] = True

    def __init__(self, strengths: Sequence[float] = STRENGTHS, sharpnesses: Sequence[float] = SHARPNESSES) -> None:
        if not strengths or not all(0 <= strength <= 1 for strength in strengths):
            raise ConfigError(
                f"strengths are {list(strengths)}, but one is needed at least, each from 0 (what is begun with) to 1 (what was found)."
            )
        if not sharpnesses or not all(0 < sharpness < np.inf for sharpness in sharpnesses):
            raise ConfigError(
                f"sharpnesses are {list(sharpnesses)}, but the learned scale is multiplied with one. Give one at least, above 0; 1 is the scale itself."
            )
        self.strengths, self.sharpnesses = tuple(sorted(strengths)), tuple(sharpnesses)

    @property
    def within(self) -> str:
        """What bounds how much is learnt, such as `-90s`, by which what was fitted within one bound is not taken for another's; empty where nothing does."""
        return ""

    def in_time(self, parts: int) -> "LabelWay":
        """Return the same way, that learns for such a part of the time that it may take; itself where nothing bounds it."""
        return self

    @abstractmethod
    def candidates(self, seen: Seen, begun: LabelVectors, progress: Progress) -> Iterator[LabelVectors]:
        """Yield what was found, each with numbers of its own, the nearest to what is begun with first; `seen.val` is not to be learnt from."""

    def fit(self, seen: Seen, begun: LabelVectors, progress: Progress = silent) -> Fitted:
        """Return the best on `val`: of equal shares that are right the likelier, of equals the first.

        Args:
            begun: one vector a label, such as its prompts'.
        """
        scale, tried, best = seen.embedder.logit_scale, 0, ((-1.0, 0.0), begun, 0.0, (0, 0))
        for place, found in enumerate(self.candidates(seen, begun, progress)):
            for at, (strength, one) in enumerate(self.variants(begun, found)):
                judged, tried = seen.val.answered(one, scale).judged(), tried + 1
                if judged > best[0]:
                    best = (judged, one, strength, (place, at))
        score = seen.val.answered(best[1], scale).score()
        return Fitted(
            vectors=best[1], strength=best[2], score=score, tried=tried, which=best[3], chosen_by=score,
            begun_by=seen.val.answered(begun, scale).score(),
        )  # fmt: skip

    def variants(self, begun: LabelVectors, found: LabelVectors) -> Iterator[tuple[float, LabelVectors]]:
        """Yield what was found at each strength, with it, and each sharpness, the nearest to what is begun with first."""
        for strength in self.strengths:
            at = begun.towards(found, strength)
            for sharpness in self.sharpnesses:
                yield strength, replace(at, sharpness=sharpness)


def plain(embedder: Encoder, labels: Sequence[str]) -> LabelVectors:
    """Return each label by its own text alone: zero-shot, as the towers are."""
    asked = one_prompt({label: label for label in labels}, embedder.texts)
    return LabelVectors(vectors=asked.vectors, counts=asked.counts)


def unit(rows: Float[np.ndarray, "V D"]) -> Float[np.ndarray, "V D"]:
    """Return float32 rows of unit length."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.maximum(lengths, SHORTEST)).astype(np.float32)
