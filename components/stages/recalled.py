"""The general pictures that a race recalls what its start said of, or learns from again: drawn, or read, anew each time, and never those that a set is measured on."""

import random
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Pictures
from components.contracts.progress import Progress
from components.contracts.sealed import digest_of
from components.contracts.source import Source
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.rows.lazy import TakenPictures
from components.data.seen import see
from components.data.selection import Pool, read_pool
from components.recipes.views import main_views

DRAWN_BY = 7_919  # the seed of what is drawn; sets of evaluation are drawn by 0
MOST = 5_000  # general pictures, which are held in memory, decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What is recalled.

    Args:
        pool: general pictures with captions.
        weight: of what the start said of them, beside the loss; 0 for nothing.
        share: of a step's pairs, below 1, that are of them and are learnt from beside one's own (replay); 0 for none.
        views: what they go through then, as a recipe has `main` of its views; None for what one's own go through.
    """

    pool: Pool
    weight: float = 0.0
    share: float = 0.0
    views: Mapping[str, Any] | None = None


def makeable(views: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return views if they can be made of these numbers today; None for those of a version that had others."""
    try:
        return views if views is not None and main_views(views, 1) else None
    except ConfigError:
        return None


def known_by(named: str, of: Recall) -> dict[str, Any]:
    """Return by what general pictures can be known again: where they came from, how many there were, and a digest of them and of what is said of each; and what was done with them."""
    rows = {sha256: repr(texts) for sha256, texts in zip(of.pool.sha256s, of.pool.captions, strict=True)}
    views = {"views": dict(of.views)} if of.share and of.views is not None else {}
    return {
        "data": named,
        "pictures": len(of.pool),
        "digest": digest_of(rows),
        "replay": of.share,
        "recall": of.weight,
        **views,
    }


def general_pictures(source: Source, scratch: Path, progress: Progress) -> Pool:
    """Return the samples of a source as of `held`; DataError where none has a caption.

    Args:
        source: what is read.
        scratch: a folder on whose disk they may lie meanwhile; made where it is not there.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="general-") as place:
        ingest(source, Path(place), seed=DRAWN_BY, progress=progress)
        return held(read_manifest(Path(place) / "manifest.parquet"), Path(place))


def held(manifest: pa.Table, raw: Path) -> Pool:
    """Return the samples of a manifest that have a caption and can be decoded, held in memory, MOST of them, drawn, where there are more; DataError where none has."""
    said = manifest.filter(pc.greater(pc.list_value_length(manifest["texts"]), 0))
    if len(said) > MOST:
        said = said.take(sorted(random.Random(DRAWN_BY).sample(range(len(said)), MOST)))
    return without_those_of(read_pool(said, raw), [])


def without_those_of(pool: Pool, others: Sequence[Pictures], listed: Collection[str] = ()) -> Pool:
    """Return the pictures, held in memory, that no other set has, by their pixels; of those that are alike the first, and none that cannot be decoded.

    Args:
        listed: sha256 of files and of pixels that are left out, too.
    """
    out = set(listed)
    known = {see(data).pixel_sha256 for other in others for data in other.pictures}
    kept: dict[str, tuple[int, bytes, str]] = {}
    for place, data in enumerate(pool.pictures):
        its = see(data)
        if its.pixel_sha256 is not None and its.pixel_sha256 not in known and not {its.sha256, its.pixel_sha256} & out:
            kept.setdefault(its.pixel_sha256, (place, data, its.sha256))
    places = [place for place, _, _ in kept.values()]
    return Pool(
        keys=tuple(pool.keys[place] for place in places), pictures=tuple(data for _, data, _ in kept.values()),
        captions=tuple(pool.captions[place] for place in places), concepts=tuple(pool.concepts[place] for place in places),
        sources=tuple(pool.sources[place] for place in places), sha256s=tuple(sha256 for _, _, sha256 in kept.values()),
    )  # fmt: skip


def replayed(own: Pool, general: Pool, share: float, batch: int, alike: bool = False) -> tuple[Pool, list[float], int]:
    """Return both in one pool, how often each row of it is to come, and the pairs of a step, in which no two are of one thing unless these are `alike`.

    A general picture of which something is said that is said of one's own is of that thing, too, and else of what is said of it first. One's own are one of each
    thing a step at most, each thing as often as the others; what that leaves of a step is general, as far as there is.

    Args:
        own: pictures with captions, one at least.
        general: the same, one at least.
        share: of a step's pairs that are general in the mean, above 0 and below 1; more where one's own are of few things.
        batch: pairs a step, cut to the things there are; of `alike`, to the pictures.
        alike: whether a step may have several of one thing.
    """
    known = {text.casefold(): of for texts, of in zip(own.captions, own.concepts, strict=True) for text in texts}
    folded = [[text.casefold() for text in texts] for texts in general.captions]
    things = own.concepts + tuple(
        next((known[text] for text in its if text in known), f"general/{its[0]}") for its in folded
    )
    places = [(pool.pictures, place) for pool in (own, general) for place in range(len(pool))]
    both = Pool(
        keys=(*own.keys, *(f"general/{key}" for key in general.keys)), pictures=TakenPictures(places), captions=own.captions + general.captions,
        concepts=things, sources=own.sources + general.sources, sha256s=own.sha256s + general.sha256s if own.sha256s and general.sha256s else (),
    )  # fmt: skip
    mine, others = Counter(things[: len(own)]), Counter(things[len(own) :])
    rows = min((1 - share) * batch, len(own) if alike else len(mine))
    more = min(batch - rows, len(general) if alike else len(others))
    often = [rows / (len(mine) * mine[thing]) for thing in things[: len(own)]]
    often += [more / (len(others) * others[thing]) for thing in things[len(own) :]]
    return both, often, max(2, min(int(rows + more), len(both) if alike else len(set(things))))
