"""Model versions with what their packages say of them, read from MLflow once, and again whenever somebody wrote to it.

What is kept in .diptych is a copy that is thrown away as soon as the store's fingerprint is another: opening MLflow takes seconds.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.registry.forebears import MADE, models_of
from components.registry.store import fingerprint, store_uri
from components.stages.place import private

TAKEDOWN = (
    "diptych.takedown"  # tag of a version: what was taken down of what it learned from, flows/lineage/takedown.py
)
_LEFT_OUT = ("files", "onnx_furthest", "onnx_tolerance")  # of manifest.json
_LAYOUT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A version.

    Args:
        name, version, digest, run_id, aliases: as of `ModelVersion`.
        tags: those of MLflow.
        about: manifest.json of its package, in place of its files with the models that its run left (`MADE`); None where the store has lost it.
    """

    name: str
    version: str
    digest: str
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    about: Mapping[str, Any] | None

    @property
    def label(self) -> str:
        """How a person calls it, `clip@3`."""
        return f"{self.name}@{self.version}"

    def said(self, name: str) -> str | None:
        """Return what its package says by a name, such as `git_commit`; None where it says nothing."""
        value = (self.about or {}).get(name)
        return None if value is None else str(value)


def versions(root: Path) -> tuple[Known, ...]:
    """Return all versions of the registry, by name and number; none where there is no registry yet."""
    uri = store_uri(root)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return ()
    path, before = private(root, "lineage") / "versions.json", fingerprint(root)
    last: tuple[Known, ...] = ()
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["layout"] == _LAYOUT:
            last = tuple(Known(**{**one, "aliases": tuple(one["aliases"])}) for one in kept["versions"])
            if before is not None and kept["store"] == before:
                return last
    found = _read(root, {(its.run_id, its.digest): its.about for its in last if its.about is not None})
    now = before if fingerprint(root) == before else None  # somebody wrote meanwhile, so the next look reads again
    said = {"layout": _LAYOUT, "store": now, "versions": [asdict(one) for one in found]}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(said), encoding="utf-8")
    partial.replace(path)
    return found


def _read(root: Path, abouts: Mapping[tuple[str, str], Mapping[str, Any]]) -> tuple[Known, ...]:
    """Return all versions; what a package says of itself never changes, and `abouts` has what is known of it."""
    from components.registry.saw import about_of
    from components.registry.store import open_store, store_errors
    from components.registry.versions import ModelVersion

    store = open_store(root)
    with store_errors(store.uri):
        models = store.client.search_registered_models(max_results=1000)  # its usual 100 are few
        found = sorted(store.client.search_model_versions(), key=lambda one: (one.name, int(one.version)))
    aliases: dict[tuple[str, str], list[str]] = {}
    for model in models:
        for alias, number in model.aliases.items():
            aliases.setdefault((model.name, str(number)), []).append(alias)
    known = []
    for one in found:
        version = ModelVersion.of(one)
        about = abouts.get((version.run_id, version.digest)) or about_of(store, version)
        known.append(
            Known(
                name=version.name, version=version.version, digest=version.digest, run_id=version.run_id,
                aliases=tuple(sorted(aliases.get((version.name, version.version), ()))), tags=dict(one.tags),
                about=None if about is None else _kept(about),
            )
        )  # fmt: skip
    return tuple(known)


def _kept(about: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in about.items() if name not in _LEFT_OUT} | {MADE: models_of(about)}
    if isinstance(kept.get("environment"), dict):
        kept["environment"] = {name: value for name, value in kept["environment"].items() if name != "packages"}
    return kept


def taken_down(tags: Mapping[str, str]) -> str | None:
    """Return what was taken down of what a version saw, as a sentence; None where nothing was."""
    return "; ".join(str(mark["sentence"]) for mark in marks_of(tags)) or None


def lessons(tags: Mapping[str, str]) -> str | None:
    """Return the same of what it learned from, or may have."""
    return "; ".join(str(mark["sentence"]) for mark in marks_of(tags) if mark.get("learned", True)) or None


def marks_of(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the marks of takedowns; what a person wrote there by hand is one too."""
    said = tags.get(TAKEDOWN)
    if said is None:
        return []
    with suppress(ValueError):
        marks = json.loads(said)
        if isinstance(marks, list) and all(isinstance(mark, dict) and "sentence" in mark for mark in marks):
            return marks
    return [{"sentence": said}]
