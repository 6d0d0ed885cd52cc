"""`diptych prove NAME`: run the arms of a recipe's claim, seed by seed, and say whether it holds."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.seed import LARGEST, is_seed
from components.evaluation.verdict import CONFIDENCE, Verdict, judged, together
from components.recipes.names import RECIPES, exists
from components.recipes.proof import BESIDE, Claim, Proof
from components.recipes.recipe import load_card
from components.recipes.yaml_lines import read_yaml
from components.stages.events import clock
from flows.machine import machine
from flows.proving.arms import Study
from flows.proving.leased import commit_of
from flows.recipes import PROOFS

Measured = Mapping[str, Sequence[Mapping[str, Mapping[str, float]]]]
"""Arm -> for each seed, in their order, metrics.json of its evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A claim, the number of each seed, and the verdict."""

    claim: Claim
    values: tuple[float, ...]
    verdict: Verdict


def prove(root: Path, name: str, *, seeds: Sequence[int] | None = None, keep: bool = False) -> dict[str, Any]:
    """Run what is missing, judge, write docs/proofs/<name>.json and return it.

    Args:
        seeds: in place of the card's; a verdict of others is written beside them all the same.
        keep: whether the checkouts stay, to be looked at.

    Raises ConfigError for a recipe without a proof, or code that is not committed.
    """
    proof = proof_of(root, name)
    numbers = tuple(proof.seeds if seeds is None else seeds)
    commit = commit_of(root)
    began = time.monotonic()
    study = Study(
        root=root, name=name, commit=commit, arms=proof.arms, seeds=numbers, scale=proof.scale, source=proof.source
    )
    measured = {arm: [read_metrics(run) for run in runs] for arm, runs in study.run().items()}
    found = [judge(claim, measured) for claim in proof.claims]
    said = {
        "recipe": name, "outcome": together([one.verdict.outcome for one in found]), "confidence": CONFIDENCE,
        "claims": [{"claim": str(one.claim), "values": list(one.values), **asdict(one.verdict)} for one in found],
        "seeds": list(numbers), "scale": proof.scale, "arms": {arm: asdict(what) for arm, what in proof.arms.items()},
        "commit": commit, "machine": machine(), "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    path = root / PROOFS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".json.part")
    aside.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    aside.replace(path)
    if not keep:
        study.clear()
    return said


def read_metrics(run: Path) -> dict[str, dict[str, float]]:
    """Return what was measured of a run: name -> value, chance and more."""
    said: dict[str, dict[str, float]] = json.loads((run / "evaluate/metrics.json").read_text(encoding="utf-8"))
    return said


def proof_of(root: Path, name: str) -> Proof:
    """Return the proof in a recipe's card; ConfigError where there is none."""
    if not (root / RECIPES / f"{name}.yaml").exists():
        exists(root, RECIPES, name, read_yaml(root / "params.yaml"), "recipes")
    proof = load_card(root, name).proof
    if not proof.arms:
        raise ConfigError(
            f"{RECIPES}/{name}.yaml has no card.proof, so nothing is claimed in numbers. Write arms and claims there, and commit them, first."
        )
    return proof


def judge(claim: Claim, measured: Measured) -> Judged:
    """Return what the seeds say of a claim; DataError when a run has no such number."""
    values = tuple(_value(claim, measured, place) for place in range(len(measured[claim.arm])))
    return Judged(claim=claim, values=values, verdict=judged(values, at_least=claim.at_least, at_most=claim.at_most))


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield a proof for a person, its verdict last."""
    for one in said["claims"]:
        values = ", ".join(f"{value:.4g}" for value in one["values"])
        yield f"{one['claim']}: {one['outcome']}"
        yield f"    {one['mean']:.4g}, {said['confidence']:.0%} interval {one['low']:.4g} to {one['high']:.4g}; seeds gave {values}"
    yield f"{said['recipe']}: {said['outcome']} ({len(said['seeds'])} seeds, commit {said['commit'][:7]}, {clock(said['seconds'])}); {PROOFS}/{said['recipe']}.json"


def seeds_of(said: str | None) -> tuple[int, ...] | None:
    """Return the seeds that `--seeds` names, None for those of the card; ConfigError for what are no two that differ."""
    if said is None:
        return None
    try:
        seeds = tuple(int(one) for one in said.split(","))
    except ValueError:
        seeds = ()
    if len(seeds) < 2 or len(set(seeds)) != len(seeds) or not all(map(is_seed, seeds)):
        raise ConfigError(
            f"--seeds {said} are no seeds. Give two or more whole numbers from 0 to {LARGEST} that differ, such as 0,1,2."
        )
    return seeds


def _value(claim: Claim, measured: Measured, place: int) -> float:
    def of(arm: str, number: str = "value", metric: str = claim.metric) -> float:
        since = _metric(metric, claim.since, measured, place)["value"] if claim.since else 0.0
        return _metric(metric, arm, measured, place)[number] - since

    ours = of(claim.arm)
    if claim.against is None:
        return ours
    theirs = (
        of(claim.arm, claim.against)
        if claim.against in BESIDE
        else of(claim.against, metric=claim.beside or claim.metric)
    )
    if claim.by == "difference":
        return ours - theirs
    if theirs == 0:
        raise DataError(f"{claim}: the other is 0, so nothing is a ratio of it. Claim a difference.")
    return ours / theirs


def _metric(metric: str, arm: str, measured: Measured, place: int) -> Mapping[str, float]:
    found = measured[arm][place]
    if metric not in found:
        raise DataError(
            f"{arm} was not measured by {metric}; there is {', '.join(sorted(found)[:8])}, .... Name one of them in the card, or add an evaluator."
        )
    return found[metric]
