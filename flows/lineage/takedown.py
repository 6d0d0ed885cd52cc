"""`diptych takedown`: what `diptych data remove` does, and then: every version that saw the pictures is marked, and a run that trains without them is opened.

A plan in .diptych says what is meant to be done, and with which pictures: after a kill the next call finishes it first, and nothing
is done twice. Pictures that left data/raw before are found in the data that versions were made from.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.errors import ConfigError, DataError
from components.contracts.model_files import model_digest
from components.contracts.progress import Progress, silent
from components.data.aside import Aside
from components.data.manifest import SCHEMA, read_manifest
from components.data.versions.keys import read_keys, split_known, unknown_keys, with_copies
from components.recipes.starts import made_by
from components.recipes.yaml_lines import read_yaml
from components.registry.forebears import begun_from, parents
from components.registry.promotion import SENTENCE, VERDICT
from components.registry.runs import PACKAGE_DIGEST
from components.registry.saw import learned as learned_by
from components.registry.saw import tuned_by
from components.stages.lock import hold
from components.stages.place import private
from components.validation.takedown import LIST, add_lines
from flows.data.remove import Done, forget_decoded, lines_for, lines_of, remove, versions_that_saw
from flows.lineage.entries import MANIFEST, RAW, Lineage
from flows.lineage.known import TAKEDOWN, marks_of, versions
from flows.start_learnt import forget, holding, laid_in
from flows.start_learnt import lines_of as lines_of_learnt
from flows.telling.retrain import Opened, open_run

PLAN, PICTURES = "plan.json", "pictures.parquet"
START_DID = "its start trained on"  # where that is no version
_LONGEST_WHY, _MOST_MARKS = 300, 10  # MLflow takes 5,000 letters a tag


@dataclass(kw_only=True)
class TakenDown:
    """What a takedown did.

    Args:
        removal: what `diptych data remove` would have said; None where no picture was in data/raw any more.
        listed: lines that were added to the takedown list for pictures that had left before.
        learnt: folders of `data/learnt` that had one of these, and are gone.
        versions: those that saw them, as `data remove` names them, with `served`: addresses.
        runs: one a recipe that is to be trained again.
        copies: what is left to do of recipes that begin from a copy of a model which learned from them, as sentences: trained again, they would begin as that once more.
        finished_first: whether another that had been killed was finished before.
    """

    keys: list[str] = field(default_factory=list)
    removal: Done | None = None
    listed: int = 0
    learnt: list[str] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    runs: list[Opened] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    finished_first: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def takedown(
    root: Path, here: Path, keys: Sequence[str], file: Path | None, why: str, retrain: bool, as_json: bool,
    progress: Progress = silent,
) -> list[str]:  # fmt: skip
    """Take down, print what was done, and return the recipes that are to be trained here.

    Raises ConfigError without a reason, DataError for keys that nobody knows, before anything is done; Busy while a run or another
    takedown has the workspace.
    """
    asked = [*keys, *(read_keys(here / file) if file is not None else [])]
    done = take_down(root, asked, why, not retrain, progress)
    print(json.dumps(done.as_json(), ensure_ascii=False) if as_json else "\n".join(said_of(done)), flush=True)
    return [one.recipe for one in done.runs] if retrain else []


def take_down(root: Path, keys: Sequence[str], why: str, opens: bool = True, progress: Progress = silent) -> TakenDown:
    """Do what `takedown` prints.

    Args:
        opens: whether a run that trains again is opened where a Prefect server is known.
    """
    with hold(private(root, "locks") / "takedown.lock", f"a takedown in {root}"):
        folder, first = private(root, "takedown"), None
        if (folder / PLAN).exists():
            first = _finish(root, folder, opens, progress)
            if not keys or set(keys) <= set(first.keys):
                return first
        if not keys:
            raise ConfigError(
                "no picture is named. Name keys, or a file of them: diptych takedown KEY... or --keys FILE"
            )
        if not why.strip():
            raise ConfigError(
                "a takedown takes a reason, which is kept with every version that it marks. Give it: --reason WHY"
            )
        _write_plan(root, folder, _pictures(root, keys), keys, why)
        try:
            done = _finish(root, folder, opens, progress)
        except DataError:  # of the removal, before it did anything
            (folder / PLAN).unlink()
            raise
        done.finished_first = first is not None
        return done


def _pictures(root: Path, keys: Sequence[str]) -> pa.Table:
    """Return the rows of these keys and of what shows the same, from data/raw, or else from what versions were made from, or learnt again, or what is to be learnt again; DataError for a key that none has."""
    manifest = read_manifest(root / RAW / MANIFEST)
    known, unknown = split_known(keys, manifest)
    found = [with_copies(_rows(manifest, known), manifest)]
    with Lineage(root) as lineage:
        for data in _more(root, lineage) if unknown else ():
            there, unknown = split_known(unknown, data)
            found.append(with_copies(_rows(data, there), data))
            if not unknown:
                break
    if unknown:
        raise unknown_keys(unknown, manifest, f"neither {RAW} nor the data of a version", "Correct them.")
    return pa.concat_tables(found)


def _more(root: Path, lineage: Lineage) -> Iterator[pa.Table]:
    """Yield what else may have a picture, as manifests."""
    for version in versions(root):
        for folder in (RAW, tuned_by(version.about)) if version.about is not None else ():
            data = lineage.manifest(version.about or {}, folder)
            if data is not None:
                yield data
    yield from (rows for _, rows in laid_in(root) if rows is not None)


def _rows(manifest: pa.Table, keys: Sequence[str]) -> pa.Table:
    return manifest.filter(pc.is_in(manifest["key"], value_set=pa.array(keys, pa.string())))


def _write_plan(root: Path, folder: Path, pictures: pa.Table, keys: Sequence[str], why: str) -> None:
    """Keep what is to be done, whole or not at all."""
    learnt = holding(root, pictures)
    pq.write_table(pictures, folder / PICTURES)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    aside = Aside(folder / PLAN)
    with aside.explaining():
        said = {
            "keys": list(dict.fromkeys(keys)), "why": " ".join(why.split())[:_LONGEST_WHY], "at": at, "of": _name(pictures), "learnt": learnt,
        }  # fmt: skip
        aside.partial.write_text(json.dumps(said), encoding="utf-8")
        aside.put()


def _name(pictures: pa.Table) -> str:
    """Return what tells a takedown of these pictures from others, whenever it is asked for."""
    shown = sorted({one for name in ("sha256", "key") for one in pictures[name].to_pylist() if one})
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:16]


def _finish(root: Path, folder: Path, opens: bool, progress: Progress) -> TakenDown:
    """Do all that the plan says; each step may be done twice."""
    plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    pictures = pq.read_table(folder / PICTURES, partitioning=None).cast(SCHEMA)
    done = TakenDown(keys=plan["keys"])
    there, _ = split_known(pictures["key"].to_pylist(), read_manifest(root / RAW / MANIFEST))
    if there or private(root, "remove").joinpath(PLAN).exists():
        done.removal = remove(root, there, plan["why"], allow_unknown=True, progress=progress)
    done.listed = add_lines(root / LIST, lines_for(pictures, plan["at"], plan["why"]))
    done.learnt = list(plan.get("learnt", {}))
    if done.learnt:
        with hold(private(root, "locks") / "workspace.lock", f"the workspace {root}"):
            forget(root, done.learnt)
            forget_decoded(root)
    done.versions = _with_begun(root, versions_that_saw(root, pictures), plan.get("learnt", {}))
    _mark(root, done.versions, plan)
    recipes = dict.fromkeys(one["version"].partition("@")[0] for one in done.versions if learned(one))
    listed = read_yaml(root / "params.yaml").values.get("recipes") or {}
    learned_them = {one["version"] for one in done.versions if learned(one)}
    tainted = {its.label: its.about for its in versions(root) if its.about and its.label in learned_them}
    copied = {
        recipe: _copied_start(recipe, listed[recipe], root, tainted, done.learnt)
        for recipe in recipes
        if recipe in listed
    }
    done.runs = [open_run(recipe, plan["of"], opens) for recipe, said in copied.items() if not said]
    done.copies = [said for said in copied.values() if said]
    (folder / PLAN).unlink()
    (folder / PICTURES).unlink()
    return done


def _with_begun(root: Path, saw: list[dict[str, Any]], learnt: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the versions that saw the pictures with those that began as a model which learned from them, be that model no version.

    Args:
        learnt: folders of `data/learnt`, each called as the digest of its model -> how many of the pictures it had.
    """
    if not learnt:
        return saw
    found = {one["version"]: one for one in saw}
    known = {its.label: its for its in versions(root)}
    begun = begun_from(
        {label: its.about for label, its in known.items() if its.about},
        {Path(name).name: count for name, count in learnt.items()},
    )
    for label, count in begun.items():
        one = found.setdefault(
            label, {"version": label, "aliases": list(known[label].aliases), "how": {}, "cannot_tell": None}
        )
        if not learned(one):
            one["how"] = {**one["how"], START_DID: count}
    return [*found.values()]


def _copied_start(
    recipe: str, begin: Mapping[str, Any], root: Path, tainted: Mapping[str, Mapping[str, Any]], gone: Sequence[str]
) -> str:
    """Return what is left to do of a recipe that begins from a copy of a model which learned from the pictures; empty for one that begins otherwise.

    Args:
        tainted: label -> manifest.json of the versions that learned from them.
        gone: what was laid in and had them, each called as the digest of its model.
    """
    start = str(begin.get("start"))
    if made_by(start) is not None or not (root / start).is_dir():
        return ""
    try:
        digest = model_digest(root / start)
    except OSError:  # no model of ours, which a run will say
        return ""
    its = [*parents({"start": {"digest": digest}}, tainted)]
    if not its and not any(digest.startswith(Path(folder).name) for folder in gone):
        return ""
    of = f"a copy of {' or '.join(its)}" if its else "a model that learned from them"
    return f"{recipe} begins from {start}, {of}: train that one without them, and name what comes of it as the start of {recipe}"


def learned(saw: Mapping[str, Any]) -> bool:
    """Return whether a version learned from the pictures, or may have: it was not measured with them alone."""
    return saw["cannot_tell"] is not None or learned_by(saw["how"])


def _mark(root: Path, saw: Sequence[dict[str, Any]], plan: Mapping[str, Any]) -> None:
    """Write to each version what was taken down of it, once, and add to `saw` where each is served."""
    if not saw:
        return
    from components.registry.store import open_store, store_errors
    from components.serving.endpoint import forget_previous, forget_stopped, read_previous, read_stopped
    from components.serving.routes import read_routes

    store, endpoints = open_store(root), read_routes(root).endpoints
    for one in saw:
        name, _, number = one["version"].partition("@")
        with store_errors(store.uri):
            version = store.client.get_model_version(name, number)
            marks = marks_of(version.tags)
            if all(mark.get("of") != plan["of"] for mark in marks):
                about = {name: plan[name] for name in ("of", "at", "why")}
                mark = {**about, "how": one["how"], "learned": learned(one), "sentence": _sentence(one, plan)}
                text = json.dumps([*marks, mark][-_MOST_MARKS:], ensure_ascii=False)
                store.client.set_model_version_tag(version.name, number, TAKEDOWN, text)
                if mark["learned"]:  # what was found before must not let it by, should somebody give it the alias
                    store.client.set_model_version_tag(version.name, number, VERDICT, "needs_a_person")
                    store.client.set_model_version_tag(version.name, number, SENTENCE, mark["sentence"][:5000])
        digest = version.tags.get(PACKAGE_DIGEST)
        previous = read_previous(root)
        if learned(one) and previous is not None and previous.package_digest == digest:
            forget_previous(root)  # nobody may go back to it; the next deploy takes its files away
        stopped = read_stopped(root)
        if learned(one) and stopped is not None and stopped.package_digest == digest:
            forget_stopped(root)  # nor may it go on
            one["stopped"] = True
        one["served"] = [its.http for its in endpoints if its.package_digest == digest]


def _sentence(saw: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return one that follows the name of a version."""
    how = ", ".join(f"{what} {count:,}" for what, count in saw["how"].items())
    return f"{how or 'may have seen what'} {'of what ' if how else ''}was taken down {plan['at'][:10]}: {plan['why']}"


def said_of(done: TakenDown) -> list[str]:
    """Return what was done, as sentences."""
    lines = ["a takedown that had been stopped was finished first"] if done.finished_first else []
    if done.removal is not None:
        lines += lines_of(replace(done.removal, learnt=[]), versions=False)
    else:
        lines.append(f"{RAW} had none of them any more; {LIST} has {done.listed:,} more lines")
    lines += lines_of_learnt(done.learnt)
    if not done.versions:
        return [*lines, "no model version saw them"]
    lines.append("model versions that saw them, now marked in the registry:")
    for one in done.versions:
        aliases = f" ({', '.join(one['aliases'])})" if one["aliases"] else ""
        how = ", ".join(f"{what} {count:,}" for what, count in one["how"].items())
        served = f"; served at {', '.join(one['served'])} until another is" if one.get("served") else ""
        served += "; was served until diptych down, and diptych up serves nothing now" if one.get("stopped") else ""
        lines.append(f"  {one['version']}{aliases}: {how or 'cannot be told: ' + str(one['cannot_tell'])}{served}")
    return [*lines, *(one.sentence for one in done.runs), *done.copies]
