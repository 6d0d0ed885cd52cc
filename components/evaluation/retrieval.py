"""Retrieval in both directions: from a picture to its name among all names of the pool, and back.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1 (recall at k over a held-out pool), and Pan et al. 2024, arXiv:2405.10160 (their
mean over 1, 5 and 10, both ways); median rank and mean average precision as papers on retrieval give them. Differs: chance and a baseline stand beside every number; ties count against the model, so that a model
that scores all alike does not look good. Ranks are taken in blocks of queries (ranking.py), so a large pool takes what its embeddings take.
Axes: Q queries, G gallery, I pictures, T texts, K of the k.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from components.contracts.errors import DataError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Scores, Subject
from components.data.together import together
from components.evaluation.bootstrap import drawn, mean_interval, median, median_interval, middle
from components.evaluation.ranking import (
    Cosines,
    Placed,
    Right,
    chance_of,
    median_chance,
    placed,
    precision_chance,
)

DIRECTIONS = ("image_to_text", "text_to_image")
METHOD = "captions as they are written, by cosine"  # the same of every model: how much of a text its tokenizer reads is its own affair


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """A pool as a matrix problem.

    Args:
        pictures: I keys.
        texts: T texts, each once.
        right: which texts belong to each picture; every picture has at least one, and every text a picture.
        series: which pictures are of one, None of a picture that is of none; empty where no picture is of any.
    """

    pictures: tuple[str, ...]
    texts: tuple[str, ...]
    right: Right
    series: tuple[str | None, ...] = ()

    @classmethod
    def of(
        cls, keys: Sequence[str], captions: Sequence[Sequence[str]], concepts: Sequence[str], series: Sequence[str | None] = ()
    ) -> "Gallery":  # fmt: skip
        """Build from the columns of a pool: a picture and a text belong together when they are of one concept.

        A text that several concepts have belongs to the pictures of each.
        """
        numbers: dict[str, int] = {}
        said: dict[str, dict[int, None]] = {}
        for concept, texts in zip(concepts, captions, strict=True):
            own = said.setdefault(concept, {})
            for text in texts:
                own[numbers.setdefault(text, len(numbers))] = None
        right = {concept: sorted(own) for concept, own in said.items()}
        return cls(
            pictures=tuple(keys),
            texts=tuple(numbers),
            right=Right.of([right[concept] for concept in concepts], len(numbers)),
            series=tuple(series),
        )

    @property
    def belongs(self) -> Bool[np.ndarray, "I T"]:
        """Which belong together, as a matrix: for pools that are small."""
        return self.right.matrix

    def about(self, direction: str) -> Int[np.ndarray, "Q"]:
        """Return the group of each query: the first of the pictures that have the same texts, or are of one series. A text is of its first picture's group."""
        pictures = np.array(together(self.right.alike().tolist(), self.series)) if self.series else self.right.alike()
        if direction == "image_to_text":
            return pictures
        texts = self.right.turned
        return pictures[texts.answers[texts.starts[:-1]]]


def ranks(scores: Float[np.ndarray, "Q G"], belongs: Bool[np.ndarray, "Q G"]) -> Int[np.ndarray, "Q"]:
    """Return the rank, from 1, of the best answer that belongs to each query; a tie counts as lost."""
    if not belongs.any(1).all():
        raise DataError(
            "a query has nothing in the gallery that belongs to it, so it can have no rank. Drop it from the pool."
        )
    if not np.isfinite(scores).all():
        raise DataError("some scores are no numbers, so ranks would mean nothing. Look at the weights.")
    best = np.where(belongs, scores, -np.inf).max(1, keepdims=True)
    return 1 + ((scores >= best) & ~belongs).sum(1)


def nearest(scores: Float[np.ndarray, "Q G"], belongs: Bool[np.ndarray, "Q G"]) -> Int[np.ndarray, "Q"]:
    """Return the answer with the highest score; of several, a wrong one, as a tie counts as lost."""
    tied = scores == scores.max(1, keepdims=True)
    return (tied * (2 - belongs.astype(np.int8))).argmax(1)


def chance_at(k: int, belongs: Bool[np.ndarray, "Q G"]) -> float:
    """Return recall at k of answers in random order, meaned over the queries."""
    return chance_of(k, belongs.sum(1), belongs.shape[1])


def retrieval(
    split: str,
    gallery: Gallery,
    scores: Scores,
    baseline: Scores | None,
    ks: Sequence[int],
    seed: int = 0,
) -> tuple[list[Metric], pa.Table]:
    """Return recall at each k in both directions and the mean of these, median rank and mean average precision, each with its interval, and a row a query.

    Args:
        split: names the metrics.
        scores: of the model [I T], higher is closer.
        baseline: the same of the no-training baseline, on the same pool; None where there is none but a blind guess.
        seed: of the draws that intervals come from.
    """
    metrics: list[Metric] = []
    further: list[Metric] = []
    rows, hits, about = [], {}, {direction: gallery.about(direction) for direction in DIRECTIONS}
    for direction in DIRECTIONS:
        queries, answers = turn_names(gallery, direction)
        right = rights(gallery, direction)
        ours = ranked(gallery, scores, direction)
        theirs = None if baseline is None else ranked(gallery, baseline, direction)
        hits[direction] = ours.rank[:, None] <= np.array(ks)
        for k in ks:
            chance = chance_of(k, right.counts, right.gallery)
            metrics.append(
                Metric(
                    name=f"retrieval.{split}.{direction}.recall_at_{k}", value=float((ours.rank <= k).mean()), unit="fraction",
                    better="up", n=len(queries), chance=chance, baseline=chance if theirs is None else float((theirs.rank <= k).mean()),
                    method=METHOD, tallies=(Tally(rows=f"retrieval.{split}", where={"direction": direction}, column="rank", at_most=k),),
                )
            )  # fmt: skip
        further += over_ranks(f"retrieval.{split}", direction, ours, theirs, right, about[direction].tolist(), seed)
        rows.append(
            pa.table(
                {
                    "split": [split] * len(queries), "direction": [direction] * len(queries), "query": queries,
                    "group": [gallery.pictures[place] for place in about[direction]], "rank": pa.array(ours.rank, pa.int32()),
                    "baseline_rank": pa.nulls(len(queries), pa.int32()) if theirs is None else pa.array(theirs.rank, pa.int32()),
                    "average_precision": ours.precision,
                    "first": [answers[place] for place in ours.first],
                    "first_score": pa.array(ours.score, pa.float32()),
                    "first_right": ours.rank == 1,
                }
            )
        )  # fmt: skip
    metrics += mean_recall(split, metrics, len(gallery.pictures) + len(gallery.texts))
    found = zip(metrics, intervals(about, hits, seed), strict=False)  # of one group alone there is no interval
    recalls = [replace(metric, low=low, high=high) for metric, (low, high) in found] or metrics
    return [*recalls, *further], pa.concat_tables(rows)


def rights(gallery: Gallery, direction: str) -> Right:
    """Return which answers are right, of queries that are texts where that is the direction."""
    return gallery.right.turned if direction == "text_to_image" else gallery.right


def ranked(gallery: Gallery, scores: Scores, direction: str) -> Placed:
    """Return where the right answers of each query stand.

    Args:
        scores: [I T], higher is closer.
    """
    return placed(scores.T if direction == "text_to_image" else scores, rights(gallery, direction))


def over_ranks(
    rows: str, direction: str, ours: Placed, theirs: Placed | None, right: Right, groups: Sequence[int], seed: int
) -> list[Metric]:
    """Return `<rows>.<direction>.median_rank`, MdR in papers, and `<rows>.<direction>.mean_average_precision`, their mAP.

    Of a query with one right answer the average precision is the reciprocal of its rank.

    Args:
        rows: where a row a query is kept.
        ours: of the model.
        theirs: of the baseline; None where it is a blind guess.
        right: which answers are right.
        groups: what each query is about.
        seed: of the draws that intervals come from.
    """
    middle_chance, precise_chance = (
        median_chance(right.counts, right.gallery),
        precision_chance(right.counts, right.gallery),
    )
    low, high = median_interval(ours.rank, groups, seed)
    lowest, highest = mean_interval(ours.precision, groups, seed)
    return [
        Metric(
            name=f"{rows}.{direction}.median_rank", value=float(median(ours.rank)), unit="rank", better="down", n=len(right),
            chance=float(middle_chance), baseline=float(middle_chance if theirs is None else median(theirs.rank)), method=METHOD,
            low=low, high=high,
        ),
        Metric(
            name=f"{rows}.{direction}.mean_average_precision", value=float(ours.precision.mean()), unit="fraction", better="up", n=len(right),
            chance=precise_chance, baseline=precise_chance if theirs is None else float(theirs.precision.mean()), method=METHOD, low=lowest, high=highest,
            tallies=(Tally(rows=rows, where={"direction": direction}, column="average_precision"),),
        ),
    ]  # fmt: skip


def intervals(
    about: Mapping[str, Int[np.ndarray, "Q"]], hits: Mapping[str, Bool[np.ndarray, "Q K"]], seed: int
) -> list[tuple[float, float] | tuple[None, None]]:  # fmt: skip
    """Return the interval of each recall and of their mean, pictures that have the same texts drawn together with these; [] of one group alone.

    None twice stands for the mean where no draw has a query of every direction, as of many languages with a picture each.

    Args:
        about: direction -> the group of each query, the same numbers both ways.
        hits: direction -> which queries have a right answer among the first k, for each k.
        seed: of the draws.
    """
    groups = 1 + max(int(of.max()) for of in about.values())
    sums = np.zeros((groups, sum(of.shape[1] + 1 for of in hits.values())))
    first, shares = 0, []
    for direction, of in hits.items():
        counted = np.concatenate([of, np.ones((len(of), 1))], 1)
        np.add.at(sums[:, first : first + counted.shape[1]], about[direction], counted)
        shares += [(first + place, first + of.shape[1]) for place in range(of.shape[1])]
        first += counted.shape[1]
    sums = sums[sums.any(1)]
    if len(sums) < 2 or not shares:
        return []
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no text of a direction
        again = drawn(sums, seed)
        recalls = [again[:, hit] / again[:, queries] for hit, queries in shares]
    return [(None, None) if np.isnan(one).all() else middle(one) for one in [*recalls, np.mean(recalls, 0)]]


def mean_recall(split: str, recalls: Sequence[Metric], queries: int) -> list[Metric]:
    """Return `retrieval.<split>.mean_recall`, which papers call mR where the k are 1, 5 and 10; nothing of no recall.

    Args:
        split: names the metric.
        recalls: at each k, both ways. All weigh the same, however many queries each way has; chance and baseline are meaned alike.
        queries: of both ways together.
    """
    if not recalls:
        return []
    value, chance, baseline = (fmean(getattr(one, name) for one in recalls) for name in ("value", "chance", "baseline"))
    return [
        Metric(
            name=f"retrieval.{split}.mean_recall", value=value, unit="fraction", better="up", n=queries, chance=chance,
            baseline=baseline, method=f"{METHOD}; the mean over {len(recalls)} recalls", tallies=tuple(tally for one in recalls for tally in one.tallies),
        )
    ]  # fmt: skip


def turn_names(gallery: Gallery, direction: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of queries and answers of a direction."""
    pair = (gallery.pictures, gallery.texts)
    return pair if direction == "image_to_text" else (pair[1], pair[0])


class Retrieval(Evaluator):
    """Recall at k of every pool, both ways, and its mean over the ways and the k; median rank and mean average precision.

    The baseline is the nearest training picture's texts; of a model of which no training picture is known, a blind guess.

    Args:
        ks: the k of recall at k.
    """

    def __init__(self, ks: Sequence[int] = (1, 5, 10)) -> None:
        self.ks = tuple(ks)

    def measure(self, subject: Subject) -> Findings:
        """Return `retrieval.<split>.<direction>.recall_at_<k>`, and the same of `median_rank` and `mean_average_precision`, `retrieval.<split>.mean_recall`,
        and a row a query.
        """
        metrics, rows = [], {}
        for split, pool in subject.pools.items():
            gallery = Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
            scores = Cosines(left=subject.embedded(split), right=subject.encoder.texts(gallery.texts))
            known = len(subject.train.keys) > 0  # of a foreign model nobody knows what it was trained on
            baseline = subject.nearest(split, subject.train.captions, gallery.texts) if known else None
            measured, rows[f"retrieval.{split}"] = retrieval(split, gallery, scores, baseline, self.ks, subject.seed)
            metrics += measured
        return Findings(metrics=tuple(metrics), rows=rows)


def recall_at_1(scores: Float[np.ndarray, "I T"], belongs: Bool[np.ndarray, "I T"]) -> dict[str, float]:
    """Return recall at 1 by direction: what training watches."""
    return {
        "image_to_text": float((ranks(scores, belongs) == 1).mean()),
        "text_to_image": float((ranks(scores.T, belongs.T) == 1).mean()),
    }
