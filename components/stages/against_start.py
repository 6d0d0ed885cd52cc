"""An adapted model held against the one it was, on the same queries: what it gained on one's own pictures, and what it lost elsewhere."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from components.contracts.evaluator import Findings
from components.evaluation.outcomes import Evaluated
from components.evaluation.study import study
from components.stages.elsewhere import able

START, ADAPTED = "start", "adapted"
NUMBERS = ("retrieval.*", "zero_shot.*", "few_shot.*", "knn.*")
OWN = ("pair", "designer", "concept", "both")  # val has chosen already


def against_start(found: Findings, start: Findings, seed: int) -> dict[str, Any]:
    """Return how far each number of a model is from its start's, with intervals, and whether the start was `able`, shown to be above chance: `own`, and by set `elsewhere`.

    Args:
        found: of the model, each number with its rows.
        start: of the start, asked the same.
        seed: of the draws.
    """
    arms = {START: [evaluated(START, start)], ADAPTED: [evaluated(ADAPTED, found)]}
    could = {one.name: able(one, start.rows) for one in start.metrics}
    lines = [
        {**asdict(line), "able": could[line.metric]}
        for line in study(arms, metrics=NUMBERS, seed=seed)
        if line.arm == ADAPTED
    ]
    own = [line for line in lines if split_of(line) in OWN]
    elsewhere: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        if split_of(line) not in (*OWN, "val"):
            elsewhere.setdefault(split_of(line), []).append(line)
    return {"own": own, "elsewhere": elsewhere}


def split_of(line: Mapping[str, Any]) -> str:
    """Return the split or set that a number is of."""
    return str(line["metric"]).split(".")[1]


def evaluated(label: str, found: Findings) -> Evaluated:
    """Return findings as what was kept of an evaluation."""
    return Evaluated(label=label, metrics={one.name: one.as_json() for one in found.metrics}, rows=found.rows)
