"""What a run that was disturbed is held against: the same asked of DVC alone, with nothing wrong."""

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import DiptychError, is_transient
from components.registry.champion import files_of
from components.registry.runs import TRAIN_DIGEST
from components.registry.store import open_store
from components.registry.versions import by_label
from components.stages.lock import hold
from components.stages.place import private
from tests.own_run import own_run

SAME = (
    *(f"runs/clip/{stage}/{name}" for stage in ("pretrain", "finetune") for name in ("weights.safetensors", "curves.csv")),
    "data/raw/manifest.parquet", "data/validated/manifest.parquet", "data/validated/quarantine.parquet", "data/curated/clip/manifest.parquet",
)  # fmt: skip
METRICS = "runs/clip/evaluate/metrics.json"
FREE_WITHIN_S = 1800.0


def alone() -> None:
    """Have this process, and what it starts, know of no server or workspace that its shell names."""
    for name in [name for name in os.environ if name.startswith(("DIPTYCH_", "DVC_", "MLFLOW_", "PREFECT_"))]:
        del os.environ[name]
    os.environ |= {"DIPTYCH_PYTHON": sys.executable, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}


def own_copy(folder: Path) -> tuple[Path, Path]:
    """Return a workspace with a person's own pictures at `debug`, fine-tuned, that may be disturbed, and the one that it was copied from after a run, for which it knows nobody else."""
    alone()
    (shared := folder / "shared").mkdir()
    undisturbed = own_run(shared)
    return shutil.copytree(shared / "own", folder / "work", symlinks=True) / undisturbed.name, undisturbed


def forget_results(root: Path) -> None:
    """Take away all that stages have made, and what DVC and they remember of it, once no run works on it: one that was tried again late may."""
    with hold(private(root, "locks") / "workspace.lock", f"the workspace {root}", FREE_WITHIN_S):
        lock = root / "dvc.lock"
        for stage in yaml.safe_load(lock.read_text())["stages"].values():
            for out in stage["outs"]:
                shutil.rmtree(root / out["path"], ignore_errors=True)
        lock.unlink()
        for name in (".dvc/cache", ".diptych/resume"):
            shutil.rmtree(root / name, ignore_errors=True)


def differs(root: Path, undisturbed: Path) -> list[str]:
    """Return what of a run is not as in the undisturbed one: rows, weights and curves by their bytes, metrics by their values."""
    found = [
        f"{name} is not as undisturbed" for name in SAME
        if not (root / name).exists() or (root / name).read_bytes() != (undisturbed / name).read_bytes()
    ]  # fmt: skip
    return found + [f"{name} is not as undisturbed" for name in metrics_that_differ(values(root), values(undisturbed))]


def values(root: Path) -> dict[str, Any]:
    """Return name -> value of each metric of a run; empty where it has none."""
    try:
        return {name: one["value"] for name, one in json.loads((root / METRICS).read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}


def metrics_that_differ(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return the names of metrics that one of two runs lacks, or that have another value; all of them where the undisturbed one has none."""
    names = [
        name
        for name in sorted({*ours, *theirs})
        if name not in ours or name not in theirs or ours[name] != theirs[name]
    ]
    return names if theirs else ["every metric"]


def twice(root: Path) -> list[str]:
    """Return what the registry has twice."""
    store = open_store(root)
    versions = Counter(
        one.tags["diptych.package_digest"] for one in store.client.search_model_versions("name = 'clip'")
    )
    runs = store.client.search_runs([store.experiment])
    found = [f"{digest[:12]} has {count} versions" for digest, count in versions.items() if count > 1]
    packages = Counter(run.data.tags.get("diptych.package_digest") for run in runs)
    found += [f"{digest[:12]} has {count} runs" for digest, count in packages.items() if digest and count > 1]
    for run in runs:
        for name in run.data.metrics:
            steps = [one.step for one in store.client.get_metric_history(run.info.run_id, name)]
            if len(set(steps)) < len(steps):
                found.append(
                    f"{name} of {run.info.run_id}, {run.data.tags.get(TRAIN_DIGEST, '')[:12]}, has a step twice"
                )
    return found


def damaged(root: Path) -> list[str]:
    """Return what is wrong with the files of the version, each held against its sha256. TransientError where nobody can be asked now."""
    store = open_store(root)
    try:
        with tempfile.TemporaryDirectory() as elsewhere:
            files_of(by_label(store, "clip@1"), Path(elsewhere), store)
    except DiptychError as err:
        if is_transient(err):
            raise
        return [f"clip@1: {err}"]
    return []


def forget_registered(root: Path) -> None:
    """Take the model and its runs out of the registry, so that the next run registers, judges and promotes it as the first."""
    store = open_store(root)
    for run in store.client.search_runs([store.experiment]):
        store.client.delete_run(run.info.run_id)
    for model in store.client.search_registered_models("name = 'clip'"):
        store.client.delete_registered_model(model.name)
