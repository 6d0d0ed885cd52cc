"""The general pictures that a race recalls what its start said of, or learns from again: drawn, or read, anew each time, and never those that a set is measured on."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Pictures
from components.contracts.progress import Progress
from components.contracts.source import Source
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.selection import Pool, read_pool

DRAWN_BY = 7_919  # the seed of what is drawn; sets of evaluation are drawn by 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What is recalled.

    Args:
        pool: general pictures with captions.
        weight: of what the start said of them, beside the loss; 0 for nothing.
        share: of a step's pairs, below 1, that are of them and are learnt from as one's own are (replay); 0 for none.
    """

    pool: Pool
    weight: float = 0.0
    share: float = 0.0


def general_pictures(source: Source, scratch: Path, progress: Progress) -> Pool:
    """Return all samples of a source that have a caption, held in memory; DataError where none has.

    Args:
        source: what is read.
        scratch: a folder on whose disk they may lie meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="general-") as place:
        ingest(source, Path(place), seed=DRAWN_BY, progress=progress)
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


def replayed(own: Pool, general: Pool, share: float, batch: int) -> tuple[Pool, list[float], int]:
    """Return both in one pool, how often each row of it is to come, and the pairs of a step, in which no two are of one concept.

    A general picture of which something is said that is said of one's own, too, counts as of that concept. One's own are at most one of each concept a
    step, as everywhere; what that leaves of a step is general.

    Args:
        own, general: pictures with captions, one at least.
        share: of a step's pairs that are general, above 0 and below 1.
        batch: pairs a step, cut to the concepts there are.

    Raises ConfigError where there is no general picture.
    """
    if not len(general):
        raise ConfigError(
            "there is no general picture to learn from again: each is in a set that is measured on. Name others: --recalled."
        )
    known = {text.casefold(): of for texts, of in zip(own.captions, own.concepts, strict=True) for text in texts}
    concepts = own.concepts + tuple(
        next((known[text.casefold()] for text in texts if text.casefold() in known), of)
        for texts, of in zip(general.captions, general.concepts, strict=True)
    )
    both = Pool(
        keys=(*own.keys, *(f"general/{key}" for key in general.keys)), pictures=(*own.pictures, *general.pictures), captions=own.captions + general.captions,
        concepts=concepts, sources=own.sources + general.sources,
    )  # fmt: skip
    batch = min(batch, len(set(concepts)))
    rows = min((1 - share) * batch, len(set(own.concepts)))
    often = [rows / len(own)] * len(own) + [(batch - rows) / len(general)] * len(general)
    return both, often, batch
