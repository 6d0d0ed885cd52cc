"""Judge a version against the champion by the rules of params.yaml, and give it the alias where it deserves it.

What is judged are the answers to the same queries, as they lie with both versions. Where these were measured on other data, or without
their rows, the packages are measured again on the data of the workspace, in a process of their own: a flow stays free of torch.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

        also = packaged_well(version, champion, root, store)
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
    theirs = _kept(champion, root, store)[0] if champion else None
    if champion is None and ours is not None:
        return ours, None, []
    if ours is not None and theirs is not None and comparable(ours, theirs, rules):
        return ours, theirs, []
    if champion is not None and ours is not None and is_own:
        AUDIENCE.get().told(f"{champion.label} is measured again, on the data of this workspace")
        theirs = _champion_again(champion, root, store, scratch)
        if theirs is None or comparable(
            ours, theirs, rules
        ):  # else the workspace has other data than its own evaluation
            return ours, *_or_gone(theirs, champion, ours)
    AUDIENCE.get().told(f"{version.label} is measured again, on the data of this workspace")
    again = _again(version, root, store, scratch)
    lacking = _trained_elsewhere(version, root, store)
    again = replace(again, licences=ours.licences if ours is not None else {})
    if champion is None:
        return again, None, lacking
    theirs = theirs if is_own else _champion_again(champion, root, store, scratch)
    theirs, gone = _or_gone(theirs, champion, again)
    return again, theirs, [*lacking, *gone]


def comparable(ours: "Evaluated", theirs: "Evaluated", rules: Rules) -> bool:
    """Return whether both have what the rules name, counted over the same rows, on the same data, asked and measured in the same way.

    Of a metric that the challenger lacks nothing can be had again. How a probe was asked is what it chose, not how it was measured.
    """
    named = [rules.primary, *(guard.metric for guard in rules.guards)]
    bounds = [bound.metric for bound in rules.bounds if bound.at_most_times is not None]
    return (
        ours.canary == theirs.canary
        and all(name in theirs.metrics for name in bounds if name in ours.metrics)
        and all(
            name in theirs.metrics
            and ours.tallies(name) == theirs.tallies(name) != ()
            and ours.data_of(name) == theirs.data_of(name) is not None
            and (
                name.partition(".")[0] == "probe"
                or ours.metrics[name].get("method") == theirs.metrics[name].get("method")
            )
            for name in named
            if name in ours.metrics
        )
    )


def packaged_well(version: ModelVersion, champion: ModelVersion | None, root: Path, store: Store) -> list[Finding]:
    """Return what packages say of themselves: that one answers as the model that was measured, and is asked as the other is."""
    ours = _manifest(version, root, store)
    return [parity(ours), *(signature(ours, champion, root, store) if champion else [])]


def parity(manifest: Mapping[str, Any]) -> Finding:
    """Return how far what is served is from what was measured; a package that does not say is for a person."""
    furthest = manifest.get("onnx_furthest")
    if furthest is None:
        says = "the package does not say how far its answers are from those of the model that was measured"
        return Finding(rule="parity", metric="onnx_furthest", held="uncertain", says=says)
    worst = max(map(float, furthest.values()))
    says = f"what is served answers as what was measured, to {worst:.1e}"
    return Finding(rule="parity", metric="onnx_furthest", held="holds", says=says, ours=worst)


def signature(ours: Mapping[str, Any], champion: ModelVersion, root: Path, store: Store) -> list[Finding]:
    """Return whether whoever asks the champion can ask the challenger; nothing where one of them does not say how it is asked."""
    try:
        theirs = _manifest(champion, root, store).get("signature")
    except DiptychError:  # its package is gone, which matters where it has to be measured again, and is said there
        return []
    mine = ours.get("signature")
    if mine is None or theirs is None:
        return []
    changed = [f"{name} from {theirs.get(name)} to {mine.get(name)}" for name in mine if mine[name] != theirs.get(name)]
    if not changed:
        return [
            Finding(
                rule="signature", metric="signature", held="holds", says="it is asked, and answers, as the champion"
            )
        ]
    says = f"changes {' and '.join(changed)}, on which whoever asks it may rely"
    return [Finding(rule="signature", metric="signature", held="uncertain", says=says)]


def _manifest(version: ModelVersion, root: Path, store: Store) -> Mapping[str, Any]:
    manifest: dict[str, Any] = json.loads(
        (files_of(version, root, store) / "manifest.json").read_text(encoding="utf-8")
    )
    return manifest


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


def _trained_elsewhere(version: ModelVersion, root: Path, store: Store) -> list[Finding]:
    """Return that a version was trained on other data than the workspace's, so that today's pools may hold what it was trained on."""
    trained = _manifest(version, root, store).get("data_digest")
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


def label_of(words: Sequence[str]) -> str:
    """Return `clip@3` for that, or for `clip 3`; ConfigError for anything else."""
    if len(words) == 2:
        words = [f"{words[0]}@{words[1]}"]
    name, _, number = words[0].partition("@")
    if len(words) != 1 or not name or not number:
        raise ConfigError(f"{' '.join(words)!r} is no version. Name it as the registry does, such as clip@3 or clip 3.")
    return words[0]
