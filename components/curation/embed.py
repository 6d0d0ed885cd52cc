"""Embeddings of pictures in shards, and of texts, as features with half precision, keyed by sample or by text.

Axes: N rows, D embedding width.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from components.contracts.embedder import Embedder
from components.contracts.features import VECTOR
from components.contracts.progress import Progress
from components.data.shards import open_pictures

AT_ONCE = 64  # pictures or texts encoded together, which bounds memory


def embed_pictures(embedder: Embedder, rows: pa.Table, raw: Path, progress: Progress) -> pa.Table:
    """Return `key` and `vector` of each row of a manifest; a picture that cannot be decoded has NaN.

    Raises BrokenMember, a DataError, for a picture that is not in its shard as the manifest says.
    """
    found, keys = [], []
    pictures = open_pictures(raw, rows)
    while some := list(islice(pictures, AT_ONCE)):
        found.append(embedder.pictures([data for _, data in some]))
        keys += [key for key, _ in some]
        progress(f"embed pictures by {embedder.name}", len(keys), len(rows))
    return vectors(keys, np.concatenate(found))


def embed_texts(embedder: Embedder, texts: Sequence[str]) -> pa.Table:
    """Return `key`, the text itself, and `vector` of each text."""
    return vectors(texts, np.concatenate([embedder.texts(some) for some in _batches(texts)]))


def vectors(keys: Sequence[str], rows: Float[np.ndarray, "N D"]) -> pa.Table:
    """Return embeddings as the table of a feature, row i of keys[i]."""
    flat = pa.array(rows.astype(np.float16).ravel())
    return pa.table(
        {"key": pa.array(keys, pa.string()), VECTOR: pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])}
    )


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), AT_ONCE):
        yield texts[start : start + AT_ONCE]
