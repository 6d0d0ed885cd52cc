"""An index of one's own as it is searched: its file of vectors laid out once, beside it, for memory maps and full text.

Axes: N pictures that could be decoded, D embedding width.
"""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError, StaleArtifact
from components.serving.indexes import REMEDY, index_file, space_of
from components.serving.search.catalogue import write_catalogue
from components.serving.search.entry import UNKNOWN, Entry
from components.serving.search.searcher import FILE, Searcher
from components.serving.search.vectors import Vectors

ROWS = "index.npy"
AT_ONCE = 8_192  # rows that are read together
Stamp = tuple[int, int]


def stamp_of(root: Path, name: str, space: str) -> Stamp | None:
    """Return what tells one file of vectors from the next in its place; None where an index has none of that space."""
    try:
        about = index_file(root, name, space).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return about.st_size, about.st_mtime_ns


def open_own(root: Path, name: str, space: str) -> Searcher:
    """Return the searcher of an index, of the vectors of one space.

    Raises StaleArtifact where the file says that they are of another, FileNotFoundError where there is none.
    """
    path = index_file(root, name, space)
    said = space_of(path)
    if said != space:
        raise StaleArtifact(
            f"The vectors of the index {name} that should be of space {space[:12]} are of {said[:12]}, and vectors of two spaces are never "
            f"compared. {REMEDY} {name}"
        )
    folder = lay_out(path, path)
    return Searcher(folder / ROWS, folder / FILE)


def size_of(root: Path, name: str, space: str) -> tuple[int, int] | None:
    """Return N and D of an index, without opening it; None where it has no vectors of that space, or is not laid out yet."""
    path = index_file(root, name, space)
    try:
        pictures, width = np.load(_folder(path, path) / ROWS, mmap_mode="r").shape
    except (FileNotFoundError, ValueError):
        return None
    return int(pictures), int(width)


def lay_out(vectors: Path, path: Path) -> Path:
    """Return the folder that is searched, made of a file of vectors unless it is there.

    Args:
        vectors: the file, as `embed_all` writes it.
        path: where it is, or will be renamed to.

    Raises DataError where no picture could be decoded, StaleArtifact where a vector has numbers that are none.
    """
    folder = _folder(vectors, path)
    if folder.exists():
        return folder
    partial = folder.with_name(f"{folder.name}.{os.getpid()}-{threading.get_ident()}")
    partial.mkdir(mode=0o700)
    try:
        _write_rows(vectors, partial / ROWS)
        write_catalogue(partial / FILE, _entries(vectors))
        Vectors(partial / ROWS, partial)  # writes its codes, where it needs some
        try:
            partial.rename(folder)
        except OSError:
            if not folder.exists():
                raise  # else another worker was faster
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def clear_old(path: Path) -> None:
    """Remove what was laid out of files that are in the place of `path` no more; whoever has them open can go on."""
    now = _folder(path, path)
    for folder in path.parent.glob(f"{path.stem}.*"):
        if folder != now and re.search(r"\.[0-9a-f]+-[0-9a-f]+$", folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _folder(vectors: Path, path: Path) -> Path:
    about = vectors.stat()  # which a rename keeps
    return path.with_name(f"{path.stem}.{about.st_size:x}-{about.st_mtime_ns:x}")


def _write_rows(vectors: Path, path: Path) -> None:
    with pq.ParquetFile(vectors) as file:
        rows = sum(batch["fault"].null_count for batch in file.iter_batches(columns=["fault"]))
        if not rows:
            raise DataError("none of the pictures could be decoded, so there is nothing to search among.")
        width = file.schema_arrow.field("image_embeds").type.list_size
        whole = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, width))
        at = 0
        for batch in file.iter_batches(AT_ONCE, columns=["image_embeds", "fault"]):
            some = _decoded(batch)["image_embeds"].flatten().to_numpy().reshape(-1, width)
            if not np.isfinite(some).all():
                raise StaleArtifact("the model gives vectors that are no numbers, so nothing can be searched by them.")
            whole[at : at + len(some)] = some
            at += len(some)
        whole.flush()


def _entries(vectors: Path) -> Iterator[Entry]:
    with pq.ParquetFile(vectors) as file:
        for batch in file.iter_batches(AT_ONCE, columns=["key", "name", "text", "fault"]):
            for row in _decoded(batch).to_pylist():
                text = row["text"] or ""
                yield Entry(
                    key=row["key"], name=row["name"], text=text, said=((UNKNOWN, text),) if text else (),
                )  # fmt: skip


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.filter(batch["fault"].is_null())
