"""The evaluation sets that a recipe lists, read: their pictures, what they are known by, and what is asked of them."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.asked_set import AskedSet
from components.contracts.errors import DataError
from components.contracts.evaluator import Downstream, Evaluator
from components.contracts.progress import Progress
from components.contracts.sealed import digest_of, sha256_of
from components.data.beside import read_kind
from components.data.evaluation_set import SHOWN, read_set, read_to_fit
from components.data.halves import Half, half_of
from components.data.ingest import ingest
from components.data.judged import JUDGED, read_judged
from components.data.manifest import read_manifest, snapshot_digest
from components.data.quarantine import read_quarantine
from components.data.regions import REGIONS, regions_of
from components.data.selection import Pool, languages_of, read_pool
from components.data.sources.catalogue import build_source
from components.data.sources.files import is_hidden
from components.evaluation.judged import JudgedPairs
from components.evaluation.on_set import usual
from components.evaluation.retrieval import Retrieval
from components.recipes.section import build
from components.stages.place import private
from components.stages.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSet:
    """A set that can be measured.

    Args:
        pool: its pictures.
        digest: of all that was read.
        evaluators: what is asked of it.
        without: what of it could not be read, in words; "" where all was.
        to_fit: its split to fit on, where an evaluator fits something and it has one.
        fitted_digest: of all that was read of that; "" of none.
        whole: the pictures of both halves, where one is measured on; else the same as `pool`.
        whole_digest: of all that was read of these.
    """

    pool: Pool
    digest: str
    evaluators: tuple[Evaluator, ...]
    without: str
    whole: Pool
    whole_digest: str
    to_fit: Pool | None = None
    fitted_digest: str = ""


@contextmanager
def read_sets(
    stage: Stage, asked: Mapping[str, AskedSet], ks: Sequence[int], held: Mapping[str, pa.Table] | None = None
) -> Iterator[dict[str, ReadSet]]:
    """Yield name -> set, whose pictures can be read for as long as the block lasts.

    Args:
        ks: of recall at k.
        held: manifests of the data's own pools, whose pictures thumbs are given to; None where nothing of them may be looked at.

    DataError, with the set's name, for one that cannot be read.
    """
    with tempfile.TemporaryDirectory(dir=private(stage.root, "tmp"), prefix="sets-") as scratch:
        read = {}
        for name, one in asked.items():
            try:
                if one.source:
                    found = of_source(one, stage.root, Path(scratch) / name, ks, stage.progress)
                elif one.path is not None and (stage.root / one.path / JUDGED).is_file():
                    found = _of_thumbs(stage.root / one.path / JUDGED, stage.root / "data/raw", ks, held)
                else:
                    found = _of_folder(one, stage.root, ks)
                read[name] = halved(found, one.half)
            except DataError as err:
                raise DataError(f"the evaluation set {name}: {err}") from err
        yield read


def halved(read: ReadSet, half: Half) -> ReadSet:
    """Return the half of a set that is asked for; DataError where it shows a single thing, or people judged it."""
    if half == "whole":
        return read
    if any(isinstance(asks, JudgedPairs) for asks in read.evaluators):
        raise DataError("thumbs are of all held-out pictures, and have no halves. Take `half` out.")
    return replace(
        read, pool=half_of(read.whole, half), digest=digest_of({"of": read.whole_digest, "half": half}),
    )  # fmt: skip


def _of_folder(one: AskedSet, root: Path, ks: Sequence[int]) -> ReadSet:
    """Return a set in CLIP_benchmark's layout."""
    if one.path is None:
        raise DataError("it has neither a path nor a source, so there is nothing to measure. Say one of them.")
    found = read_set(root / one.path, one.split, one.namesakes)
    evaluators = _asked(one) or (usual(found, ks),)
    beside = None
    if any(asks.fits for asks in evaluators):
        beside = read_to_fit(root / one.path, found, one.namesakes)
    return ReadSet(
        pool=found.pool, digest=found.digest, evaluators=evaluators, without=_left_out(found.left_out, "left out"), whole=found.pool, whole_digest=found.digest,
        to_fit=beside.pool if beside else None, fitted_digest=beside.digest if beside else "",
    )  # fmt: skip


def _of_thumbs(path: Path, raw: Path, ks: Sequence[int], held: Mapping[str, pa.Table] | None) -> ReadSet:
    """Return what people judged, as a set of all held-out pictures, among which those that they judged are looked for."""
    if held is None:
        raise DataError(
            f"{path.parent} has thumbs, which are given to pictures of this data, and this stage may not look at them. Take it out of these sets."
        )
    if not any(map(len, held.values())):
        raise DataError(
            "this data has no held-out pictures, so no thumb can be of one. Take the set out, or hold some out."
        )
    judged = read_judged(path)
    whole = pa.concat_tables(list(held.values()))
    manifest = whole.take(pa.array(list({key: at for at, key in enumerate(whole["key"].to_pylist())}.values())))
    keys = set(manifest["key"].to_pylist())
    elsewhere = sum(one.key not in keys for one in judged)
    pool, digest = read_pool(manifest, raw), digest_of({"rows": snapshot_digest(manifest), "judged": sha256_of(path)})
    return ReadSet(
        pool=pool, digest=digest, whole=pool, whole_digest=digest,
        evaluators=(JudgedPairs(judged, ks),), without=_left_out({"thumbs for pictures that are not held out": elsewhere} if elsewhere else {}, "left out"),
    )  # fmt: skip


def of_source(one: AskedSet, root: Path, folder: Path, ks: Sequence[int], progress: Progress) -> ReadSet:
    """Return all samples of a source, brought in as data is; what cannot be read is counted by its reason.

    Args:
        root: what the source's path begins at.
        folder: a new one, for the pictures; they are read from there when they are asked for.
        ks: of recall at k.
        progress: is told.
    """
    folder.mkdir()
    came_in = ingest(
        build_source({**(one.source or {}), **({"path": str(root / one.path)} if one.path else {})}),
        folder,
        seed=0,
        progress=progress,
    )
    whole = read_manifest(folder / "manifest.parquet")
    manifest = whole.filter(pc.greater(pc.list_value_length(whole["texts"]), 0))
    if not len(manifest):
        raise DataError(
            f"none of the {len(whole):,} pictures in {one.path or (one.source or {})['name']} has a caption, so none can be asked for. Write one beside each."
        )
    evaluators = _asked(one) or (Retrieval(ks),)
    aside = read_quarantine(folder / "quarantine.parquet")
    if absent := _without_picture(
        whole, manifest, aside, root / one.path if one.path else None, _labels_of(evaluators)
    ):
        raise DataError(
            f"{len(absent):,} of its classes have no picture that can be measured: {', '.join(absent[:SHOWN])}. All of theirs were set aside or have no caption, and "
            "without them the others would be easier to tell. Mend these pictures, or take the classes out."
        )
    left_out = dict(came_in["rejected"]) | (
        {"no_caption": len(whole) - len(manifest)} if len(manifest) < len(whole) else {}
    )
    pool = replace(read_pool(manifest, folder), languages=languages_of(manifest))
    regions = read_kind(folder, REGIONS)
    if regions is not None:
        pool = replace(pool, regions=regions_of(regions, pool.keys))
    digest = pool_digest(manifest, folder)
    return ReadSet(
        pool=pool, digest=digest, evaluators=evaluators, without=_left_out(left_out, "records set aside"), whole=pool, whole_digest=digest,
    )  # fmt: skip


def _without_picture(
    whole: pa.Table, kept: pa.Table, aside: Sequence[Mapping[str, str]], folder: Path | None, labels: Set[str]
) -> list[str]:
    """Return the groups, of these labels, of which there are no pictures that are kept.

    Args:
        whole: all samples that came in.
        kept: those that are measured.
        aside: rows of quarantine.
        folder: that they lie in, where its folders may be groups; an empty one, and one all of whose pictures were set aside, is a group without a picture.
        labels: that somebody asks for.
    """
    came, stayed = _groups(whole, labels), _groups(kept, labels)
    inside = folder.iterdir() if folder is not None and folder.is_dir() else ()
    below = [one for one in inside if one.is_dir() and not is_hidden(one.name)]
    if stayed and stayed <= {one.name for one in below}:  # so folders say what pictures are
        spoilt = {one["key"].partition("/")[0] for one in aside}
        came |= {one.name for one in below if one.name in spoilt or not any(one.iterdir())}
    return sorted(came - stayed)


def _labels_of(asks: Sequence[object]) -> set[str]:
    """Return the labels by which evaluators tell pictures apart, also those of what they ask or fit in turn."""
    found: set[str] = set()
    for one in asks:
        inside = vars(one)
        found |= {inside[name] for name in ("label", "of") if isinstance(inside.get(name), str)}
        found |= _labels_of([each for each in inside.values() if isinstance(each, Evaluator | Downstream)])
    return found


def _groups(manifest: pa.Table, labels: Set[str]) -> set[str]:
    """Return all groups of these labels; what a sample shows is none."""
    return {
        group
        for its in manifest["labels"].to_pylist()
        for name, group in its.items()
        if group and name in labels and name != "concept"
    }


def pool_digest(manifest: pa.Table, raw: Path) -> str:
    """Return the digest of the rows of a pool and, where the data has regions, of these."""
    rows, regions = snapshot_digest(manifest), raw / REGIONS.file
    return digest_of({"rows": rows, "regions": sha256_of(regions)}) if regions.exists() else rows


def _left_out(counts: Mapping[str, int], how: str) -> str:
    """Return what of a set is not measured, in words; "" where all is."""
    return f"{how}: {', '.join(f'{count:,} ({what})' for what, count in counts.items())}" if counts else ""


def _asked(one: AskedSet) -> tuple[Evaluator, ...]:
    return tuple(build(described, Evaluator) for described in one.evaluators)
