"""What became of the claims of a comparison: a verdict each, whether it was written before its numbers were there, and how often such a claim holds by chance."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.contracts.errors import DataError
from components.contracts.plain_yaml import load_yaml
from components.evaluation.verdict import held_by_chance
from components.recipes.comparison import Comparison, Expected
from components.recipes.proof import BESIDE, Claim
from flows.proving.leased import file_at
from flows.proving.prove import judge

Found = Mapping[str, Any]
"""What the columns of a comparison gave, as its JSON has it."""


def verdicts(root: Path, path: Path, plan: Comparison, found: Found) -> dict[str, Any]:
    """Return name -> what became of each claim whose column was run, and whether it was written later than that was run for the first time.

    Raises DataError for a number that nobody measured, and for fewer queries than were promised.
    """
    now = load_yaml(path.read_text(encoding="utf-8")).get("expected") or {}
    said = {}
    for name, one in plan.expected.items():
        if one.column in found["columns"]:
            commit = found.get("first", {}).get(one.column) or found["columns"][one.column]["commit"]
            then = (load_yaml(file_at(root, commit, path)) or {}).get("expected") or {}
            judged = verdict(one, found["columns"][one.column]["rows"])
            said[name] = {**judged, "afterwards": _asked(then.get(name)) != _asked(now.get(name))}
    return said


def verdict(expected: Expected, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdict on one claim, with its numbers; errors as of verdicts."""
    claim = expected.claim
    arms = [one for one in (claim.arm, claim.against, claim.since) if one and one not in BESIDE]
    least = min(_queries(claim, one, rows) for one in arms)
    if least < expected.queries:
        raise DataError(
            f"{claim} was to be asked of {expected.queries} queries a seed, but {least} are there, so less can be told than was promised. Bring more, or claim "
            "it of fewer; it will then be shown as written afterwards."
        )
    found = judge(claim, {name: _by_seed(its) for name, its in rows.items()})
    return {
        "claim": str(claim), "column": expected.column, "queries": least, "source": expected.source,
        "values": [round(one, 5) for one in found.values], **asdict(found.verdict),
    }  # fmt: skip


def chance(plan: Comparison, found: Found) -> dict[str, Any]:
    """Return how often a recipe would be said to be above itself: of each metric, and by the margin of each claim about the same column.

    Claims of other columns, which have other spreads, of ratios, and of losses that are allowed have none.
    """
    calibration, seeds = found["calibration"], len(plan.seeds)
    apart = {
        name: [one - other for one, other in zip(its["one"], its["other"], strict=True)] for name, its in calibration["values"].items()
    }  # fmt: skip
    claims = {}
    for name, one in plan.expected.items():
        claim = one.claim
        margin = claim.margin if claim.at_least is not None else -claim.margin
        plain = (
            claim.by == "difference" and claim.against not in (None, *BESIDE) and not claim.since and not claim.beside
        )
        if one.column == calibration["column"] and claim.metric in apart and plain and margin >= 0:
            claims[name] = held_by_chance(apart[claim.metric], seeds, margin)
    return {"metrics": {name: held_by_chance(its, seeds, 0.0) for name, its in apart.items()}, "claims": claims}


def lines(found: Found) -> Iterator[str]:
    """Yield the verdicts for a person."""
    for name, one in found.get("expected", {}).items():
        late = ", written afterwards" if one["afterwards"] else ""
        yield f"{name} ({one['column']}): {one['outcome']}{late}; {one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"


def _asked(written: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what of a claim as it is written decides; whose it is may be said better later."""
    return {part: value for part, value in (written or {}).items() if part != "source"}


def _by_seed(row: Mapping[str, Any]) -> list[dict[str, dict[str, float]]]:
    """Return the numbers of a row as a proof has them: of each seed, by metric."""
    metrics = row["metrics"]
    seeds = max((len(its["values"]) for its in metrics.values()), default=0)
    return [
        {name: {"value": its["values"][seed], **{beside: its[beside] for beside in BESIDE}} for name, its in metrics.items()} for seed in range(seeds)
    ]  # fmt: skip


def _queries(claim: Claim, row: str, rows: Mapping[str, Any]) -> int:
    metrics = rows[row]["metrics"]
    metric = claim.beside if claim.beside and row == claim.against else claim.metric
    if metric not in metrics:
        raise DataError(f"{row} was not measured by {metric}. Claim one of {', '.join(metrics)}, or add an evaluator.")
    return int(metrics[metric]["queries"])
