"""Two versions as they answer the same queries: the evaluations that lie with them, or made again where these do not compare.

Whoever is measured again is so in a process of its own: a flow stays free of torch.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import DiptychError
from components.contracts.promotion import Finding, Rules
from components.registry.champion import files_of
from components.registry.evaluated import evaluation_of
from components.registry.store import Store
from components.registry.versions import ModelVersion
from components.stages.place import private
from flows.audience import AUDIENCE
from flows.processes import started

if TYPE_CHECKING:
    from components.evaluation.outcomes import Evaluated


def sides(
    version: ModelVersion, champion: ModelVersion | None, rules: Rules, root: Path, store: Store, scratch: Path
) -> "tuple[Evaluated, Evaluated | None, list[Finding]]":
    """Return both evaluations, on the same data, and what could not be had of them."""
    ours, is_own = _kept(version, root, store)
    theirs = _kept(champion, root, store)[0] if champion else None
    if champion is None and ours is not None:
        return ours, None, []
    if ours is not None and theirs is not None and comparable(ours, theirs, rules):
        return ours, theirs, []
    if champion is not None and ours is not None and is_own:
        theirs = _champion_again(champion, root, store, scratch)
        if theirs is None or comparable(
            ours, theirs, rules
        ):  # else the workspace has other data than its own evaluation
            return ours, *_or_gone(theirs, champion, ours)
    AUDIENCE.get().told(f"{version.label} is measured again, on the data of this workspace")
    again = _again(version, root, store, scratch)
    lacking = trained_elsewhere(version, root, store)
    again = replace(again, licences=ours.licences if ours is not None else {})
    if champion is None:
        return again, None, lacking
    theirs = theirs if is_own else _champion_again(champion, root, store, scratch)
    theirs, gone = _or_gone(theirs, champion, again)
    return again, theirs, [*lacking, *gone]


def comparable(ours: "Evaluated", theirs: "Evaluated", rules: Rules) -> bool:
    """Return whether both have what the rules name, counted over the same rows, on the same data, asked and measured in the same way.

    Of a metric that the challenger lacks nothing can be had again. What a model chose for itself, as the penalty of a probe or the bound of a segmentation, is
    not how it was measured. Retrieval did not use to say how it asks, and asked as it does now.
    """
    from components.evaluation.outcomes import asked_otherwise

    named = [rules.primary, *(guard.metric for guard in rules.guards)]
    bounds = [bound.metric for bound in rules.bounds if bound.at_most_times is not None]
    return (
        ours.canary == theirs.canary
        and all(name in theirs.metrics for name in bounds if name in ours.metrics)
        and all(
            name in theirs.metrics
            and ours.tallies(name) == theirs.tallies(name) != ()
            and ours.data_of(name) == theirs.data_of(name) is not None
            and not asked_otherwise(ours, theirs, name)
            for name in named
            if name in ours.metrics
        )
    )


def _kept(version: ModelVersion, root: Path, store: Store) -> "tuple[Evaluated | None, bool]":
    """Return the evaluation that was registered with a version, and whether it is the workspace's own, made last; None where it is gone."""
    from components.evaluation.outcomes import Evaluated

    try:
        folder = evaluation_of(version, root, store)
        if folder is None:
            return None, False
        return Evaluated.read(folder, version.label), folder == root / "runs" / version.name / "evaluate"
    except DiptychError as err:
        AUDIENCE.get().told(f"the evaluation of {version.label} cannot be had: {err}")
        return None, False


def _champion_again(champion: ModelVersion, root: Path, store: Store, scratch: Path) -> "Evaluated | None":
    """Return what the champion's package gives today; None, which is said, where it is gone."""
    AUDIENCE.get().told(f"{champion.label} is measured again, on the data of this workspace")
    try:
        return _again(champion, root, store, scratch)
    except DiptychError as err:
        AUDIENCE.get().told(str(err))
        return None


def _or_gone(
    theirs: "Evaluated | None", champion: ModelVersion, ours: "Evaluated"
) -> "tuple[Evaluated, list[Finding]]":
    """Return the champion's evaluation, or one without a number, of which it is said why there is none."""
    if theirs is not None:
        return theirs, []
    says = (
        f"of {champion.label}, the champion, was measured on other data or otherwise, and it cannot be measured again"
    )
    nothing = replace(ours, label=champion.label, metrics={}, rows={})
    return nothing, [Finding(rule="champion", metric="the package", held="uncertain", says=says)]


def trained_elsewhere(version: ModelVersion, root: Path, store: Store) -> list[Finding]:
    """Return that a version was trained on other data than the workspace's, so that today's pools may hold what it was trained on."""
    trained = manifest_of(version, root, store).get("data_digest")
    source = root / "data/raw/source.json"
    today = json.loads(source.read_text(encoding="utf-8"))["digest"] if source.exists() else None
    if trained == today:
        return []
    says = f"cannot be told: {version.label} was trained on other data than today's, whose pools may hold pictures that it was trained on"
    return [Finding(rule="leakage", metric="leakage", held="uncertain", says=says)]


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


def manifest_of(version: ModelVersion, root: Path, store: Store) -> Mapping[str, Any]:
    """Return what the package of a version says of itself; StaleArtifact or DiptychError where it cannot be had."""
    manifest: dict[str, Any] = json.loads(
        (files_of(version, root, store) / "manifest.json").read_text(encoding="utf-8")
    )
    return manifest
