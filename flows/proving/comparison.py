"""`diptych sweep --plan FILE`: the rows of a written comparison under each of its columns, its claims judged, and how often they would hold by chance.

Each column is a comparison as of `diptych compare`. What a column gave is written beside the file as it is there, with the commit, so that
one that was ended goes on where it was; columns of another commit, or of a file that says something else of them, are run anew.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import ConfigError, DataError
from components.evaluation.verdict import CONFIDENCE
from components.recipes.comparison import Calibration, Comparison, load_comparison
from components.recipes.params import UNTRAINED
from components.recipes.proof import Arm
from components.recipes.yaml_lines import overlay
from components.stages.lock import hold
from components.stages.place import private
from flows.audience import AUDIENCE
from flows.checking import check_candidate
from flows.machine import machine
from flows.proving.arms import Study, params_of
from flows.proving.compare import METRICS, Setting, rows_of, side_by_side
from flows.proving.expected import chance, verdicts
from flows.proving.leased import check_committed, code_of, commit_of, committed_params
from flows.proving.prove import read_metrics
from flows.proving.sweep import jobs

CALIBRATION = "calibration"
COMMON = ("rows", "steps", "scale", "seeds", "source", "overrides")


def run_comparison(
    root: Path, path: Path, *, at_once: int | None = None, columns: Sequence[str] = (), keep: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Run what is missing, judge, write the numbers beside the file, and return them with the names of the columns that are new.

    Args:
        path: of the comparison.
        at_once: how many are trained side by side; as of a sweep where nobody says.
        columns: some of them, and `calibration`, where the others come later; all unless given.
        keep: whether the checkouts stay, to be looked at.

    Raises ConfigError for code or a plan that is not committed, and as of `check_plan`; Busy where
    another runs it; DataError as of `verdicts`, after the numbers are there.
    """
    plan = load_comparison(path)
    for name in {*columns} - {*plan.columns, CALIBRATION}:
        raise ConfigError(
            f"--columns names {name!r}, but there are {', '.join(plan.columns)} and {CALIBRATION}. Name one of them."
        )
    commit, at_once = commit_of(root), jobs(at_once)
    check_committed(root, path)
    tell = AUDIENCE.get().told
    with _held(root, path):
        found = read_kept(path.with_suffix(".json"), plan, code_of(root))
        for name in found.pop("left"):
            tell(f"{name} is there of other code, or of a plan that said something else, and is left out from now on")
        asked = [name for name in plan.columns if name not in found["columns"] and (not columns or name in columns)]
        check_plan(root, plan, asked)
        for name in asked:
            tell(f"column {name}: {plan.columns[name].about}")
            found["columns"][name] = run_column(root, plan, name, commit, found["columns"], at_once=at_once, keep=keep)
            found["first"].setdefault(name, commit)
            found["columns"] = {one: found["columns"][one] for one in plan.columns if one in found["columns"]}
            write(root, path, plan, found)
        if plan.calibration and CALIBRATION not in found and (not columns or CALIBRATION in columns):
            tell(f"{CALIBRATION}: {plan.calibration.row} against itself, {2 * plan.calibration.seeds} runs")
            found[CALIBRATION] = run_calibration(root, plan, plan.calibration, commit, at_once=at_once, keep=keep)
        return write(root, path, plan, found), asked


def judge_again(root: Path, path: Path) -> dict[str, Any]:
    """Judge what was found, by whichever code, by the claims as they are now, write it, and return it; nothing is run.

    Raises ConfigError where nothing was found, and where the plan says something else of a column than when that was run; Busy while it is run.
    """
    plan, kept = load_comparison(path), path.with_suffix(".json")
    if not kept.exists():
        raise ConfigError(f"{kept.name} is not there: nothing was run yet. Leave --page out, and columns are run.")
    with _held(root, path):
        found = read_kept(kept, plan, None)
        if left := found.pop("left"):
            raise ConfigError(
                f"{path.name} says something else of {', '.join(left)} than when that was run. Put it back as it was, or leave --page out, and it is run anew."
            )
        return write(root, path, plan, found)


def _held(root: Path, path: Path) -> AbstractContextManager[None]:
    """Return what one process at a time has while it writes beside a plan."""
    return hold(private(root, "sweeps") / f"{path.stem}.lock", f"the comparison {path.name}")


def check_plan(root: Path, plan: Comparison, columns: Sequence[str]) -> None:
    """Raise ConfigError for rows, metrics, sources and numbers that could not be run or judged, before anything is: a column takes long."""
    for name, one in plan.expected.items():
        if one.claim.metric not in METRICS:
            raise ConfigError(
                f"{name} in expected claims {one.claim.metric}, but compared are {', '.join(METRICS)}. Claim one of these."
            )
    committed = committed_params(root, "HEAD")
    for name in columns:
        recipes = {recipe for row in rows_of(root, plan.rows_of(name)) for recipe in (row.before, row.recipe) if recipe}
        arm = Arm(recipe="", overrides=plan.overrides_of(name))
        study = Study(
            root=root, name="", commit="", arms={}, seeds=plan.seeds, scale=plan.scale, source=plan.source_of(name)
        )  # fmt: skip
        params = params_of(committed, study, arm, plan.seeds[0], UNTRAINED)
        params["recipes"] = {recipe: {"start": UNTRAINED} for recipe in sorted(recipes)}
        try:
            check_candidate(root, yaml.safe_dump(params, allow_unicode=True))
        except ConfigError as err:
            raise ConfigError(f"the column {name} cannot be run: {err}") from err


def read_kept(kept: Path, plan: Comparison, code: str | None) -> dict[str, Any]:
    """Return what was found before, by this code and of columns that the plan says the same of; and in `left` what it has of others.

    `first` has of each column that the plan says the same of the commit that ran it before all others: what was claimed by then was claimed before any number.

    Args:
        code: None for whichever it was.
    """
    new: dict[str, Any] = {
        "code": code, "plan": said_of(plan), "confidence": CONFIDENCE, "columns": {}, "first": {}, "left": [],
    }  # fmt: skip
    if not kept.exists():
        return new
    try:
        old = json.loads(kept.read_text(encoding="utf-8"))
        old["code"], old["plan"]["columns"], old["columns"]
    except (KeyError, TypeError, ValueError) as err:
        raise DataError(
            f"{kept.name} is not what a comparison wrote, or was cut. Move it away, and columns are run anew."
        ) from err
    new["code"] = old["code"] if code is None else code
    meant = all(old["plan"][part] == new["plan"][part] for part in COMMON)
    for name, column in plan.columns.items():
        same = meant and old["plan"]["columns"].get(name) == new["plan"]["columns"][name]
        if same and (first := old.get("first", {}).get(name) or old["columns"].get(name, {}).get("commit")):
            new["first"][name] = first
        if (
            same
            and old["code"] == new["code"]
            and name in old["columns"]
            and (not column.steps_of or column.steps_of in new["columns"])
        ):
            new["columns"][name] = old["columns"][name]
    asked, was = plan.calibration, old.get(CALIBRATION)
    if was and asked and asked.column in new["columns"] and old["plan"][CALIBRATION] == new["plan"][CALIBRATION]:
        new[CALIBRATION] = was
    new["left"] = [name for name in old["columns"] if name not in new["columns"]]
    new["left"] += [CALIBRATION] * bool(was and CALIBRATION not in new)
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


def write(root: Path, path: Path, plan: Comparison, found: Mapping[str, Any]) -> dict[str, Any]:
    """Write the numbers beside the file, whole or not at all, then with the verdicts, and return these with them; errors as of `verdicts`, after the numbers are there."""
    _put(path, found)
    judged = {**found, "expected": verdicts(root, path, plan, found)}
    if found.get(CALIBRATION):
        judged["by_chance"] = chance(plan, found)
    _put(path, judged)
    return judged


def _put(path: Path, found: Mapping[str, Any]) -> None:
    aside = path.with_suffix(".json.part")
    aside.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    aside.replace(path.with_suffix(".json"))
