"""Adapt a model to somebody's own pictures: ways to tune it race, and what is chosen is held against what it was.

No stage of dvc.yaml: a model is handed over, and a model comes out, in a folder.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from components.contracts.evaluator import Findings
from components.contracts.progress import Progress
from components.data.evaluation_set import LABEL
from components.data.rows.cache import RowCache
from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.evaluation.outcomes import Evaluated
from components.evaluation.retrieval import Retrieval
from components.evaluation.study import Line, study
from components.evaluation.wanted import Wanted, kinds_of, of_captions, of_labels
from components.finetuning.augment import Augment
from components.finetuning.continued import UNKNOWN
from components.finetuning.labels.answers import Answers
from components.finetuning.labels.choice import COLUMN, Ask, Choice, choice_of
from components.finetuning.labels.way import LabelVectors
from components.models.grown import begun
from components.serving.labels import Labels
from components.stages.elsewhere import Elsewhere, Halved, able, found_of
from components.stages.raced import BATCH, MOST_LOST, START, Raced, raced
from components.stages.racing_ways import USUAL
from components.stages.recalled import Recall, without_those_of
from components.stages.told import CAPTIONS, LABELS, served_by
from components.training.numbers import Optimisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """What became of a model.

    Args:
        raced: which way won, and how much of it was taken.
        own: the numbers on the person's own held-out pictures, adapted against start.
        elsewhere: the same on sets of others; all differences are 0 where the weights are the start's.
        metric: the number of `own` that all is chosen by: mean recall where captions are asked for, top-1 where labels are.
        served: the labels as a server takes them, where they were asked for.
        more: of which kind of pictures more would help most, by what the adapted model misses of those that were held out.
        unable: numbers of `elsewhere` in which the start is not shown to be better than chance (`able`), so that nothing was to be lost.
    """

    raced: Raced
    own: Sequence[Line]
    elsewhere: Sequence[Line]
    metric: str = CAPTIONS
    served: Labels | None = field(default=None, compare=False)
    more: Wanted | None = None
    unable: Collection[str] = ()

    @property
    def untouched(self) -> bool:
        """Whether the weights are the start's, so that nothing can be lost elsewhere."""
        return not self.raced.alpha

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        lines = {
            "own": [asdict(line) for line in self.own],
            "elsewhere": [{**asdict(line), "able": line.metric not in self.unable} for line in self.elsewhere],
        }
        more = asdict(self.more) if self.more else None
        return {**self.raced.as_json(), **lines, "metric": self.metric, "untouched": self.untouched, "more": more}


def adapt(
    embedder: Embedder, pools: Mapping[str, Pool], others: Sequence[Halved], *, digest: str, budget_s: float, seed: int, folder: Path,
    progress: Progress, most_lost: float = MOST_LOST, batch: int = BATCH, ask: Ask = "auto", by: Sequence[str] = USUAL,
    augment: Augment = "light", recall: Recall | None = None,
    most_steps: int = 0, as_trained: Optimisation = UNKNOWN, named: bool = False, cache: RowCache | None = None,
) -> Adapted:  # fmt: skip
    """Tune the embedder's model in place, and return what was found.

    Args:
        pools: `train` to learn from, `val` to choose by, `pair` to test on once.
        others: numbers of sets that must not fall: one half of a set bounds the choice, and the other, which nothing was chosen by, tells what was lost.
        ask: for labels or captions, as of `choice_of`.
        by: names of the ways to tune that take part.
        augment, recall, as_trained, named, cache: as of `raced`.

    All else, and what it raises, is as of `raced` and `choice_of`.
    """
    choice = choice_of(pools, ask)
    if recall:
        measured = [pools["val"], pools["pair"], *(half.pool for one in others for half in (one.by, one.on))]
        recall = replace(recall, pool=without_those_of(recall.pool, measured))
    start = {name: value.detach().clone() for name, value in embedder.model.state_dict().items()}
    found = raced(
        embedder, pools["train"], pools["val"], [one.by for one in others], digest=digest, budget_s=budget_s, seed=seed, folder=folder, progress=progress,
        most_lost=most_lost, batch=batch, choice=choice, by=by, augment=augment, recall=recall, most_steps=most_steps, ask=ask,
        as_trained=as_trained, named=named, cache=cache,
    )  # fmt: skip
    tuned = {name: value.detach().clone() for name, value in embedder.model.state_dict().items()}
    start = begun(start, tuned)
    own, elsewhere = dict[str, list[Findings]](), dict[str, list[Findings]]()
    served, more = None, None
    for label, weights, vectors in ((START, start, None), ("adapted", tuned, found.vectors)):
        embedder.model.load_state_dict(weights)
        embedder.model.eval()
        method = found.way if vectors else "its own text"
        own[label] = _own(embedder, "pair", pools["pair"], choice, vectors, method, seed, progress)
        elsewhere[label] = (
            elsewhere.get(START, [])
            if not found.alpha and label != START
            else _elsewhere(embedder, [one.on for one in others], seed, progress)
        )
        if label != START:
            served = served_by(embedder, choice, vectors) if choice else None
            on_val = _own(embedder, "val", pools["val"], choice, vectors, method, seed, progress)
            more = _more([*own[label], *on_val], pools, choice)
    names = [f"*.{one.on.name}.*" for one in others]
    return Adapted(
        raced=found, own=study(kept_of(own), metrics=("retrieval.pair.*", "zero_shot.pair.*"), seed=seed),
        elsewhere=study(kept_of(elsewhere), metrics=names, seed=seed) if names else [], metric=LABELS if choice else CAPTIONS, served=served, more=more,
        unable=[one.name for its in elsewhere[START] for one in its.metrics if not able(one, its.rows)],
    )  # fmt: skip


def _own(
    embedder: Embedder,
    split: str,
    pool: Pool,
    choice: Choice | None,
    vectors: LabelVectors | None,
    method: str,
    seed: int,
    progress: Progress,
) -> list[Findings]:
    """Return what is found on the person's own pictures: labels where they are asked for, and captions where they differ."""
    found = []
    if choice:
        asks = Answers(choice.labels, vectors, method)
        found.append(found_of(embedder, split, choice.pool(split, pool), asks, seed, progress))
    if not choice or choice.captions_differ:
        found.append(found_of(embedder, split, pool, Retrieval(), seed, progress))
    return found


def _more(found: Sequence[Findings], pools: Mapping[str, Pool], choice: Choice | None) -> Wanted | None:
    """Return of which kind of pictures more would help most: a label, where labels were asked for, else a word of captions."""
    family = "zero_shot" if choice else "retrieval"
    tables = [table for its in found for name, table in its.rows.items() if name.startswith(f"{family}.")]
    rows = [row for table in tables for row in table.to_pylist()]
    if choice:
        return of_labels(rows, LABEL)
    held = (pools["val"], pools["pair"])
    keys, captions = [key for its in held for key in its.keys], [texts for its in held for texts in its.captions]
    return of_captions(rows, kinds_of(keys, captions, [label for its in held for label in its.labelled(COLUMN)]))


def _elsewhere(embedder: Embedder, others: Sequence[Elsewhere], seed: int, progress: Progress) -> list[Findings]:
    return [found_of(embedder, one.name, one.pool, one.asks, seed, progress) for one in others]


def kept_of(arms: Mapping[str, Sequence[Findings]]) -> dict[str, list[Evaluated]]:
    """Return what each arm was found to do, as evaluations that were kept."""
    kept = {}
    for label, found in arms.items():
        metrics = {metric.name: {**metric.as_json(), "data": "same"} for its in found for metric in its.metrics}
        rows = {name: table for its in found for name, table in its.rows.items()}
        kept[label] = [Evaluated(label=label, metrics=json.loads(json.dumps(metrics)), rows=rows)]
    return kept
