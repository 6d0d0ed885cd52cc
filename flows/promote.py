"""Judge a version against the champion by the rules of params.yaml, and give it the alias where it deserves it.

What is judged are the answers to the same queries, as they lie with both versions. Where these were measured on other data, or without
their rows, the packages are measured again on the data of the workspace, in a process of their own: a flow stays free of torch.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import ConfigError, DiptychError
from components.contracts.promotion import Finding, Rules, Ruling
from components.recipes.params import load_params
from components.registry.champion import files_of
from components.registry.evaluated import evaluation_of
from components.registry.promotion import Verdict
from components.registry.promotion import promote as move
from components.registry.store import Store, open_store
from components.registry.versions import ModelVersion, by_label
from components.stages.place import private
from flows.audience import AUDIENCE
from flows.processes import started

if TYPE_CHECKING:
    from components.evaluation.outcomes import Evaluated


def promote(root: Path, version: ModelVersion, store: Store | None = None, anew: bool = False) -> Verdict:
    """Return what becomes of a version; errors as of `components.evaluation.gate.judge`."""
    params, store = load_params(root), store or open_store(root)

    def judge(version: ModelVersion, champion: ModelVersion | None) -> tuple[Ruling, str]:
        from components.evaluation import gate  # imports pyarrow, which a flow that judges nothing need not
        from components.evaluation.ruled import table

        also = packaged_well(version, root, store)
        with tempfile.TemporaryDirectory(dir=private(root, "tmp")) as scratch:
            ours, theirs, lacking = sides(version, champion, params.promotion, root, store, Path(scratch))
        ruling = gate.judge(ours, theirs, params.promotion, params.seed, [*also, *lacking])
        return ruling, table(ruling)

    return move(store, version, judge, anew)


def promote_label(root: Path, label: str) -> Verdict:
    """Judge the version `clip@3` anew; ConfigError when the registry has no such version, or params.yaml no such recipe."""
    store = open_store(root)
    return promote(root, by_label(store, label), store, anew=True)


def sides(
    version: ModelVersion, champion: ModelVersion | None, rules: Rules, root: Path, store: Store, scratch: Path
) -> "tuple[Evaluated, Evaluated | None, list[Finding]]":
    """Return both evaluations, on the same data, and what could not be had of them."""
    ours, is_own = _kept(version, root, store)
    if champion is None:
        return ours or _again(version, root, store, scratch), None, []
    theirs, _ = _kept(champion, root, store)
    named = [rules.primary, *(guard.metric for guard in rules.guards)]
    if ours is not None and theirs is not None and comparable(ours, theirs, named):
        return ours, theirs, []
    AUDIENCE.get().told(f"{champion.label} is measured again, on the data of this workspace")
    if ours is None or not is_own:
        ours = _again(version, root, store, scratch)
    try:
        theirs = _again(champion, root, store, scratch)
    except DiptychError as err:
        says = f"of {champion.label}, the champion, was measured on other data, and it cannot be measured again: {err}"
        nothing = replace(ours, label=champion.label, metrics={}, rows={})
        return ours, nothing, [Finding(rule="champion", metric="the package", held="uncertain", says=says)]
    if not comparable(ours, theirs, named):  # the workspace has other data than its own evaluation
        ours = _again(version, root, store, scratch / "again")
    return ours, theirs, []


def comparable(ours: "Evaluated", theirs: "Evaluated", metrics: Sequence[str]) -> bool:
    """Return whether both have these metrics with their rows, on the same data; of one that the challenger lacks nothing can be had again."""
    return all(
        name in theirs.metrics and bool(theirs.tallies(name)) and ours.data_of(name) == theirs.data_of(name) is not None
        for name in metrics
        if name in ours.metrics
    )


def packaged_well(version: ModelVersion, root: Path, store: Store) -> list[Finding]:
    """Return what the package says of itself: that it answers as the model that was measured, and was sealed with these numbers."""
    manifest = json.loads((files_of(version, root, store) / "manifest.json").read_text(encoding="utf-8"))
    furthest = manifest.get("onnx_furthest")
    if furthest is None:
        says = "the package does not say how far its answers are from those of the model that was measured"
        return [Finding(rule="parity", metric="onnx_furthest", held="uncertain", says=says)]
    worst = max(map(float, furthest.values()))
    says = f"what is served answers as what was measured, to {worst:.1e}"
    return [Finding(rule="parity", metric="onnx_furthest", held="holds", says=says, ours=worst)]


def _kept(version: ModelVersion, root: Path, store: Store) -> "tuple[Evaluated | None, bool]":
    """Return the evaluation that was registered with a version, and whether it is the workspace's own, made last."""
    from components.evaluation.outcomes import Evaluated

    folder = evaluation_of(version, root, store)
    if folder is None:
        return None, False
    return Evaluated.read(folder, version.label), folder == root / "runs" / version.name / "evaluate"


def _again(version: ModelVersion, root: Path, store: Store, scratch: Path) -> "Evaluated":
    """Return what the package of a version gives on the data of the workspace."""
    from components.evaluation.outcomes import Evaluated

    scratch.mkdir(exist_ok=True)
    out, log = scratch / version.version, scratch / f"{version.version}.log"
    command = [
        sys.executable, "-m", "components.stages.rescore", "--recipe", version.name, "--package", str(files_of(version, root, store)),
        "--out", str(out),
    ]  # fmt: skip
    with started(command, log, cwd=root) as process:
        failed = process.wait()
    if failed:
        kept = private(root, "logs") / f"rescore.{version.label}.log"
        shutil.copyfile(log, kept)
        said = log.read_text(errors="replace").strip().splitlines()
        raise DiptychError(
            f"{version.label} could not be measured again: {said[-1] if said else 'it was killed'} (log in {kept.relative_to(root)})"
        )
    return Evaluated.read(out, version.label)


def label_of(words: Sequence[str]) -> str:
    """Return `clip@3` for that, or for `clip 3`; ConfigError for anything else."""
    if len(words) == 2:
        words = [f"{words[0]}@{words[1]}"]
    name, _, number = words[0].partition("@")
    if len(words) != 1 or not name or not number:
        raise ConfigError(f"{' '.join(words)!r} is no version. Name it as the registry does, such as clip@3 or clip 3.")
    return words[0]
