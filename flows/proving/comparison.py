"""`diptych sweep --plan FILE`: the rows of a written comparison under each of its columns, its claims judged, and how often they would hold by chance.

Each column is a comparison as of `diptych compare`. What a column gave is written beside the file as it is there, with the commit, so that
one that was ended goes on where it was; columns of another commit, or of a file that says something else of them, are run anew.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.evaluation.verdict import CONFIDENCE, judged
from components.recipes.comparison import SEEDS_A_CLAIM, Calibration, Comparison, Expected, load_comparison
from components.recipes.proof import Arm, Claim
from components.recipes.yaml_lines import overlay
from flows.audience import AUDIENCE
from flows.machine import machine
from flows.proving.compare import METRICS, Setting, rows_of, side_by_side
from flows.proving.leased import check_committed, code_of, commit_of
from flows.proving.prove import read_metrics
from flows.proving.sweep import jobs

COMMON = ("rows", "steps", "scale", "seeds", "source", "overrides")


def run_comparison(
    root: Path, path: Path, *, at_once: int | None = None, columns: Sequence[str] = (), keep: bool = False
) -> dict[str, Any]:
    """Run what is missing, judge, write the numbers beside the file and return them.

    Args:
        path: of the comparison.
        at_once: how many are trained side by side; as of a sweep where nobody says.
        columns: some of them, and `calibration`, where the others come later; all unless given.
        keep: whether the checkouts stay, to be looked at.

    Raises ConfigError for code or a plan that is not committed, and as of the comparison; DataError where a claim has fewer queries than it says.
    """
    plan = load_comparison(path)
    for name in {*columns} - {*plan.columns, "calibration"}:
        raise ConfigError(
            f"--columns names {name!r}, but there are {', '.join(plan.columns)} and calibration. Name one of them."
        )
    commit, at_once = commit_of(root), jobs(at_once)
    check_committed(root, path)
    kept = path.with_suffix(".json")
    found = read_kept(kept, plan, code_of(root))
    tell = AUDIENCE.get().told
    for name in plan.columns:
        if name in found["columns"] or (columns and name not in columns):
            continue
        tell(f"column {name}: {plan.columns[name].about}")
        found["columns"][name] = run_column(root, plan, name, commit, found["columns"], at_once=at_once, keep=keep)
        write(kept, plan, found)
    if plan.calibration and not found.get("calibration") and (not columns or "calibration" in columns):
        tell(f"calibration: {plan.calibration.row} against itself, {2 * plan.calibration.seeds} runs")
        found["calibration"] = run_calibration(root, plan, plan.calibration, commit, at_once=at_once, keep=keep)
        write(kept, plan, found)
    write(kept, plan, found)
    return found


def read_kept(kept: Path, plan: Comparison, code: str) -> dict[str, Any]:
    """Return what was found before, by this code and of columns that the plan says the same of."""
    new: dict[str, Any] = {"code": code, "plan": said_of(plan), "confidence": CONFIDENCE, "columns": {}}
    if not kept.exists():
        return new
    old = json.loads(kept.read_text(encoding="utf-8"))
    if old["code"] != code or any(old["plan"][part] != new["plan"][part] for part in COMMON):
        return new
    same = {name for name in plan.columns if old["plan"]["columns"].get(name) == new["plan"]["columns"][name]}
    new["columns"] = {name: its for name, its in old["columns"].items() if name in same}
    asked = plan.calibration
    if (
        asked
        and old["plan"]["calibration"] == new["plan"]["calibration"]
        and asked.column in same
        and "calibration" in old
    ):
        new["calibration"] = old["calibration"]
    return new


def said_of(plan: Comparison) -> dict[str, Any]:
    """Return the plan as JSON has it."""
    said: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    return said


def run_column(
    root: Path, plan: Comparison, name: str, commit: str, before: Mapping[str, Any], *, at_once: int, keep: bool
) -> dict[str, Any]:  # fmt: skip
    """Run the rows of one column; return what `compare` says of them."""
    column = plan.columns[name]
    rates = None
    if column.steps_of:
        if column.steps_of not in before:
            raise ConfigError(
                f"the column {name} takes its steps of {column.steps_of}, which was not run. Run that one first, or with it."
            )
        rates = before[column.steps_of]["cpu_s_a_step"]
    plain = Arm(recipe="", start=column.start, model=column.model, overrides=plan.overrides_of(name))
    setting = Setting(
        root=root, name=f"comparison-{name}", scale=plan.scale, seeds=plan.seeds, source=plan.source_of(name), commit=commit, plain=plain
    )  # fmt: skip
    found = side_by_side(
        setting, rows_of(root, plan.rows_of(name)), plan.steps, keep=keep, at_once=at_once, rates=rates
    )
    return {
        "about": column.about,
        "source": dict(setting.source),
        "start": column.start,
        **found,
        "commit": commit,
        "machine": machine(),
    }


def run_calibration(
    root: Path, plan: Comparison, asked: Calibration, commit: str, *, at_once: int, keep: bool
) -> dict[str, Any]:  # fmt: skip
    """Train one row twice under each seed; return both sides' values of each metric."""
    column = plan.columns[asked.column]
    arms = {
        side: Arm(
            recipe=asked.row, start=column.start, model=column.model,
            overrides=overlay(plan.overrides_of(asked.column), {"training": {"steps": plan.steps, **drawn}}),
        )
        for side, drawn in (("one", {}), ("other", {"draw": 1}))
    }  # fmt: skip
    setting = Setting(
        root=root, name="comparison-calibration", scale=plan.scale, seeds=tuple(range(asked.seeds)), source=plan.source_of(asked.column),
        commit=commit,
    )  # fmt: skip
    study = setting.study(arms)
    found = {side: [read_metrics(run) for run in runs] for side, runs in study.run(at_once).items()}
    metrics = [name for name in METRICS if all(name in one for side in found.values() for one in side)]
    if not keep:
        study.clear()
    values = {name: {side: [one[name]["value"] for one in its] for side, its in found.items()} for name in metrics}
    return {
        "row": asked.row,
        "column": asked.column,
        "seeds": asked.seeds,
        "runs": 2 * asked.seeds,
        "values": values,
        "commit": commit,
        "machine": machine(),
    }


def by_chance(one: Sequence[float], other: Sequence[float], margin: float) -> float:
    """Return the share of all choices of three seeds under which a recipe would be said to be so far above itself.

    Args:
        one, other: values of both trainings of each seed.
        margin: what a claim asks at least; a loss that is allowed is below 0.
    """
    both = [*zip(one, other, strict=True)]
    held = total = 0
    for chosen in combinations(both, SEEDS_A_CLAIM):
        for sign in (1, -1):  # neither of the two is the baseline
            total += 1
            held += judged([sign * (ours - theirs) for ours, theirs in chosen], at_least=margin).outcome == "holds"
    return held / total


def judge(plan: Comparison, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return name -> what became of each claim whose column was run."""
    return {
        name: _judge(one, found["columns"][one.column]["rows"])
        for name, one in plan.expected.items()
        if one.column in found["columns"]
    }


def _judge(expected: Expected, rows: Mapping[str, Any]) -> dict[str, Any]:
    claim = expected.claim
    ours = _measured(claim, claim.arm, rows)
    theirs = _measured(claim, claim.against, rows) if claim.against else None
    least = min(ours["queries"], theirs["queries"] if theirs else ours["queries"])
    if least < expected.queries:
        raise DataError(
            f"{claim} was to be asked of {expected.queries} queries a seed, but {least} are there. Another number was promised: write that one down, and say why."
        )
    values = [
        mine - its for mine, its in zip(ours["values"], theirs["values"] if theirs else [0.0] * len(ours["values"]), strict=True)
    ]  # fmt: skip
    verdict = judged(values, at_least=claim.at_least, at_most=claim.at_most)
    return {
        "claim": str(claim), "column": expected.column, "queries": least, "source": expected.source, "values": [round(one, 5) for one in values],
        **asdict(verdict),
    }  # fmt: skip


def _measured(claim: Claim, row: str, rows: Mapping[str, Any]) -> Mapping[str, Any]:
    found = rows[row]["metrics"].get(claim.metric)
    if found is None:
        raise DataError(
            f"{row} was not measured by {claim.metric}. Claim one of {', '.join(rows[row]['metrics'])}, or add an evaluator."
        )
    return found  # type: ignore[no-any-return]


def write(path: Path, plan: Comparison, found: Mapping[str, Any]) -> None:
    """Write the numbers, with verdicts, whole or not at all."""
    judgement = {"expected": judge(plan, found)}
    if calibration := found.get("calibration"):
        margins = {name: one.claim.margin for name, one in plan.expected.items() if one.claim.at_least is not None}
        judgement["by_chance"] = {
            "0": {name: by_chance(its["one"], its["other"], 0.0) for name, its in calibration["values"].items()},
            "claims": {
                name: by_chance(*_sides(calibration, plan.expected[name].claim.metric), margin)
                for name, margin in margins.items()
                if plan.expected[name].claim.metric in calibration["values"] and margin >= 0
            },
        }
    aside = path.with_suffix(".json.part")
    aside.write_text(json.dumps({**found, **judgement}, indent=2) + "\n", encoding="utf-8")
    aside.replace(path)


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the verdicts for a person."""
    for name, one in found.get("expected", {}).items():
        yield f"{name} ({one['column']}): {one['outcome']}; {one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"


def _sides(calibration: Mapping[str, Any], metric: str) -> tuple[Sequence[float], Sequence[float]]:
    its = calibration["values"][metric]
    return its["one"], its["other"]
