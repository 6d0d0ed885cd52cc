"""Robustness: how much is still found when pictures are spoilt and texts mistyped.

Source: Hendrycks and Dietterich 2019, arXiv:1903.12261 (corruptions.py has what they do, at three of their five severities; the mean over severities, then
over corruptions); for texts typos.py. Differs: what is asked is retrieval, and zero-shot where it is listed, by share right; it stands beside the same model on what
is not spoilt and is divided by no other network's. A query is spoilt, its answers are not. Pictures are spoilt as the model is shown them, after
its transform, as ImageNet-C's are after their crop: a strength then means the same whatever size pictures have.
Axes: Q queries, C changes, S strengths.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Pictures, ShownEncoder, Subject
from components.evaluation.bootstrap import mean_interval
from components.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupted
from components.evaluation.groups import Grouped, choices
from components.evaluation.ranking import tied, twins
from components.evaluation.retrieval import Gallery, chance_at, ranks
from components.evaluation.typos import TYPOS, mistyped
from components.evaluation.zero_shot import Shares, ZeroShot

AT_ONCE = 256  # pictures that are decoded and then spoilt in every way
ALL = "mean"  # what stands for all changes


Answer = Callable[[np.ndarray, slice], np.ndarray]
"""Ranks of the best right answers to the pictures at some places of a pool, of their unit rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every query.

    Args:
        asked: names it: a direction of retrieval, or a label.
        how: the same in words.
        queries: Q names.
        about: what each is about, a picture's key or a concept; queries about one thing err together.
        chance: what a blind guess gets.
    """

    asked: str
    how: str
    queries: Sequence[str]
    about: Sequence[str]
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the model answered.

    Args:
        question: to what.
        clean: rank of the best right answer, from 1, to each query as it is.
        ranks: change -> the same of each spoilt query, a row a strength.
        said: change -> each text as it was typed, a row a strength; empty where pictures are asked.
    """

    question: Question
    clean: Int[np.ndarray, "Q"]
    ranks: Mapping[str, Int[np.ndarray, "S Q"]]
    said: Mapping[str, Sequence[Sequence[str]]]


class Robustness(Evaluator):
    """R@1 of spoilt pictures (to their names) and of mistyped texts (to their pictures), the mean over three strengths.

    The baseline is the same model asked by the same queries as they are, chance a blind guess.

    Args:
        corruptions: of pictures, see CORRUPTIONS.
        typos: of texts, see TYPOS.
        splits: which; those that the data has not are left out, and said to be. Each picture is encoded 3 times for each corruption.
        asks: zero-shot classification of the spoilt pictures too, as it asks; None for retrieval alone.

    Raises ConfigError for a name that is not known, and where there is nothing to do.
    """

    def __init__(
        self,
        corruptions: Sequence[str] = tuple(CORRUPTIONS),
        typos: Sequence[str] = TYPOS,
        splits: Sequence[str] = ("pair",),
        asks: ZeroShot | None = None,
    ) -> None:
        for name, given, known in (("corruptions", corruptions, tuple(CORRUPTIONS)), ("typos", typos, TYPOS)):
            for one in given:
                if one not in known:
                    near = get_close_matches(one, known, n=1, cutoff=0)[0]
                    raise ConfigError(f"{name} has {one!r}, but there are {', '.join(known)}. Did you mean {near}?")
        if not splits or not (corruptions or typos):
            raise ConfigError(
                f"splits is {list(splits)} with corruptions {list(corruptions)} and typos {list(typos)}, so there is nothing to ask. Name a "
                "split such as pair, and a corruption or a typo."
            )
        self.corruptions, self.typos, self.splits = (tuple(dict.fromkeys(its)) for its in (corruptions, typos, splits))
        self.asks = asks

    def measure(self, subject: Subject) -> Findings:
        """Return `robustness.<split>.<asked>.<change>`, and `.mean` of all changes; a row for each query, change and strength."""
        metrics: list[Metric] = []
        rows: dict[str, pa.Table] = {}
        without: dict[str, str] = {}
        labels: list[str] = []
        if self.asks is not None and self.corruptions:
            labels, why = choices(subject, self.asks.label, self.asks.among)
            if why:
                labels = []
                without |= {f"robustness.{one}.{self.asks.label}": why for one in self.splits if one in subject.pools}
        for split in self.splits:
            if split not in subject.pools:
                without[f"robustness.{split}"] = f"this data has no pictures in {split}"
                continue
            answered = [*self._pictures(subject, split, labels, without), *self._texts(subject, split)]
            for one in answered:
                metrics += _metrics(split, one, subject.seed)
            if answered:
                rows[f"robustness.{split}"] = pa.concat_tables([_rows(split, one) for one in answered])
        return Findings(metrics=tuple(metrics), rows=rows, without=without)

    def _pictures(self, subject: Subject, split: str, labels: Sequence[str], without: dict[str, str]) -> list[Answered]:
        """Return what the split's pictures got, spoilt; what cannot be asked is said in `without`."""
        pool, encoder = subject.pools[split], subject.encoder
        if not self.corruptions:
            return []
        if not isinstance(encoder, ShownEncoder):
            without[f"robustness.{split}.pictures"] = "the model does not hand out what it is shown of a picture"
            return []
        asked = self._questions(subject, split, labels, without)
        found: list[dict[tuple[str, int], list[np.ndarray]]] = [{} for _ in asked]
        for start in range(0, len(pool.keys), AT_ONCE):
            at = slice(start, min(start + AT_ONCE, len(pool.keys)))
            for spoilt, rows in self._spoilt(encoder, pool, at, subject.seed):
                for (_, answer), ranked in zip(asked, found, strict=True):
                    ranked.setdefault(spoilt, []).append(answer(rows, at))
            subject.progress(f"spoiling {split}", at.stop, len(pool.keys))
        whole = slice(0, len(pool.keys))
        return [
            Answered(
                question=question, clean=answer(subject.embedded(split), whole), said={},
                ranks={
                    name: np.stack([np.concatenate(ranked[name, strength]) for strength in STRENGTHS])
                    for name in self.corruptions
                },
            )
            for (question, answer), ranked in zip(asked, found, strict=True)
        ]  # fmt: skip

    def _questions(
        self, subject: Subject, split: str, labels: Sequence[str], without: dict[str, str]
    ) -> list[tuple[Question, Answer]]:
        """Return what pictures are asked: for their names, and for their groups where there are any."""
        pool = subject.pools[split]
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
        text, belongs = subject.encoder.texts(gallery.texts), gallery.belongs
        same = twins(text)
        for_names = Question(
            asked="image_to_text", how="the picture spoilt", queries=pool.keys, chance=chance_at(1, belongs),
            about=[gallery.pictures[place] for place in gallery.about("image_to_text")],
        )  # fmt: skip
        asked: list[tuple[Question, Answer]] = [
            (for_names, lambda rows, at: ranks(tied(rows @ text.T, same), belongs[at]))
        ]
        if self.asks is None or not labels:
            return asked
        known = Grouped.of(pool, self.asks.label, labels)
        if not known.keys:
            without[f"robustness.{split}.{self.asks.label}"] = f"no picture of {split} has a {self.asks.label}"
            return asked
        for_groups = Question(
            asked=self.asks.label, how=f"1 of {len(labels)} by {self.asks.method}, the picture spoilt", queries=known.keys,
            chance=1 / len(labels), about=known.about,
        )  # fmt: skip
        return [*asked, (for_groups, _of_groups(self.asks.asked(subject, labels), known))]

    def _spoilt(
        self, encoder: ShownEncoder, pool: Pictures, at: slice, seed: int
    ) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
        """Yield unit rows of some of a pool's pictures for each corruption and strength, from pixels that are decoded once."""
        shown = encoder.shown(pool.pictures[at]).transpose(0, 2, 3, 1)
        for name, strength in product(self.corruptions, STRENGTHS):
            changed = [corrupted(one, name, strength, seed, key) for one, key in zip(shown, pool.keys[at], strict=True)]
            yield (name, strength), encoder.of_shown(np.stack(changed).transpose(0, 3, 1, 2))

    def _texts(self, subject: Subject, split: str) -> list[Answered]:
        """Return what the split's texts got, mistyped."""
        if not self.typos:
            return []
        pool = subject.pools[split]
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
        image, belongs = subject.embedded(split), gallery.belongs.T
        same = twins(image)

        def answer(texts: Sequence[str]) -> np.ndarray:
            return ranks(tied(subject.encoder.texts(texts) @ image.T, same), belongs)

        said = {
            typo: [[mistyped(text, typo, strength, subject.seed) for text in gallery.texts] for strength in STRENGTHS]
            for typo in self.typos
        }
        question = Question(
            asked="text_to_image", how="the text mistyped", queries=gallery.texts, chance=chance_at(1, belongs),
            about=[gallery.pictures[place] for place in gallery.about("text_to_image")],
        )  # fmt: skip
        typed = {typo: np.stack([answer(texts) for texts in by_strength]) for typo, by_strength in said.items()}
        return [Answered(question=question, clean=answer(gallery.texts), ranks=typed, said=said)]


def _of_groups(shares: Shares, known: Grouped) -> Answer:
    """Return the question for a picture's group, which those are asked that have one."""

    def answer(rows: np.ndarray, at: slice) -> np.ndarray:
        has = known.has[at]
        before = int(known.has[: at.start].sum())
        return ranks(shares(rows[has]), known.belongs[before : before + int(has.sum())])

    return answer


def _metrics(split: str, one: Answered, seed: int) -> list[Metric]:
    """Return the share right of each change, meaned over its strengths, and the mean of all changes."""
    right = {change: (ranked == 1).mean(0) for change, ranked in one.ranks.items()}
    every = {**right, ALL: np.mean(list(right.values()), axis=0)}
    asked, metrics = one.question, []
    name = f"robustness.{split}.{asked.asked}"
    for change, its in every.items():
        tallies = [
            Tally(
                rows=f"robustness.{split}",
                where={"set": asked.asked, "change": which, "strength": strength},
                column="right",
            )
            for which in (right if change == ALL else [change])
            for strength in STRENGTHS
        ]
        low, high = mean_interval(its, asked.about, seed)
        how = f"{change.replace('_', ' ')}, " if change != ALL else f"mean of {len(right)} changes, "
        metrics.append(
            Metric(
                name=f"{name}.{change}", value=float(its.mean()), unit="fraction", better="up", n=len(its), chance=asked.chance,
                baseline=float((one.clean == 1).mean()), method=f"{asked.how}: {how}{len(STRENGTHS)} strengths; base: not spoilt", low=low, high=high,
                tallies=tuple(tallies),
            )
        )  # fmt: skip
    return metrics


def _rows(split: str, one: Answered) -> pa.Table:
    """Return a row for each query, change and strength."""
    asked, blocks = one.question, list(product(one.ranks, STRENGTHS))
    count = len(asked.queries)
    typed = [one.said[change][strength - 1] if one.said else [None] * count for change, strength in blocks]
    ranked = np.concatenate([one.ranks[change][strength - 1] for change, strength in blocks])
    return pa.table(
        {
            "split": [split] * len(ranked), "set": [asked.asked] * len(ranked),
            "change": [change for change, _ in blocks for _ in range(count)],
            "strength": pa.array([strength for _, strength in blocks for _ in range(count)], pa.int8()),
            "query": [*asked.queries] * len(blocks), "typed": pa.array([text for texts in typed for text in texts], pa.string()),
            "group": [*asked.about] * len(blocks), "rank": pa.array(ranked, pa.int32()),
            "clean_rank": pa.array(np.tile(one.clean, len(blocks)), pa.int32()), "right": ranked == 1,
        }
    )  # fmt: skip
