"""Adapt a model to somebody's own pictures: ways to tune it race, and what is chosen is held against what it was.

No stage of dvc.yaml: a model is handed over, and a model comes out, in a folder.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from components.contracts.evaluator import Pictures
from components.contracts.progress import Progress
from components.data.evaluation_set import EvaluationSet
from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.evaluation.on_set import usual
from components.evaluation.outcomes import Evaluated
from components.evaluation.retrieval import Retrieval
from components.evaluation.study import Line, study
from components.stages.raced import BATCH, MOST_LOST, START, Elsewhere, Raced, found_of, raced

OWN = "retrieval.pair.mean_recall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """What became of a model.

    Args:
        raced: which way won, and how much of it was taken.
        own: the numbers on the person's own held-out pictures, adapted against start.
        elsewhere: the same on sets of others.
    """

    raced: Raced
    own: Sequence[Line]
    elsewhere: Sequence[Line]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        lines = {
            name: [asdict(line) for line in its] for name, its in (("own", self.own), ("elsewhere", self.elsewhere))
        }
        return {**self.raced.as_json(), **lines}


def adapt(
    embedder: Embedder, pools: Mapping[str, Pool], others: Sequence[EvaluationSet], *, digest: str, budget_s: float, seed: int, folder: Path,
    progress: Progress, most_lost: float = MOST_LOST, batch: int = BATCH,
) -> Adapted:  # fmt: skip
    """Tune the embedder's model in place, and return what was found.

    Args:
        pools: `train` to learn from, `val` to choose by, `pair` to test on once.
        others: sets on which it must not get worse.

    All else, and what it raises, is as of `raced`.
    """
    sets = [of_set(one) for one in others]
    start = {name: value.detach().clone() for name, value in embedder.model.state_dict().items()}
    found = raced(
        embedder, pools["train"], pools["val"], sets, digest=digest, budget_s=budget_s, seed=seed, folder=folder, progress=progress,
        most_lost=most_lost, batch=batch,
    )  # fmt: skip
    tuned = {name: value.detach().clone() for name, value in embedder.model.state_dict().items()}
    arms = {
        label: [_evaluated(label, embedder, weights, pools["pair"], sets, seed, progress)]
        for label, weights in ((START, start), ("adapted", tuned))
    }
    own = study(arms, metrics=("retrieval.pair.*",), seed=seed)
    names = [f"*.{one.name}.*" for one in others]
    return Adapted(raced=found, own=own, elsewhere=study(arms, metrics=names, seed=seed) if names else [])


def of_set(one: EvaluationSet) -> Elsewhere:
    """Return a set with what it is asked where nobody says: top-1 must not fall where it has classes, else mean recall."""
    main = f"zero_shot.{one.name}.class.top1" if one.classes else f"retrieval.{one.name}.mean_recall"
    return Elsewhere(name=one.name, pool=one.pool, asks=usual(one, (1, 5, 10)), main=main)


def _evaluated(
    label: str, embedder: Embedder, weights: Mapping[str, torch.Tensor], pair: Pictures, others: Sequence[Elsewhere], seed: int,
    progress: Progress,
) -> Evaluated:  # fmt: skip
    """Return the numbers and rows of a model on the person's own pictures and elsewhere; the embedder holds it afterwards."""
    embedder.model.load_state_dict(dict(weights))
    embedder.model.eval()
    found = [found_of(embedder, "pair", pair, Retrieval(), seed, progress)]
    found += [found_of(embedder, one.name, one.pool, one.asks, seed, progress) for one in others]
    metrics = {metric.name: {**metric.as_json(), "data": "same"} for its in found for metric in its.metrics}
    rows = {name: table for its in found for name, table in its.rows.items()}
    return Evaluated(label=label, metrics=json.loads(json.dumps(metrics)), rows=rows)
