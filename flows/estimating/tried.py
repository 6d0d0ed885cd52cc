"""Try the stages of a recipe in a scratch workspace, and say what each will take: those that train by a few of their steps, the others by all that they do."""

import contextlib
import functools
import importlib
import inspect
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import DiptychError
from components.contracts.model_files import ADAPTED
from components.recipes.params import load_params
from components.recipes.recipe import RACE, load_finetuning, load_recipe, load_scale
from components.recipes.yaml_lines import overlay, read_yaml
from components.stages.place import address
from flows.estimating.around import Around
from flows.estimating.clocked import Clocked, clocked, run_stage
from flows.estimating.heats_ahead import Ahead, heats_ahead
from flows.estimating.pace import Pace, Plan
from flows.graph import bring_code, outputs_of, stages_of, why_stale
from flows.serving.down import down
from flows.workspace import Workspace

DATA = ("ingest", "validate")  # without what they make, nothing can be tried
SHORT, QUICK_S = 24, 8.0  # steps that are tried; more where these take less than that
LIVE_AFTER_S = 15.0  # seconds, after which a training opens the store to show its curves


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a stage will take.

    Args:
        stage: as DVC calls it, `pretrain@clip`.
        seconds: by the clock; None where it could not be known.
        cpu_s: that processors work for it.
        memory_bytes: the most that it holds at once, of the machine's memory.
        gpu_bytes: the most that it holds of the GPU's; None without one.
        how: that is known, in words.
        numbers: of a training, such as the steps and what one takes.
    """

    stage: str
    seconds: float | None
    how: str
    cpu_s: float = 0.0
    memory_bytes: int = 0
    gpu_bytes: int | None = None
    numbers: Mapping[str, Any] | None = None


def tried(root: Path, recipe: str, with_data: bool) -> Iterator[Taken]:
    """Yield each stage as it has been tried, in the order of a run; what is up to date takes nothing.

    Args:
        root: a scratch workspace.
        with_data: whether data is brought in, where it is not there, to see what that takes; else all that needs it is not known.

    Raises DiptychError for a stage that fails.
    """
    blind, dvc, last = False, None, Around.read(root)  # which has the work of DVC in it
    for its, stage in Workspace(root, recipe).work():
        name = its.address(stage)
        with contextlib.chdir(root):
            stale = why_stale(root, [name])[name]  # asked anew, since a stage that was tried has written something else
        if blind or (stale and stage in DATA and not with_data):
            blind = True
            yield Taken(stage=name, seconds=None, how="not known before the data is in")
        elif not stale:
            yield Taken(stage=name, seconds=0.0, how="up to date")
        else:
            dvc = dvc or dvc_around(root, name)
            for path in outputs_of(root, stage, its.recipe):
                if (root / path).is_symlink():
                    (root / path).unlink()  # what was made before
            found = _one(root, stage, its.recipe)
            yield replace(
                found, seconds=(found.seconds or 0.0) + dvc.seconds, cpu_s=found.cpu_s + (0.0 if last else dvc.cpu_s)
            )


def around(root: Path, recipe: str) -> Taken:
    """Return what a run takes beside its stages: what the last one took, or else to start Prefect, open the registry and serve what was packaged, which is most of it."""
    if last := Around.read(root):
        return Taken(
            stage="around",
            seconds=last.seconds,
            cpu_s=last.cpu_s,
            how="Prefect, registry and server took so long the last time",
        )
    code = (
        "from pathlib import Path\nfrom flows.orchestrator import prefect_server\n"
        "with prefect_server(Path.cwd()):\n    import flows.pipeline"
    )
    parts = [clocked(root, [sys.executable, "-c", code], "prefect"), store_opened(root)]
    how = "Prefect started and the registry opened"
    try:
        parts.append(served(root, recipe))
        how += ", and the package served, whose server and gateway work for themselves; a first run takes more"
    except DiptychError as err:  # all that was tried before counts all the same
        how += f"; a run takes more, since the package was not served on trial: {err}"
    return Taken(
        stage="around", seconds=sum(one.seconds for one in parts), cpu_s=sum(one.cpu_s for one in parts),
        memory_bytes=max(one.memory_bytes for one in parts),
        how=how,
    )  # fmt: skip


def served(root: Path, recipe: str) -> Clocked:
    """Return what it takes until a scratch workspace's package answers, and leave nothing of it; DiptychError where there is none, or it cannot be served."""
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from components.serving.held import held_queries\nfrom components.serving.package import Package\nfrom flows.serving.deploy import deploy\n"
        "from flows.serving.gateway import ensure_gateway\nroot, package = Path.cwd(), Path.cwd() / 'runs' / sys.argv[1] / 'package'\n"
        "pictures, texts = held_queries(Package.verify(package), root)\n"
        "deploy(package, root, f'{sys.argv[1]}@0', pictures=pictures, texts=texts)\nensure_gateway(root)"
    )
    try:
        return clocked(root, [sys.executable, "-c", code, recipe], "served")
    finally:
        down(root)


def dvc_around(root: Path, name: str) -> Clocked:
    """Return what DVC takes beside a stage: to start, to see what has changed, and to write dvc.lock anew, which is most of it where that is of some recipes."""
    bring_code(root)  # which a run does, too
    code = (
        "import sys\nfrom pathlib import Path\nfrom dvc.cli import main\nfrom dvc.utils.serialize import modify_yaml\n"
        "if ended := main(['repro', '--single-item', '--dry', sys.argv[1]]):\n    sys.exit(ended)\n"
        "if Path('dvc.lock').exists():\n    with modify_yaml('dvc.lock'):\n        pass"
    )
    return clocked(root, [sys.executable, "-c", code, name], f"dvc.{name}")


def _one(root: Path, stage: str, recipe: str) -> Taken:
    if stage in ("pretrain", "finetune"):
        if (plan := plan_of(root, stage, recipe)) is not None:
            return _training(root, stage, recipe, plan)
        if stage == "finetune" and (load_finetuning(root, recipe) or {}).get("class_path") == RACE:
            return _race(root, recipe)
    whose = recipe if stages_of(root)[stage] else None
    found = run_stage(root, stage, whose)
    return Taken(
        stage=address(stage, whose), seconds=found.seconds, cpu_s=found.cpu_s, memory_bytes=found.memory_bytes, how="tried whole",
    )  # fmt: skip


def plan_of(root: Path, stage: str, recipe: str) -> Plan | None:
    """Return what a stage that trains is going to do; None of one that passes through, or races."""
    params = load_params(root)
    scale = load_scale(root, params.scale)
    share = 1.0
    if stage == "pretrain":
        if load_recipe(root, recipe, params.scale).training.as_begun:
            return None
    else:
        described = load_finetuning(root, recipe)
        if described is None or described["class_path"] == RACE:
            return None
        share = share_of(described)
    return Plan(
        steps=max(1, round(scale.steps * share)), watch_every=max(1, round(scale.watch_every * share)), checkpoint_every=scale.checkpoint_every
    )  # fmt: skip


def share_of(described: Mapping[str, Any]) -> float:
    """Return the share of the scale's steps that a strategy tunes for: as it is described, or as its class has it."""
    said = (described.get("init_args") or {}).get("share")
    if said is None:
        module, _, name = str(described["class_path"]).rpartition(".")  # imports torch: only where nobody says
        said = inspect.signature(getattr(importlib.import_module(module), name)).parameters["share"].default
    return float(said)


def _training(root: Path, stage: str, recipe: str, plan: Plan) -> Taken:
    run, found = _short(root, stage, recipe, plan, SHORT)
    pace, cpu = _paces(found, run)
    if run.steps < plan.steps and run.steps * pace.step < QUICK_S:  # a moment's noise would be multiplied
        longer, more = _short(root, stage, recipe, plan, max(SHORT, int(QUICK_S / pace.step)))
        quick, quick_cpu = _paces(more, longer)
        pace, cpu = again(pace, run, quick), again(cpu, run, quick_cpu)
        run, found = longer, more
    seconds, cpu_s = pace.seconds(plan), cpu.seconds(plan)
    if plan.steps * pace.step > LIVE_AFTER_S > run.steps * pace.step:
        store = store_opened(root)
        seconds, cpu_s = seconds + store.cpu_s / (len(os.sched_getaffinity(0)) or 1), cpu_s + store.cpu_s
    how = "tried whole" if run.steps == plan.steps else f"{run.steps} of {plan.steps:,} steps tried"
    return Taken(
        stage=address(stage, recipe), seconds=seconds, cpu_s=cpu_s, memory_bytes=found.memory_bytes, gpu_bytes=_gpu_bytes(root, stage, recipe), how=how,
        numbers={
            "steps": plan.steps, "looks": len(plan.looks), "checkpoints": len(plan.checkpoints), "step_s": pace.step, "look_s": pace.look,
            "checkpoint_s": pace.checkpoint, "once_s": pace.fixed,
        },
    )  # fmt: skip


def _paces(found: Clocked, run: Plan) -> tuple[Pace, Pace]:
    """Return the pace by the clock, and by what processors worked."""
    return Pace.of(found.marks, run, found.seconds), Pace.of(found.cpu_marks, run, found.cpu_s)


def again(first: Pace, plan: Plan, longer: Pace) -> Pace:
    """Return the pace of a second, longer try with what was there but once in the first, which had decoded nothing before."""
    return longer.with_fixed(max(0.0, first.seconds(plan) - longer.with_fixed(0.0).seconds(plan)))


def _short(root: Path, stage: str, recipe: str, plan: Plan, steps: int) -> tuple[Plan, Clocked]:
    """Return what was run, and what it took."""
    share = 1.0 if stage == "pretrain" else share_of(load_finetuning(root, recipe) or {})
    wanted = plan.shortened(steps)
    if wanted is plan:
        return plan, run_stage(root, stage, recipe)
    numbers = {
        "steps": round(wanted.steps / share),
        "watch_every": round(wanted.watch_every / share),
        "checkpoint_every": wanted.checkpoint_every,
    }
    with said(root, {"overrides": {"training": numbers}}):
        run = plan_of(root, stage, recipe)
        assert run is not None
        return run, run_stage(root, stage, recipe)


@contextlib.contextmanager
def said(root: Path, numbers: Mapping[str, Any]) -> Iterator[None]:
    """Have params.yaml of a scratch workspace say these numbers while the block runs."""
    path = root / "params.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(
        yaml.safe_dump(overlay(read_yaml(path).values, numbers), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def _race(root: Path, recipe: str) -> Taken:
    """Try each way as the race itself begins, and say how it will go on."""
    from components.finetuning.race import FIRST
    from components.stages.race_steps import most_of
    from components.stages.racing_ways import ways

    race = load_params(root).recipes[recipe].race
    first = min(FIRST, race.get("most_steps") or FIRST)
    with said(root, {"recipes": {recipe: {"race": {"most_steps": first}}}}):
        found = run_stage(root, "finetune", recipe)
    folder = root / "runs" / recipe / "finetune"
    done, report = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (ADAPTED, "metrics.json"))
    arguments = (load_finetuning(root, recipe) or {}).get("init_args", {})
    ahead = heats_ahead(
        done["heats"], found.marks, list(ways()), float(arguments["budget_s"]), most_of(report["pictures"] + done["general"], report["batch"], race.get("most_steps", 0)),
        untuned=done["without"].get("tuning", ""), broken_s=done["broken_s"],
    )  # fmt: skip
    return raced(address("finetune", recipe), found, ahead)


def raced(stage: str, found: Clocked, ahead: Ahead) -> Taken:
    """Return what a race takes of which the first heats were run, and the others are ahead."""
    return Taken(
        stage=stage, seconds=found.seconds + ahead.seconds, cpu_s=found.cpu_s + ahead.seconds * min(1.0, found.cpu_s / found.seconds),
        memory_bytes=found.memory_bytes, how=ahead.in_words, numbers=ahead.as_json(),
    )  # fmt: skip


@functools.cache
def store_opened(root: Path) -> Clocked:
    """Return what it takes to open the store of runs, which a training does beside its steps; tried once."""
    code = "from pathlib import Path\nfrom components.registry.store import open_store\nopen_store(Path.cwd())"
    return clocked(root, [sys.executable, "-c", code], "store")


def _gpu_bytes(root: Path, stage: str, recipe: str) -> int | None:
    path = root / "runs" / recipe / stage / "metrics.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    return int(said["timing"]["peak_memory_bytes"]) if said.get("accelerator") == "gpu" else None
