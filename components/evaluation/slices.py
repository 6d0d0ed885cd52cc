"""Slices: whether one part of the queries fares worse than the others, such as one language, one designer or one kind of thing.

Source: Buolamwini and Gebru 2018, "Gender Shades" (a mean that is good hides a part that is not); Agarwal et al. 2021, arXiv:2108.02818, section 2, for CLIP.
Differs: the gap is from the worst slice to all, and chance stands beside it: what slices of these sizes show where all queries are alike, since the worst of
several lies below the mean by noise alone. The gap's interval is of all slices at once, for the same reason (`of_parts.py`).
Axes: Q queries, G gallery, S slices.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from components.contracts.errors import ConfigError, DataError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Pictures, Subject
from components.evaluation.among import SomeRows, among
from components.evaluation.bootstrap import mean_interval
from components.evaluation.groups import Grouped, choices, of_nearest
from components.evaluation.of_parts import gap_interval
from components.evaluation.ranking import Cosines, placed
from components.evaluation.retrieval import DIRECTIONS, Gallery, ranks, turn_names
from components.evaluation.zero_shot import ZeroShot

LANGUAGE, KIND = "language", "text_kind"  # of texts, where everything else is of pictures
SHUFFLES = 1_000  # of the queries over the slices, for what chance shows
GAP = "gap"
PART = re.compile(r"\W+")  # what no name of a metric may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The queries of one question, and who got them right.

    Args:
        asked: a direction of retrieval, or a label.
        how: the same in words.
        queries: their names; one that is asked in several slices stands there for each.
        about: what each is about; queries about one thing err together.
        slices: of which each is; None of none, or of several.
        chance: of each, what a blind guess gets.
        right: which the model got.
        theirs: which the nearest training picture got; None where no training picture is known.
    """

    asked: str
    how: str
    queries: Sequence[str]
    about: Sequence[str]
    slices: Sequence[str | None]
    chance: Float[np.ndarray, "Q"]
    right: Bool[np.ndarray, "Q"]
    theirs: Bool[np.ndarray, "Q"] | None


class Slices(Evaluator):
    """R@1 of each slice that has enough queries, and the gap from the worst of them to the mean of all of theirs.

    Chance and baseline of a slice are those of Retrieval and ZeroShot on its queries; where no training picture is known the baseline is chance.

    Args:
        of: what slices are of: a label such as `category`; `source`, who made a picture; `language` or `text_kind`, of a text: a picture then looks for
            any of its texts of a slice among all texts of that slice.
        floor: queries that a slice needs; those with fewer are named in `without`, and no number is made of them.
        together: name -> slices whose queries have a number together too, such as that of languages with few texts.
        splits: that are asked; None for all.
        asks: zero-shot classification of the pictures too, as it asks; None for retrieval alone.

    Raises ConfigError for a floor below 1, and for a name of slices together that is that of a number already.
    """

    def __init__(
        self,
        of: str = "category",
        floor: int = 30,
        asks: ZeroShot | None = None,
        together: dict[str, list[str]] | None = None,
        splits: list[str] | None = None,
    ) -> None:
        if floor < 1:
            raise ConfigError(
                f"floor is {floor}, but a slice needs a query at least. 30 is what a share can be told by."
            )
        self.splits = None if splits is None else tuple(splits)
        self.of, self.floor, self.asks, self.together = of, floor, asks, dict(together or {})
        for name, its in self.together.items():
            if name == GAP or not its:
                raise ConfigError(
                    f"together has {name}: {its}. Give it a name other than {GAP}, which is what the worst lacks, and slices, such as few: [ko, tr]."
                )

    def measure(self, subject: Subject) -> Findings:
        """Return `slices.<split>.<of>.<asked>.<slice>` and `.gap`, a row a slice, small ones too, and in `slices.<split>.<of>` a row a query.

        Raises DataError for slices whose numbers would be called alike, ConfigError for slices together that are called as another number is.
        """
        metrics: list[Metric] = []
        rows: dict[str, pa.Table] = {}
        without: dict[str, str] = {}
        for split, pool in subject.pools.items():
            if self.splits is not None and split not in self.splits:
                continue
            tables, queries, by_query = [], [], f"slices.{split}.{self.of}"
            for one in (*self._retrieval(subject, split, pool), *self._zero_shot(subject, split, pool, without)):
                name = f"slices.{split}.{self.of}.{one.asked}"
                places = _places(one.slices)
                kept = {its: at for its, at in places.items() if len(at) >= self.floor}
                few = ", ".join(f"{its} {len(at)}" for its, at in places.items() if its not in kept)
                if few:
                    without[name] = f"fewer than {self.floor} queries: {few}"
                if len(kept) < 2:
                    what = f"{split} has {len(kept)} slices of {self.of} with {self.floor} queries or more"
                    without[name] = f"{what}, so there is nothing to compare" + (f" ({few})" if few else "")
                    continue
                joined = self._together(places, name, without)
                _check_names(f"{split} by {self.of}", places, kept, joined)
                made = _metrics(name, by_query, one, kept, joined, subject.seed)
                queries.append(_query_rows(split, self.of, one, {**kept, **joined}))
                metrics += made
                tables.append(_rows(split, self.of, one, places, made))
            if tables:
                rows |= {f"slices.{split}": pa.concat_tables(tables), by_query: pa.concat_tables(queries)}
        return Findings(metrics=tuple(metrics), rows=rows, without=without)

    def _together(
        self, places: Mapping[str, np.ndarray], name: str, without: dict[str, str]
    ) -> dict[str, Int[np.ndarray, "_"]]:
        """Return name -> where the queries of its slices stand; in `without`, which slices nobody is in."""
        found = {}
        for together, its in self.together.items():
            there = [places[one] for one in its if one in places]
            if len(there) < len(its):
                missing = ", ".join(one for one in its if one not in places)
                without[f"{name}.{together}"] = f"no query is of {missing}; its number is of the others"
            if there:
                found[together] = np.sort(np.concatenate(there))
        return found

    def _retrieval(self, subject: Subject, split: str, pool: Pictures) -> list[Asked]:
        """Return the answers both ways."""
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts, pool.series)
        scores = Cosines(left=subject.embedded(split), right=subject.encoder.texts(gallery.texts))
        trained = bool(subject.train.keys)  # of a foreign model nobody knows on what
        baseline = subject.nearest(split, subject.train.captions, gallery.texts) if trained else None
        found = []
        for direction in DIRECTIONS:
            of_picture = direction == "image_to_text"
            if of_picture and self.of in (LANGUAGE, KIND):
                found += self._among_own(subject, split, pool, gallery, scores)
                continue
            right = gallery.right if of_picture else gallery.right.turned
            theirs = baseline if of_picture or baseline is None else baseline.T
            slices = pool.labelled(self.of) if of_picture else self._of_texts(pool, gallery)
            assert len(slices) == len(turn_names(gallery, direction)[0])
            found.append(
                Asked(
                    asked=direction, how="R@1", queries=turn_names(gallery, direction)[0],
                    about=[gallery.pictures[place] for place in gallery.about(direction)], slices=slices,
                    chance=right.counts / right.gallery, right=placed(scores if of_picture else scores.T, right).rank == 1,
                    theirs=None if theirs is None else placed(theirs, right).rank == 1,
                )
            )  # fmt: skip
        return found

    def _among_own(
        self, subject: Subject, split: str, pool: Pictures, gallery: Gallery, scores: Cosines
    ) -> list[Asked]:
        """Return the answers of pictures among the texts of a slice, slice after slice; nothing where no text has one."""
        spoken, about = self._said(pool, gallery), gallery.about("image_to_text")
        names = np.array(gallery.pictures)
        parts: list[tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]] = []
        for its in sorted(set().union(*spoken)):
            columns = np.array([place for place, own in enumerate(spoken) if its in own])
            right, asked = among(gallery.right, columns)
            own = Cosines(left=scores.left[asked], right=scores.right[columns])
            theirs = None
            if subject.train.keys:
                own_texts = [gallery.texts[place] for place in columns]
                near = subject.nearest(split, subject.train.captions, own_texts)
                theirs = placed(SomeRows(scores=near, rows=asked), right).rank == 1
            parts.append(
                (
                    its,
                    names[asked],
                    names[about[asked]],
                    right.counts / right.gallery,
                    placed(own, right).rank == 1,
                    theirs,
                )
            )
        if not parts:
            return []
        baselines = [theirs for *_, theirs in parts if theirs is not None]
        return [
            Asked(
                asked="image_to_text", how="R@1 among texts of the slice", queries=np.concatenate([keys for _, keys, *_ in parts]).tolist(),
                about=np.concatenate([one for _, _, one, *_ in parts]).tolist(),
                slices=[its for its, keys, *_ in parts for _ in keys], chance=np.concatenate([chance for *_, chance, _, _ in parts]),
                right=np.concatenate([right for *_, right, _ in parts]), theirs=np.concatenate(baselines) if baselines else None,
            )
        ]  # fmt: skip

    def _said(self, pool: Pictures, gallery: Gallery) -> list[set[str]]:
        """Return the languages, or kinds, of each text; none of one of which nothing is known."""
        spoken: dict[str, set[str]] = {}
        for texts, every in zip(pool.captions, pool.languages if self.of == LANGUAGE else pool.kinds, strict=False):
            for text, its in zip(texts, every, strict=True):
                spoken.setdefault(text, set()).add(its)
        return [spoken.get(text, set()) for text in gallery.texts]

    def _of_texts(self, pool: Pictures, gallery: Gallery) -> list[str | None]:
        """Return the slice of each text: its language or kind, or what all of its pictures are of."""
        if self.of in (LANGUAGE, KIND):
            owned = self._said(pool, gallery)
        else:
            groups, shown = pool.labelled(self.of), gallery.right.turned
            its = np.split(shown.answers, shown.starts[1:-1])
            owned = [{group for one in pictures if (group := groups[one]) is not None} for pictures in its]
        return [next(iter(its)) if len(its) == 1 else None for its in owned]

    def _zero_shot(self, subject: Subject, split: str, pool: Pictures, without: dict[str, str]) -> list[Asked]:
        """Return the answers of the pictures that have a group; in `without`, why there are none."""
        if self.asks is None or self.of in (LANGUAGE, KIND):
            return []
        labels, why = choices(subject, self.asks.label, self.asks.among)
        known = Grouped.of(pool, self.asks.label, labels)
        if why or not known.keys:
            without[f"slices.{split}.{self.of}.{self.asks.label}"] = (
                why or f"no picture of {split} has a {self.asks.label}"
            )
            return []
        shares = self.asks.asked(subject, labels)(subject.embedded(split)[known.has])
        theirs = None
        if subject.train.keys:
            theirs = ranks(of_nearest(subject, split, self.asks.label, labels)[known.has], known.belongs) == 1
        slices = [one for one, has in zip(pool.labelled(self.of), known.has, strict=True) if has]
        return [
            Asked(
                asked=self.asks.label, how=f"1 of {len(labels)} by {self.asks.method}", queries=known.keys, about=known.about, slices=slices,
                chance=np.full(len(slices), 1 / len(labels)), right=ranks(shares, known.belongs) == 1,
                theirs=theirs,
            )
        ]  # fmt: skip


def gap(right: Float[np.ndarray, "Q"] | Bool[np.ndarray, "Q"], counts: Sequence[int]) -> float:
    """Return the mean of all less that of the worst slice; a slice's queries stand together, as many as counted."""
    starts = np.cumsum([0, *counts[:-1]])
    return float(right.mean() - (np.add.reduceat(right.astype(float), starts) / counts).min())


def gap_by_chance(right: Bool[np.ndarray, "Q"], counts: Sequence[int], seed: int) -> float:
    """Return the gap that is expected where it says nothing of a query of which slice it is: the mean over shuffles."""
    draw, ordered = (
        np.random.default_rng(seed),
        np.sort(right),
    )  # whoever is right, so that the order of the queries is none of it
    return float(np.mean([gap(draw.permutation(ordered), counts) for _ in range(SHUFFLES)]))


def _places(slices: Sequence[str | None]) -> dict[str, Int[np.ndarray, "_"]]:
    """Return slice -> where its queries stand, by name."""
    return {
        one: np.array([place for place, its in enumerate(slices) if its == one])
        for one in sorted({its for its in slices if its is not None})
    }


def _named(its: str) -> str:
    """Return what a slice is called in the name of its number."""
    return PART.sub("_", its)


def _check_names(
    what: str, places: Mapping[str, np.ndarray], kept: Mapping[str, np.ndarray], joined: Mapping[str, np.ndarray]
) -> None:
    """Raise ConfigError for a name of `joined` that is a slice's or another number's, DataError for slices whose numbers would be called alike.

    Args:
        what: is cut into slices, in words.
        places: slice -> where its queries stand.
        kept: the same of those that have a number.
        joined: the same of those that are taken together.
    """
    slices = {GAP: [GAP]}  # which is what the worst lacks
    for its in kept:
        slices.setdefault(_named(its), []).append(its)
    for number, alike in slices.items():
        if len(alike) > 1:
            second = sorted(len(kept[its]) for its in alike)[-2]
            raise DataError(
                f"of the slices of {what}, the numbers of {' and '.join(map(repr, alike))} would each be called {number}, and one would be lost: names of "
                f"numbers have letters, digits and _ alone, and {GAP} is what the worst slice lacks. Call one of them otherwise in the data, or set floor "
                f"to {second + 1}, from which one of them has a number at most."
            )
    for together in joined:
        alike = [together] if together in places else slices.get(_named(together), [])
        if alike:
            raise ConfigError(
                f"together has {together!r}, but of the slices of {what} {alike[0]!r} is called so already, and nobody could tell their numbers apart. Give "
                f"it another name, such as all_{_named(together)}."
            )
        slices[_named(together)] = [together]


def _metrics(
    name: str, by_query: str, one: Asked, kept: Mapping[str, np.ndarray], joined: Mapping[str, np.ndarray], seed: int
) -> list[Metric]:
    """Return a metric for each slice, for those that are taken together, and the gap; all but that are counted over the rows `by_query`.

    Slices that are taken together and ask a query twice, as languages of one picture, are the exception: a query counts once where two models are compared.
    """
    made = []
    for its, at in (*kept.items(), *joined.items()):
        chance = float(one.chance[at].mean())
        low, high = mean_interval(one.right[at], [one.about[place] for place in at], seed)
        tally = Tally(rows=by_query, where={"asked": one.asked, "slice": its}, column="right")
        is_each_once = len({one.queries[place] for place in at}) == len(at)
        made.append(
            Metric(
                name=f"{name}.{_named(its)}", value=float(one.right[at].mean()), unit="fraction", better="up", n=len(at),
                chance=chance, baseline=chance if one.theirs is None else float(one.theirs[at].mean()), method=f"{one.how}, of {its}",
                low=low, high=high, tallies=(tally,) if is_each_once else (),
            )
        )  # fmt: skip
    counts, together = [len(at) for at in kept.values()], np.concatenate(list(kept.values()))
    by_chance = gap_by_chance(one.right[together], counts, seed)
    low, high = gap_interval(one.right[together].astype(float), counts, [one.about[place] for place in together], seed)
    worst = min(kept, key=lambda its: one.right[kept[its]].mean())
    made.append(
        Metric(
            name=f"{name}.{GAP}", value=gap(one.right[together], counts), unit="fraction", better="down", n=len(together),
            chance=by_chance, baseline=by_chance if one.theirs is None else gap(one.theirs[together], counts),
            method=f"{one.how}, from {worst}, the worst of {len(kept)}, to the mean of their queries", low=low, high=high,
        )
    )  # fmt: skip
    return made


def _query_rows(split: str, of: str, one: Asked, kept: Mapping[str, np.ndarray]) -> pa.Table:
    """Return a row a query of the slices that have a number."""
    its = [(name, place) for name, at in kept.items() for place in at]
    places = [place for _, place in its]
    return pa.table(
        {
            "split": [split] * len(its), "of": [of] * len(its), "asked": [one.asked] * len(its), "slice": [name for name, _ in its],
            "query": [one.queries[place] for place in places], "group": [one.about[place] for place in places], "right": one.right[places],
            "baseline_right": pa.nulls(len(its), pa.bool_()) if one.theirs is None else one.theirs[places],
        }
    )  # fmt: skip


def _rows(split: str, of: str, one: Asked, places: Mapping[str, np.ndarray], made: Sequence[Metric]) -> pa.Table:
    """Return a row a slice; those with too few queries have no interval."""
    ends = {metric.method: (metric.low, metric.high) for metric in made}
    told = [ends.get(f"{one.how}, of {its}", (None, None)) for its in places]
    return pa.table(
        {
            "split": [split] * len(places), "of": [of] * len(places), "asked": [one.asked] * len(places), "query": list(places),
            "queries": pa.array([len(at) for at in places.values()], pa.int32()),
            "right": [float(one.right[at].mean()) for at in places.values()],
            "baseline_right": pa.array([None if one.theirs is None else float(one.theirs[at].mean()) for at in places.values()], pa.float64()),
            "low": pa.array([low for low, _ in told], pa.float64()), "high": pa.array([high for _, high in told], pa.float64()),
        }
    )  # fmt: skip
