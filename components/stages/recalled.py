"""The general pictures that a race recalls what its start said of: drawn, or read, anew each time, and never those that a set is measured on."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from components.contracts.evaluator import Pictures
from components.contracts.progress import Progress
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.selection import Pool, read_pool
from components.data.sources.catalogue import build_source

DRAWN_BY = 7_919  # the seed of what is drawn; sets of evaluation are drawn by 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What is recalled.

    Args:
        pool: general pictures with captions.
        weight: of what the start said of them, beside the loss, above 0.
    """

    pool: Pool
    weight: float


def general_pictures(source: Mapping[str, Any], scratch: Path, progress: Progress) -> Pool:
    """Return all samples of a source that have a caption, held in memory; DataError where none has.

    Args:
        source: as params.yaml has one.
        scratch: a folder on whose disk they may lie meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="general-") as place:
        ingest(build_source(dict(source)), Path(place), seed=DRAWN_BY, progress=progress)
        whole = read_manifest(Path(place) / "manifest.parquet")
        manifest = whole.filter(pc.greater(pc.list_value_length(whole["texts"]), 0))
        return without_those_of(read_pool(manifest, Path(place)), [])


def without_those_of(pool: Pool, others: Sequence[Pictures]) -> Pool:
    """Return the pictures, held in memory, that no other set has, by their bytes; of those that are alike the first."""
    known = {hashlib.sha256(data).hexdigest() for other in others for data in other.pictures}
    kept: dict[str, tuple[int, bytes]] = {}
    for place, data in enumerate(pool.pictures):
        if (sha := hashlib.sha256(data).hexdigest()) not in known:
            kept.setdefault(sha, (place, data))
    places = [place for place, _ in kept.values()]
    return Pool(
        keys=tuple(pool.keys[place] for place in places), pictures=tuple(data for _, data in kept.values()),
        captions=tuple(pool.captions[place] for place in places), concepts=tuple(pool.concepts[place] for place in places),
        sources=tuple(pool.sources[place] for place in places), sha256s=tuple(kept),
    )  # fmt: skip
