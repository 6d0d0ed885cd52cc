"""Mean recall in each language: a picture looks for its text among those of that language, and such a text for its picture.

Source: Silva et al. 2024, arXiv:2410.23370, section 4 (mean recall over 1, 5 and 10, both ways, in each of ten languages). Differs: chance, a baseline and
an interval stand beside it, and the mean over languages has them too.
Axes: Q queries, K of the k.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Pictures, Subject
from components.evaluation.among import SomeRows, among
from components.evaluation.ranking import Cosines, Right, chance_of, placed
from components.evaluation.retrieval import DIRECTIONS, Gallery, intervals

Way = tuple[str, str]
"""A language and a direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How one way went.

    Args:
        queries: their names.
        about: the group of each.
        right: which answers are right.
        rank: of the best right one.
        theirs: the same of the nearest training picture; None where none is known.
    """

    queries: Sequence[str]
    about: Int[np.ndarray, "Q"]
    right: Right
    rank: Int[np.ndarray, "Q"]
    theirs: Int[np.ndarray, "Q"] | None

    def hits(self, ks: Sequence[int]) -> Bool[np.ndarray, "Q K"]:
        """Return which have a right answer among the first k."""
        return self.rank[:, None] <= np.array(ks)

    def recalls(self, ks: Sequence[int]) -> list[tuple[float, float, float]]:
        """Return recall at each k, what a blind guess gets, and what the baseline does."""
        found = []
        for k in ks:
            chance = chance_of(k, self.right.counts, self.right.gallery)
            theirs = chance if self.theirs is None else float((self.theirs <= k).mean())
            found.append((float((self.rank <= k).mean()), chance, theirs))
        return found


class Languages(Evaluator):
    """The mean over k and both directions, of each language and of all.

    The baseline is the nearest training picture's texts; where no training picture is known, a blind guess.

    Args:
        ks: the k of recall at k.
        floor: texts that a language needs; those with fewer are named in `without`.
        splits: that are asked; None for all.

    Raises ConfigError for no k, and for a floor below 1.
    """

    def __init__(self, ks: Sequence[int] = (1, 5, 10), floor: int = 30, splits: Sequence[str] | None = None) -> None:
        if not ks or min(ks) < 1 or floor < 1:
            raise ConfigError(
                f"ks is {list(ks)} and floor {floor}. Give k of 1 or more, such as [1, 5, 10], and a floor of 1 or more."
            )
        self.ks, self.floor, self.splits = tuple(ks), floor, None if splits is None else tuple(splits)

    def measure(self, subject: Subject) -> Findings:
        """Return `languages.<split>.<language>.mean_recall`, `languages.<split>.mean_recall`, and a row a query."""
        metrics: list[Metric] = []
        rows: dict[str, pa.Table] = {}
        without: dict[str, str] = {}
        for split, pool in subject.pools.items():
            if self.splits is not None and split not in self.splits:
                continue
            name, gallery = f"languages.{split}", Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
            spoken = _spoken(pool, gallery)
            few = {code: len(its) for code, its in spoken.items() if len(its) < self.floor}
            if few or not spoken:
                told = ", ".join(f"{code} {count}" for code, count in few.items())
                without[name] = f"fewer than {self.floor} texts: {told}" if few else f"no language is known in {split}"
            asked = {code: its for code, its in spoken.items() if code not in few}
            if not asked:
                continue
            ways = self._asked(subject, split, gallery, asked)
            metrics += [
                _metric(f"{name}.{code}", split, {way: its for way, its in ways.items() if way[0] == code}, self.ks, subject.seed)
                for code in asked
            ]  # fmt: skip
            metrics.append(_metric(name, split, ways, self.ks, subject.seed))
            rows[name] = pa.concat_tables([_rows(split, way, its, gallery) for way, its in ways.items()])
        return Findings(metrics=tuple(metrics), rows=rows, without=without)

    def _asked(
        self, subject: Subject, split: str, gallery: Gallery, spoken: Mapping[str, Int[np.ndarray, "_"]]
    ) -> dict[Way, Answered]:
        """Return the answers of each way."""
        left, texts, found = subject.embedded(split), subject.encoder.texts(gallery.texts), dict[Way, Answered]()
        about = {direction: gallery.about(direction) for direction in DIRECTIONS}
        for code, columns in spoken.items():
            right, asked = among(gallery.right, columns)
            names = [gallery.texts[place] for place in columns]
            ours = Cosines(left=left[asked], right=texts[columns])
            theirs = None
            if subject.train.keys:  # of a foreign model nobody knows on what it was trained
                theirs = SomeRows(scores=subject.nearest(split, subject.train.captions, names), rows=asked)
            found[code, "image_to_text"] = Answered(
                queries=[gallery.pictures[place] for place in asked], about=about["image_to_text"][asked], right=right,
                rank=placed(ours, right).rank, theirs=None if theirs is None else placed(theirs, right).rank,
            )  # fmt: skip
            found[code, "text_to_image"] = Answered(
                queries=names, about=about["text_to_image"][columns], right=right.turned, rank=placed(ours.T, right.turned).rank,
                theirs=None if theirs is None else placed(theirs.T, right.turned).rank,
            )  # fmt: skip
        return found


def _spoken(pool: Pictures, gallery: Gallery) -> dict[str, Int[np.ndarray, "_"]]:
    """Return language -> which texts of the gallery are said in it, ascending; a text may be of several."""
    places = {text: place for place, text in enumerate(gallery.texts)}
    found: dict[str, set[int]] = {}
    for texts, codes in zip(pool.captions, pool.languages, strict=False):
        for text, code in zip(texts, codes, strict=True):
            found.setdefault(code, set()).add(places[text])
    return {code: np.array(sorted(its)) for code, its in sorted(found.items())}


def _metric(name: str, split: str, ways: Mapping[Way, Answered], ks: Sequence[int], seed: int) -> Metric:
    """Return the mean of all recalls of some ways, each of which weighs the same however many queries it has."""
    recalls = [one for its in ways.values() for one in its.recalls(ks)]
    value, chance, baseline = (fmean(column) for column in zip(*recalls, strict=True))
    keys = {way: f"{way[0]} {way[1]}" for way in ways}
    ends = intervals(
        {keys[way]: its.about for way, its in ways.items()}, {keys[way]: its.hits(ks) for way, its in ways.items()}, seed
    )  # fmt: skip
    low, high = ends[-1] if ends else (None, None)
    return Metric(
        name=f"{name}.mean_recall", value=value, unit="fraction", better="up", n=sum(len(its.queries) for its in ways.values()),
        chance=chance, baseline=baseline, low=low, high=high, method="among texts of the language",
        tallies=tuple(
            Tally(rows=f"languages.{split}", where={"language": code, "direction": direction}, column="rank", at_most=k)
            for code, direction in ways
            for k in ks
        ),
    )  # fmt: skip


def _rows(split: str, way: Way, its: Answered, gallery: Gallery) -> pa.Table:
    count = len(its.queries)
    return pa.table(
        {
            "split": [split] * count, "language": [way[0]] * count, "direction": [way[1]] * count, "query": list(its.queries),
            "group": [gallery.pictures[place] for place in its.about], "rank": pa.array(its.rank, pa.int32()),
            "baseline_rank": pa.nulls(count, pa.int32()) if its.theirs is None else pa.array(its.theirs, pa.int32()),
        }
    )  # fmt: skip
