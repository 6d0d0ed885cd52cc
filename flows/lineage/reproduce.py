"""`diptych reproduce VERSION`: the commit of a version and the data that it was made from, run again, and what comes out held against what came out.

Runs in a checkout of its own, whose cache of DVC is empty: else DVC would find what was computed then, and prove nothing. The data
comes from the workspace's cache, by its hash. What was killed goes on where it stood.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.sealed import read_sealed
from components.registry.champion import files_of
from components.registry.store import open_store, store_errors
from components.registry.versions import by_label
from components.stages.place import address, private
from components.stages.whence import environment
from flows.audience import AUDIENCE, Lines
from flows.graph import outputs_of, stages_of
from flows.lineage.alike import alike
from flows.lineage.entries import MANIFEST, RAW, Lineage, md5_of
from flows.lineage.known import lessons
from flows.proving.leased import committed_params, give_up, lease
from flows.workspace import Workspace

PACKAGE = "package"
_MADE = ".diptych/reproduced.json"  # in a checkout that this made: which version it is of


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A stage's output beside what it was.

    Args:
        equal: None where nobody has kept what it was.
        files: how many files were compared.
        differ: file -> how it differs.
    """

    stage: str
    equal: bool | None
    files: int
    differ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """What came out.

    Args:
        equal: whether data, weights, metrics and all else that was compared is equal.
        first: the first stage that differed.
        otherwise: what is not as it was then: code, environment, processor.
        place: the checkout, where it is kept.
    """

    version: str
    commit: str
    data: str
    equal: bool
    first: str | None
    stages: tuple[Held, ...]
    otherwise: tuple[str, ...]
    sentence: str
    place: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


class _Aside(Lines):
    """Prints on stderr, where an answer is a result."""

    def told(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)


def reproduce(root: Path, label: str, keep: Path | None = None) -> Reproduced:
    """Run a version again, and return how equal it is.

    Args:
        keep: a new folder for the checkout, which stays there; else it goes when all is done.

    Raises ConfigError for a version that does not exist, or names no commit that git has; DataError where its data can be had nowhere.
    """
    store = open_store(root)
    version = by_label(store, label)
    package = files_of(version, root, store)
    about = read_sealed(package)
    with store_errors(store.uri):
        taken = lessons(store.client.get_model_version(version.name, version.version).tags)
    commit = _commit(root, version.label, about)
    place = keep or private(root, "reproduce") / version.label
    _check_place(place, version.digest)
    token = AUDIENCE.set(_Aside())
    try:
        for said in (*_warnings(about), *([f"{version.label} {taken}; its data is put there again"] if taken else [])):
            AUDIENCE.get().told(said)
        with Lineage(root) as lineage:
            _lay_out(root, place, commit, about, version.digest, lineage)
            stages = tuple(_run(place, about, package, lineage))
    finally:
        AUDIENCE.reset(token)
    if keep is None:
        give_up(root, place)
    return _judged(version.label, commit, about, stages, place if keep else None)


def _commit(root: Path, label: str, about: Mapping[str, Any]) -> str:
    """Return the commit of a package; ConfigError where it names none, or git has it not."""
    commit = about.get("git_commit")
    if not commit:
        raise ConfigError(
            f"the package of {label} names no commit, since it was made outside of git, so nobody knows its code. Commit the code, make it "
            f"again with diptych run --recipe {about.get('recipe')}, and reproduce that version."
        )
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=root, capture_output=True, check=False
    )
    if known.returncode:
        raise ConfigError(
            f"{label} was made with the commit {commit[:12]}, which git does not have here. Fetch it from whoever made the version: git fetch, "
            "then ask again."
        )
    return str(commit)


def _warnings(about: Mapping[str, Any]) -> Iterator[str]:
    files = about.get("uncommitted")
    if files is None:
        yield "its package does not say whether all of its code was committed; the commit is run as it is"
    elif files:
        named = f"{', '.join(files[:5])}{f' and {len(files) - 5} more' if len(files) > 5 else ''}"
        yield f"it was made with code that no commit has ({named}); the commit is run without, so a difference may come from there"
    if not about.get("params"):
        yield "its package does not say with which params it was made; those of its commit are taken"


def _check_place(place: Path, digest: str) -> None:
    """Raise ConfigError unless a folder is new, or a checkout that was made for this very package."""
    if not place.exists() or not any(place.iterdir()):
        return
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads((place / _MADE).read_text(encoding="utf-8"))["package"] == digest:
            return
    raise ConfigError(f"{place} is there already, and is no checkout of this version. Name a new folder, or remove it.")


def _lay_out(root: Path, place: Path, commit: str, about: Mapping[str, Any], digest: str, lineage: Lineage) -> None:
    """Make the checkout, with params and data as they were; one that is there already keeps what it has run."""
    fresh = not (place / _MADE).exists()
    params = _params(root, commit, about)
    if place.exists() and fresh:
        shutil.rmtree(place)  # empty
    lease(root, place, commit, params, cache=place.resolve() / ".dvc" / "cache")
    private(place)
    (place / _MADE).write_text(json.dumps({"package": digest}), encoding="utf-8")
    for beside in ("data/sets", "data/learnt", "models"):  # what a person laid there, and git does not look at
        for one in (root / beside).iterdir() if (root / beside).is_dir() else ():
            if not (place / beside / one.name).exists():
                (place / beside).mkdir(parents=True, exist_ok=True)
                (place / beside / one.name).symlink_to(one.resolve())
    if not (place / RAW).exists():
        (place / "dvc.lock").unlink(missing_ok=True)  # of the commit: nothing has been run yet
        _lay_data(place, about, lineage)
    path = str(params.get("source", {}).get("path", ""))
    if path and not (place / path).exists():  # pictures are not read again, but a folder must be there
        lease(
            root,
            place,
            commit,
            {**params, "source": {**params["source"], "path": "data/own"}},
            place.resolve() / ".dvc" / "cache",
        )
        (place / "data/own").mkdir(parents=True, exist_ok=True)


def _params(root: Path, commit: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params that a package was made with; of an older one those of its commit, with what it says of recipe, scale and seed."""
    if about.get("params"):
        return dict(about["params"])
    said = committed_params(root, commit)
    recipes: dict[str, Any] = said["recipes"] if isinstance(said.get("recipes"), dict) else {}
    recipe = str(about["recipe"])
    its = recipes.get(recipe, {"start": "data/untrained.txt"})
    numbers = {name: about[name] for name in ("scale", "seed") if about.get(name) is not None}
    return {**said, **numbers, "recipes": {**recipes, recipe: its}}


def _lay_data(place: Path, about: Mapping[str, Any], lineage: Lineage) -> None:
    """Put data/raw there, by links where the disk can; DataError where it can be had nowhere, or is not what the package names."""
    md5 = md5_of(about, RAW)
    files = None if md5 is None else lineage.files(md5)
    if files is None and (here := lineage.here(about)) is not None:
        files = {path.relative_to(here.parent).as_posix(): path for path in here.parent.rglob("*") if path.is_file()}
    digest = str(about.get("data_digest"))
    if files is None:
        raise DataError(
            f"the data it was made from (digest {digest[:12]}) is neither in this workspace nor in DVC's cache. Fetch it and ask again: "
            "dvc fetch --all-commits"
        )
    half = place / "data" / ".raw.half"
    shutil.rmtree(half, ignore_errors=True)
    for name, path in files.items():
        (half / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, half / name)
        except OSError:  # another disk
            shutil.copy2(path, half / name)
    if (half / MANIFEST).exists():
        from components.data.manifest import read_manifest, snapshot_digest

        if (found := snapshot_digest(read_manifest(half / MANIFEST))) != digest:
            raise DataError(
                f"the rows of data/raw have the digest {found[:12]}, but the package names {digest[:12]}. DVC's cache is damaged: dvc fetch, and ask again."
            )
    half.rename(place / RAW)


def _run(place: Path, about: Mapping[str, Any], package: Path, lineage: Lineage) -> Iterator[Held]:
    """Run every stage but that which made data/raw, and yield how its output compares."""
    recipe = str(about["recipe"])
    with contextlib.chdir(place), Workspace.here(recipe, place) as workspace:  # DVC names paths from there
        for its, stage in workspace.work():
            outs = outputs_of(place, stage, its.recipe)
            if outs == [RAW]:
                continue
            its.repro(stage)
            if its.recipe == recipe:
                name = address(stage, recipe if stages_of(place)[stage] else None)
                yield _held(place, name, outs, about, package, lineage)


def _held(
    place: Path, name: str, outs: Sequence[str], about: Mapping[str, Any], package: Path, lineage: Lineage
) -> Held:
    differ: dict[str, str] = {}
    files, unknown = 0, False
    for out in outs:
        if out == f"runs/{about['recipe']}/{PACKAGE}":
            hashes = about["files"]
            its = alike(place / out, hashes, {path: package / path for path in hashes}, "sha256")
        else:
            md5 = md5_of(about, out)
            listed = None if md5 is None else lineage.listed(md5)
            if md5 is None or listed is None:
                unknown = True
                continue
            its = alike(place / out, listed, lineage.files(md5) or {})
        files += its.files
        unknown |= bool(its.unknown)
        differ |= {f"{out}/{path}": how for path, how in its.differ.items()}
    return Held(
        stage=name, equal=False if differ else None if unknown or not files else True, files=files, differ=differ
    )


def _judged(
    label: str, commit: str, about: Mapping[str, Any], stages: tuple[Held, ...], place: Path | None
) -> Reproduced:
    first = next((one for one in stages if one.equal is False), None)
    equal = first is None and stages[-1].equal is True
    otherwise, data = (*_otherwise(about), *_warnings(about)), str(about.get("data_digest"))
    return Reproduced(
        version=label, commit=commit, data=data, equal=equal, first=first.stage if first else None, stages=stages, otherwise=otherwise,
        sentence=_sentence(label, commit, data, first, stages, otherwise), place=str(place) if place else None,
    )  # fmt: skip


def _sentence(
    label: str, commit: str, data: str, first: Held | None, stages: Sequence[Held], otherwise: Sequence[str]
) -> str:
    of = f"from commit {commit[:12]} and data {data[:12]}"
    if first is not None:
        (name, how), *more = sorted(first.differ.items(), key=lambda one: not one[0].endswith(".safetensors"))
        also = f", and {len(more)} more" if more else ""
        because = f" Otherwise than then: {'; '.join(otherwise)}." if otherwise else ""
        return f"{label} is not reproduced {of}: {first.stage} is the first stage that differs; {name} {how}{also}.{because}"
    files = sum(one.files for one in stages)
    if stages[-1].equal is None:
        return f"of {label} it cannot be told: {files} files are equal, and nobody has kept what the others were."
    lost = [one.stage for one in stages if one.equal is None]
    but = f"; nobody has kept what {', '.join(lost)} wrote, which is not compared" if lost else ""
    return f"{label} is reproduced {of}: weights and metrics are equal to the bit, and so are all {files} files that are a result{but}."


def _otherwise(about: Mapping[str, Any]) -> Iterator[str]:
    """Yield what this machine has otherwise than the one that a package was made on."""
    then, now = about.get("environment"), environment()
    if not isinstance(then, dict):
        yield "the package does not say in which environment it was made"
        return
    for name in ("python", "processor", "threads"):
        if then.get(name) != now[name]:
            yield f"{name} {now[name]}, then {then.get(name)}"
    ours, theirs = now["packages"], then.get("packages") or {}
    moved = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    said = [f"{name} {ours.get(name, 'is not installed')}, then {theirs.get(name, 'was not')}" for name in moved[:5]]
    yield from said
    if len(moved) > 5:
        yield f"{len(moved) - 5} more packages"
