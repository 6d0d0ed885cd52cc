"""Judge a version against the champion by the rules of params.yaml, and give it the alias where it deserves it."""

import tempfile
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DiptychError
from components.contracts.evaluate import CLOSE
from components.contracts.promotion import COMPATIBLE, Finding, Held, Ruling
from components.recipes.params import load_params
from components.recipes.recipe import Serving
from components.recipes.rules import check_judgeable
from components.registry.champion import files_of
from components.registry.forebears import forebears
from components.registry.promotion import Judge, Verdict
from components.registry.promotion import promote as move
from components.registry.promotion import requested as asked
from components.registry.promotion import to_serve as may_serve
from components.registry.store import Store, open_store
from components.registry.versions import ModelVersion, by_label
from components.stages.place import private
from flows.lineage.known import Known, lessons, versions
from flows.lineage.trained_before import trained_before
from flows.same_queries import manifest_of, sides


def promote(root: Path, version: ModelVersion, store: Store | None = None, anew: bool = False) -> Verdict:
    """Return what becomes of a version; errors as of `components.evaluation.gate.judge`."""
    store = store or open_store(root)
    return move(store, version, _judge(root, store), anew)


def _judge(root: Path, store: Store) -> Judge:
    """Return what gives rulings by the rules of params.yaml."""
    params = load_params(root)

    def judge(version: ModelVersion, champion: ModelVersion | None) -> tuple[Ruling, str]:
        from components.evaluation import gate  # imports pyarrow, which a flow that judges nothing need not
        from components.evaluation.compatible import works_on_old_index
        from components.evaluation.ruled import table
        from components.evaluation.start_leaks import start_leaks

        check_judgeable(root, params.promotion)
        also = packaged_well(version, champion, params.gates.retention, root, store)
        with tempfile.TemporaryDirectory(dir=private(root, "tmp")) as scratch:
            ours, theirs, lacking = sides(version, champion, params.promotion, root, store, Path(scratch))
        about = manifest_of(version, root, store)
        also += start_leaks(ours, *trained_before(about, root))
        if old := about.get("compatible_with"):
            claim = not_served(old, champion, root, store)
            also.append(claim or works_on_old_index(ours, old, params.promotion, params.seed))
        ruling = gate.judge(ours, theirs, params.promotion, params.seed, [*also, *lacking])
        return ruling, table(ruling)

    return judge


def requested(root: Path, model: str, store: Store) -> Verdict:
    """Return what becomes of the alias `champion` of a registered model as somebody has set it; errors as of `promote`."""
    return asked(store, model, _judge(root, store))


def to_serve(root: Path, model: str, store: Store) -> Verdict:
    """Return which version of a registered model may be served, for who only reads the registry; errors as of `promote`."""
    return may_serve(store, model, _judge(root, store))


def promote_label(root: Path, label: str) -> Verdict:
    """Judge the version `clip@3` anew; ConfigError when the registry has no such version, or params.yaml no such recipe."""
    store = open_store(root)
    return promote(root, by_label(store, label), store, anew=True)


def packaged_well(
    version: ModelVersion, champion: ModelVersion | None, retention: float, root: Path, store: Store
) -> list[Finding]:
    """Return what packages say of themselves: that one answers as the model that was measured, keeps what its start could, and is asked as the other is."""
    ours = manifest_of(version, root, store)
    asked = signature(ours, champion, root, store) if champion else []
    return [parity(ours), *retained(ours, retention), *asked, *taken_down(version, store, began_as(ours, root))]


def began_as(about: Mapping[str, Any], root: Path) -> list[Known]:
    """Return the versions that a package's run began as, and theirs."""
    if about.get("start") is None:
        return []
    known = {its.label: its for its in versions(root)}
    return [known[one] for one in forebears(about, {its.label: its.about for its in known.values() if its.about})]


def taken_down(version: ModelVersion, store: Store, before: Sequence[Known] = ()) -> list[Finding]:
    """Return that a version, or one that it began as, learned from pictures which were taken down since, which is for a person to let by.

    Args:
        before: the versions that it began as.
    """
    own = lessons(store.client.get_model_version(version.name, version.version).tags)
    theirs = {its.label: said for its in before if (said := lessons(its.tags))}
    if theirs:
        says = "; ".join([*([own] if own else []), *(f"it began as {label}: {said}" for label, said in theirs.items())])
        says += f"; train {', '.join(theirs)} without them, and begin from what comes of it"
    elif own:
        says = f"{own}; train without them: diptych run --recipe {version.name}"
    else:
        return []
    return [Finding(rule="takedown", metric="takedown", held="uncertain", says=says)]


def not_served(old: Mapping[str, str], champion: ModelVersion | None, root: Path, store: Store) -> Finding | None:
    """Return that the index which a version was trained to search is none that is served; None where the champion's vectors are those.

    Args:
        old: `label`, `digest` and `space` of the model whose index it is.
    """
    from components.serving.package import Package

    metric = "the index"
    if champion is None:
        says = f"was to be that of {old['label']}, and none is served, so it gets one of its own"
        return Finding(rule=COMPATIBLE, metric=metric, held="told", says=says)
    if champion.digest == old["digest"]:
        return None
    folder = files_of(champion, root, store)
    if Package.verify(folder).space == old["space"]:  # the same encoders, packaged again
        return None
    says = f"is that of {champion.label}, and it was trained to search that of {old['label']}: train it again, or let it have one of its own"
    return Finding(rule=COMPATIBLE, metric=metric, held="uncertain", says=says)


def parity(manifest: Mapping[str, Any]) -> Finding:
    """Return whether what is served answers as what was measured, by the bound under which the package was exported.

    A package that does not say how far its answers are is for a person. One from before packages said their bound is held to the usual one, above
    which it is for a person too, who may know under which it was exported.
    """
    furthest, said = manifest.get("onnx_furthest"), manifest.get("onnx_tolerance")
    bound = Serving().tolerance if said is None else float(said)
    if not furthest:
        says = "the package does not say how far its answers are from those of the model that was measured"
        return Finding(rule="parity", metric="onnx_furthest", held="uncertain", says=says)
    name, worst = max(furthest.items(), key=lambda one: (isnan(one[1]), one[1]))
    if not worst <= bound:
        says = f"is {worst:.1e}, by which {name} answers otherwise than what was measured, and serving.tolerance allows {bound:.1e}"
        is_known = said is not None or isnan(worst)
        says += (
            ""
            if is_known
            else " where nothing else is said: the package does not say under which bound it was exported"
        )
        return Finding(
            rule="parity", metric="onnx_furthest", held="fails" if is_known else "uncertain", says=says, ours=worst
        )
    says = f"is {worst:.1e}: what is served answers as what was measured, to {bound:.1e} at most"
    return Finding(rule="parity", metric="onnx_furthest", held="holds", says=says, ours=worst)


def retained(manifest: Mapping[str, Any], retention: float) -> list[Finding]:
    """Return, of a model that was adapted, whether each number of each set lost no more than `gates.retention` allows, by its middle value.

    Of a number that the start could not do it is told that nothing was to be lost. One that was measured on no set, or on none that its start could do, is
    for a person.
    """
    elsewhere = manifest.get("elsewhere")
    if elsewhere is None:  # it was not adapted
        return []
    if not elsewhere:
        says = "was measured on no set, so nobody knows what it lost against its start: name one by `diptych adapt --set`, or take back what took `general` out of evaluation.sets"
        return [Finding(rule="retention", metric="elsewhere", held="uncertain", says=says)]
    findings = list[Finding]()
    if not any(line.get("able", True) for line in elsewhere.values()):
        says = (
            f"was measured on {', '.join(elsewhere)} alone, where its start was not shown to be better than chance, so nobody knows what it lost: name a set that "
            "the start can do by `diptych adapt --set`"
        )
        findings.append(Finding(rule="retention", metric="elsewhere", held="uncertain", says=says))
    for name, line in elsewhere.items():
        moved = line["difference"]
        if not line.get("able", True):
            says = f"bounds nothing on {name}: its start was not shown to be better there than chance"
            findings.append(Finding(rule="retention", metric=line["metric"], held="told", says=says))
            continue
        if moved is None:
            says = f"what it lost on {name} against its start cannot be told"
            findings.append(Finding(rule="retention", metric=line["metric"], held="uncertain", says=says))
            continue
        says = (
            f"{100 * moved:+.1f} points on {name} against its start ({100 * line['low']:+.1f} to {100 * line['high']:+.1f}), and gates.retention "
            f"allows {100 * -retention:.1f}"
        )
        held: Held = "holds" if moved >= -retention - CLOSE else "fails"
        findings.append(
            Finding(
                rule="retention", metric=line["metric"], held=held, says=says, difference=moved, low=line["low"], high=line["high"], margin=retention
            )
        )  # fmt: skip
    return findings


def signature(ours: Mapping[str, Any], champion: ModelVersion, root: Path, store: Store) -> list[Finding]:
    """Return whether whoever asks the champion can ask the challenger; nothing where one of them does not say how it is asked."""
    try:
        theirs = manifest_of(champion, root, store).get("signature")
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


def label_of(words: Sequence[str]) -> str:
    """Return `clip@3` for that, or for `clip 3`; ConfigError for anything else."""
    if len(words) == 2:
        words = [f"{words[0]}@{words[1]}"]
    name, _, number = words[0].partition("@")
    if len(words) != 1 or not name or not number:
        raise ConfigError(f"{' '.join(words)!r} is no version. Name it as the registry does, such as clip@3 or clip 3.")
    return words[0]
