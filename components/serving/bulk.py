"""All samples of a source to one Parquet file of vectors, with every core, going on where it was stopped.

What is done lies in parts beside the file that is to be. A part counts again only where it has the very samples that the source gives
now, by key and by the sha256 of their bytes, and was made by the same model.
Axes: N samples, D embedding width.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.progress import Progress, silent
from components.data.pieces import AT_ONCE, Threads
from components.serving.embedder import PackageEmbedder
from components.serving.indexes import MODEL, SPACE
from components.serving.package import Package

PART = 2_048  # samples of a file of what is done: what a stop may lose
MOST_BYTES = 256 * 2**20  # of encoded pictures in such a file, since they wait in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One sample to embed.

    Args:
        key: unique over the source.
        name: as its owner knows it, such as a path below a folder.
        picture: encoded bytes.
        text: what is said first of it; None where nothing is.
    """

    key: str
    name: str
    picture: bytes
    text: str | None

    @property
    def sha256(self) -> str:
        """Return the sha256 of the encoded picture."""
        return hashlib.sha256(self.picture).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What came of it.

    Args:
        rows: of the file.
        broken: pictures that could not be decoded, whose rows say why.
        before: rows that were there from a run of before.
    """

    rows: int
    broken: int
    before: int


def embed_all(
    samples: Iterable[Given],
    package: Package,
    name: str,
    out: Path,
    threads: int,
    total: int = 0,
    progress: Progress = silent,
    nice: int = 0,
) -> Embedded:
    """Write a row a sample: `key`, `name`, `sha256`, `text`, `image_embeds` and `text_embeds` float32 [D] of unit length, `fault`.

    A picture that cannot be decoded has NaN for `image_embeds` and says why in `fault`; a sample without words has NaN for `text_embeds`.
    `out` appears when it is whole.

    Args:
        samples: in an order that is the same each time.
        package: verified.
        name: of the model, for the file's metadata.
        out: a file that is not there yet; DataError where it is.
        threads: that work at once, each on its own samples.
        total: how many samples there are, where it is known.
        progress: is told.
        nice: by how much the threads give way to others on this machine, 0 to 19; what else this process does is not slowed.
    """
    if out.exists():
        raise DataError(f"{out} is there already. Give another name, or remove it to make it again.")
    embedder = PackageEmbedder(package, name, threads=1)
    schema = _schema(embedder.width, package, name)
    work = partial(_embedded, embedder, schema)
    parts = out.with_name(f"{out.name}.parts")
    parts.mkdir(parents=True, exist_ok=True)
    rows = broken = before = 0
    with Threads(threads, nice) as pool:
        for number, part in enumerate(_parts(samples)):
            path = parts / f"{number:06d}.parquet"
            kept = _kept(path, part, schema)
            if kept is not None:
                before += len(part)
            else:
                tables: list[pa.Table] = []
                for table in pool.each(work, (part[at : at + AT_ONCE] for at in range(0, len(part), AT_ONCE))):
                    tables.append(table)
                    done = rows + sum(len(table) for table in tables)
                    progress("embed", done, max(total, rows + len(part)))
                kept = pa.concat_tables(tables)
                _write(kept, path)
            rows += len(part)
            broken += len(part) - kept["fault"].null_count
            progress("embed", rows, max(total, rows))
    if not rows:
        shutil.rmtree(parts)
        raise DataError("there is no sample to embed. Look at what the source gives: diptych data check")
    _join(parts, number + 1, schema, out)
    shutil.rmtree(parts)
    return Embedded(rows=rows, broken=broken, before=before)


def _parts(samples: Iterable[Given]) -> Iterator[list[Given]]:
    part: list[Given] = []
    size = 0
    for sample in samples:
        part.append(sample)
        size += len(sample.picture)
        if len(part) == PART or size >= MOST_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _embedded(embedder: PackageEmbedder, schema: pa.Schema, samples: Sequence[Given]) -> pa.Table:
    images, faults = embedder.seen([sample.picture for sample in samples])
    said = np.full((len(samples), embedder.width), np.nan, np.float32)
    said[[bool(sample.text) for sample in samples]] = embedder.texts([sample.text for sample in samples if sample.text])
    return pa.table(
        [
            pa.array([sample.key for sample in samples], pa.string()),
            pa.array([sample.name for sample in samples], pa.string()),
            pa.array([sample.sha256 for sample in samples], pa.string()),
            pa.array([sample.text for sample in samples], pa.string()),
            _vectors(images, schema.field("image_embeds").type),
            _vectors(said, schema.field("text_embeds").type),
            pa.array(faults, pa.string()),
        ],
        schema=schema,
    )


def _vectors(rows: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Return a vector a row, NaN where there is none: Parquet's readers stumble over lists that are null."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), type=kind)


def _schema(width: int, package: Package, name: str) -> pa.Schema:
    vector = pa.list_(pa.float32(), width)
    columns = {
        "key": pa.string(),
        "name": pa.string(),
        "sha256": pa.string(),
        "text": pa.string(),
        "image_embeds": vector,
        "text_embeds": vector,
    }
    return pa.schema({**columns, "fault": pa.string()}, {SPACE: package.space.encode(), MODEL: name.encode()})


def _kept(path: Path, part: Sequence[Given], schema: pa.Schema) -> pa.Table | None:
    """Return a part of before, None where it is not there, not whole, or of other samples or another model."""
    try:
        table = pq.read_table(path)
    except (FileNotFoundError, pa.ArrowException, OSError):
        return None
    its, ours = table.schema.metadata or {}, schema.metadata
    same = table.schema.equals(schema) and all(its.get(name) == ours[name] for name in ours)
    same = same and table["key"].to_pylist() == [one.key for one in part]
    same = same and table["text"].to_pylist() == [one.text for one in part]
    return table if same and table["sha256"].to_pylist() == [one.sha256 for one in part] else None


def _write(table: pa.Table, path: Path) -> None:
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial)
    partial.replace(path)


def _join(parts: Path, count: int, schema: pa.Schema, out: Path) -> None:
    partial = parts / "whole.partial"
    with pq.ParquetWriter(partial, schema) as writer:
        for number in range(count):
            writer.write_table(pq.read_table(parts / f"{number:06d}.parquet"))
    partial.replace(out)
