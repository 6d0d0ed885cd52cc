"""What the start of a version was trained on, and what that began as before: by the selections of versions in DVC's cache, or what was laid into `data/learnt`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.registry.forebears import forebears, parents, start_of
from components.registry.saw import TRAIN
from flows.lineage.entries import Lineage
from flows.lineage.known import versions
from flows.start_learnt import laid_in

if TYPE_CHECKING:
    import pyarrow as pa


def trained_before(about: Mapping[str, Any], root: Path) -> "tuple[dict[str, pa.ChunkedArray], list[str]]":
    """Return what a version began as -> the fingerprints of the pictures that it was trained on, and the starts of which nobody here knows.

    A start is known by the digest of its model.

    Args:
        about: manifest.json of the version's package.
    """
    if start_of(about) is None:
        return {}, []
    abouts = {its.label: its.about for its in versions(root) if its.about is not None}
    found: dict[str, pa.ChunkedArray] = {}
    unknown: dict[str, None] = {}
    with Lineage(root) as lineage:
        for one in (about, *(abouts[label] for label in forebears(about, abouts))):
            if start_of(one) is None:
                continue
            labels = [*parents(one, abouts)]
            selected = {label: its for label in labels if (its := _selected(abouts[label], lineage)) is not None}
            known = selected or _laid(one, root)
            found |= known
            unknown |= {} if known else dict.fromkeys(labels or [str(one["start"].get("path"))])
    return found, [*unknown]


def _selected(about: Mapping[str, Any], lineage: Lineage) -> "pa.ChunkedArray | None":
    """Return the fingerprints of what a version's own run was trained on; None where its selection can be had nowhere."""
    from components.data.fingerprint import fingerprints
    from components.data.selection import of_split

    selection = lineage.manifest(about, f"data/curated/{about.get('recipe')}")
    return None if selection is None else fingerprints(of_split(selection, TRAIN))


def _laid(about: Mapping[str, Any], root: Path) -> "dict[str, pa.ChunkedArray]":
    """Return those of what was laid in for the start of a version, under the name of both; nothing where that was not."""
    from components.data.fingerprint import fingerprints

    return {
        f"{about['start'].get('path')} (by the {len(rows):,} pictures of {folder.relative_to(root)})": fingerprints(
            rows
        )
        for folder, rows in laid_in(root)
        if rows is not None and str(start_of(about)).startswith(folder.name)
    }
