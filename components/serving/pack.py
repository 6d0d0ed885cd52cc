"""A model folder sealed: the sha256 of every file, one digest over them, and a card for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.sealed import MANIFEST, digest_of, sha256_of
from components.data.manifest import LABELS


def write_index(
    folder: Path,
    embeddings: np.ndarray,
    keys: list[str],
    texts: list[str],
    sources: list[str],
    columns: Mapping[str, Sequence[str | None]] | None = None,
) -> None:
    """Write index.npy, float32 [N D] of unit rows, and index.parquet, what each row shows.

    Args:
        columns: more that a search can be narrowed by, as `columns_of` returns it.
    """
    np.save(folder / "index.npy", np.ascontiguousarray(embeddings, np.float32), allow_pickle=False)
    more = {name: pa.array(values, pa.string()) for name, values in (columns or {}).items()}
    pq.write_table(pa.table({"key": keys, "text": texts, "source": sources, **more}), folder / "index.parquet")


def columns_of(manifest: pa.Table) -> dict[str, list[str | None]]:
    """Return what the rows of a manifest can be narrowed by, beside their source: column -> a value a row, without columns that have none."""
    labels = manifest["labels"].to_pylist()
    found: dict[str, list[str | None]] = {name: manifest[name].to_pylist() for name in ("split", "licence")}
    found |= {name: [its and its[name] for its in labels] for name in LABELS}
    return {name: values for name, values in found.items() if any(values)}


def seal(folder: Path, about: Mapping[str, Any]) -> str:
    """Write manifest.json over all files of the folder, and return the digest that names the package.

    The digest is over names and bytes of the files alone: the same model packaged twice is the same package, and
    sealing twice is sealing once.
    """
    manifest_path = folder / MANIFEST
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != manifest_path)
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    manifest = {"digest": digest_of(files), **about, "files": files}
    manifest_path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return digest_of(files)
