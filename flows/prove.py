"""`diptych prove NAME`: run the arms of a recipe's claim, seed by seed, and say whether it holds.

Every arm and seed is a leased checkout in which the stages up to evaluate are brought up to date, as by `dvc repro`: what was run
before is cached, what was killed goes on, and arms share what they have in common.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.evaluation.verdict import CONFIDENCE, Verdict, judged, together
from components.recipes.names import RECIPES, exists
from components.recipes.params import UNTRAINED
from components.recipes.proof import CHANCE, Arm, Claim, Proof
from components.recipes.recipe import load_card
from components.recipes.starts import made_by
from components.recipes.yaml_lines import overlay, read_yaml
from components.stages.events import clock
from components.stages.place import private
from flows.audience import AUDIENCE
from flows.leased import commit_of, committed_params, give_up, lease
from flows.machine import machine
from flows.recipes import PROOFS
from flows.workspace import Workspace

UNTIL = "evaluate"
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
    measured = _run(root, name, proof, numbers, commit)
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
        for folder in _folders(root, name, proof, numbers).values():
            give_up(root, folder)
        shutil.rmtree(private(root, "proofs") / name, ignore_errors=True)
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
    if len(seeds) < 2 or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ConfigError(f"--seeds {said} are no seeds. Give two or more whole numbers that differ, such as 0,1,2.")
    return seeds


def params_of(committed: Mapping[str, Any], proof: Proof, arm: str, seed: int) -> dict[str, Any]:
    """Return params.yaml of a run: what is committed, with the proof's data, scale and seed, and the arm's own numbers."""
    usual = {"name": "emoji", "languages": ["en"]}
    watched = {"path": committed["source"]["path"]}  # since DVC watches one in any case
    source = overlay({**watched, **(proof.source or usual)}, proof.arms[arm].source)
    chosen = {
        "source": source,
        "recipes": _recipes(proof.arms[arm]),
        "scale": proof.scale,
        "seed": seed,
    }
    nothing: dict[str, Any] = {section: {} for section in committed.get("overrides") or {}}
    return {**committed, **chosen, "overrides": overlay(nothing, proof.arms[arm].overrides)}


def _run(root: Path, name: str, proof: Proof, seeds: Sequence[int], commit: str) -> Measured:
    """Bring every arm and seed up to date; seeds go slowest, so that what there is after a while is of all arms."""
    folders, tell = _folders(root, name, proof, seeds), AUDIENCE.get().told
    measured: dict[str, list[Any]] = {arm: [] for arm in proof.arms}
    took: list[float] = []
    for done, ((arm, seed), folder) in enumerate(folders.items()):
        left = len(folders) - done
        rest = f", about {clock(sum(took) / len(took) * left)} left" if took else ""
        tell(f"{arm}, seed {seed}: {done + 1} of {len(folders)}{rest}")
        began, recipe = time.monotonic(), proof.arms[arm].recipe
        place = lease(root, folder, commit, params_of(committed_params(root, commit), proof, arm, seed))
        with contextlib.chdir(place), Workspace.here(recipe, place) as workspace:  # DVC names paths from where one is
            for its, stage in workspace.work(UNTIL):
                its.repro(stage)
        took.append(time.monotonic() - began)
        metrics = place / "runs" / recipe / UNTIL / "metrics.json"
        measured[arm].append(json.loads(metrics.read_text(encoding="utf-8")))
    return measured


def _folders(root: Path, name: str, proof: Proof, seeds: Sequence[int]) -> dict[tuple[str, int], Path]:
    home = private(root, "proofs") / name
    return {(arm, seed): home / f"{arm}-{seed}" for seed in seeds for arm in proof.arms}


def _recipes(arm: Arm) -> dict[str, Any]:
    """Return params.yaml's `recipes`: the arm's, and the one whose run it begins from."""
    made = made_by(arm.start)
    before = {made[0]: {"start": UNTRAINED}} if made else {}
    return {**before, arm.recipe: {"start": arm.start}}


def _value(claim: Claim, measured: Measured, place: int) -> float:
    ours = _metric(claim, claim.arm, measured, place)
    if claim.against is None:
        return ours["value"]
    theirs = ours["chance"] if claim.against == CHANCE else _metric(claim, claim.against, measured, place)["value"]
    if claim.towards is not None:
        way = _metric(claim, claim.towards, measured, place)["value"] - theirs
        if way <= 0:
            raise DataError(f"{claim}: that way is {way:.4g} long, so there is no share of it. Claim a difference.")
        return (ours["value"] - theirs) / way
    if claim.by == "difference":
        return ours["value"] - theirs
    if theirs == 0:
        raise DataError(f"{claim}: the other is 0, so nothing is a ratio of it. Claim a difference.")
    return ours["value"] / theirs


def _metric(claim: Claim, arm: str, measured: Measured, place: int) -> Mapping[str, float]:
    found = measured[arm][place]
    if claim.metric not in found:
        raise DataError(
            f"{arm} was not measured by {claim.metric}; there is {', '.join(sorted(found)[:8])}, .... Name one of them in the card, or add an evaluator."
        )
    return found[claim.metric]
