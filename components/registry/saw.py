"""Which model versions saw a picture: asked of the data that each was made from, as its package names it.

A package names the snapshot by digest, and by DVC's hash the selection that was trained on. Where that selection can still be had, the
answer is exact; where only the snapshot can be, it is what the model may have seen; else nobody can tell, and that is said. What began as the model
of another version learned what that one did.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.registry.forebears import AGAIN, forebears
from components.registry.links import PACKAGE
from components.registry.store import Store, store_errors
from components.registry.versions import ModelVersion

if TYPE_CHECKING:
    import pyarrow as pa

TRAIN = "train"
AS = {TRAIN: "trained on", "val": "chosen by"}  # what a selection's split means for a model
MEASURED = "measured with"
BEGAN = "began as "  # with what is said by the version that it began as: `began as clip@1: trained on`
_FETCH = "fetch it with dvc fetch --all-commits, and ask again"
_BY = ("key", "sha256", "pixel_sha256")

Find = Callable[[Mapping[str, Any], str], "pa.Table | None"]
"""Gives the manifest of a folder, such as data/raw, as a package's manifest.json names it; None where it can be had nowhere."""

Splits = Callable[[Mapping[str, Any], str], list[str] | None]
"""Gives the split of each row of such a manifest that shows one of the pictures; None where it can be had nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saw:
    """What one version has to do with some pictures.

    Args:
        how: `trained on`, `chosen by`, `measured with`, or what a version did that it began as, after BEGAN -> how many of them.
        why_not: why it cannot be told whether it learned from more; empty where it can, or it did learn from some.
    """

    version: ModelVersion
    how: Mapping[str, int] = field(default_factory=dict)
    why_not: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "version": self.version.label, "aliases": list(self.version.aliases), "how": dict(self.how),
            "cannot_tell": self.why_not or None,
        }  # fmt: skip


def who_saw(store: Store, pictures: "pa.Table", find: Find) -> Iterator[Saw]:
    """Yield the versions that saw one of the pictures, and those of which it cannot be told.

    Args:
        pictures: rows of a manifest; one is known by its key, its file or its pixels.
    """

    def splits(about: Mapping[str, Any], folder: str) -> list[str] | None:
        manifest = find(about, folder)
        return None if manifest is None else _splits(manifest, pictures)

    with store_errors(store.uri):
        found = sorted(store.client.search_model_versions(), key=lambda one: (one.name, int(one.version)))
        versions = [ModelVersion.of(one) for one in found]
        abouts = {version.label: about_of(store, version) for version in versions}
    readable = {label: about for label, about in abouts.items() if about is not None}
    for version in versions:
        saw = saw_of(version, abouts[version.label], splits, readable)
        if saw.how or saw.why_not:
            yield saw


def saw_of(
    version: ModelVersion, about: Mapping[str, Any] | None, splits: Splits, others: Mapping[str, Mapping[str, Any]] = {}
) -> Saw:
    """Return what a version has to do with pictures, by itself and by the versions that it began as.

    Args:
        about: manifest.json of its package; None where that is gone.
        others: label -> the same of the versions there are.
    """
    if about is None:
        return Saw(version=version, why_not="its package cannot be read")
    own = _saw(version, about, splits)
    before = {f"{BEGAN}{label}": _saw(version, others[label], splits) for label in forebears(about, others)}
    how = dict(own.how)
    for label, saw in before.items():
        how |= {f"{label}: {what}": count for what, count in saw.how.items() if what != MEASURED}
    unknown = [own.why_not, *(f"it {label}, and {saw.why_not}" for label, saw in before.items() if saw.why_not)]
    return replace(own, how=how, why_not="" if learned(how) else next(filter(None, unknown), ""))


def learned(how: Mapping[str, int]) -> bool:
    """Return whether a version learned from some of the pictures, or may have: it was not measured with them alone."""
    return any(what != MEASURED for what in how)


def tuned_by(about: Mapping[str, Any]) -> str:
    """Return the folder in which a version's run left the rows of what it learnt from again."""
    return f"runs/{about.get('recipe')}/finetune"


def _saw(version: ModelVersion, about: Mapping[str, Any], splits: Splits) -> Saw:
    """Return what a version has to do with pictures by its own data."""
    selection, snapshot = splits(about, f"data/curated/{about.get('recipe')}"), splits(about, "data/raw")
    again = splits(about, tuned_by(about)) if about.get(AGAIN) else []
    how: Counter[str] = Counter()
    if selection is not None:
        how.update(AS[split] for split in selection if split in AS)
    how.update(AS[TRAIN] for _ in again or ())
    if snapshot is not None:
        how.update(MEASURED for split in snapshot if split not in AS)
        if selection is None:
            how.update(f"may have {AS[split]}" for split in snapshot if split in AS)
    if again is None and not learned(how):
        lost = f"what it learnt again of its start's is not in DVC's cache; {_FETCH}"
        return Saw(version=version, how=dict(how), why_not=lost)
    if snapshot is None and not how:
        digest = str(about.get("data_digest"))[:12]
        lost = f"the data it was made from (digest {digest}) is neither in this workspace nor in DVC's cache"
        return Saw(version=version, why_not=f"{lost}; {_FETCH}")
    return Saw(version=version, how=dict(how))


def _splits(manifest: "pa.Table", pictures: "pa.Table") -> list[str]:
    """Return the split of each row that shows one of the pictures."""
    import pyarrow.compute as pc  # whoever has an index need not wait for it

    mask = None
    for name in _BY:
        known = pictures[name].drop_null().combine_chunks()
        found = pc.and_(pc.is_valid(manifest[name]), pc.is_in(manifest[name], value_set=known))
        mask = found if mask is None else pc.or_(mask, found)
    splits: list[str] = manifest.filter(mask)["split"].to_pylist()
    return splits


def about_of(store: Store, version: ModelVersion) -> Mapping[str, Any] | None:
    """Return manifest.json of a version's package; None where the store no longer has it."""
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = store.client.download_artifacts(version.run_id, f"{PACKAGE}/manifest.json", folder)
            said = json.loads(Path(path).read_text(encoding="utf-8"))
        except (MlflowException, OSError, ValueError):
            return None
    return said if isinstance(said, dict) else None
