"""Embeddings of pictures in shards, and of texts, as features with half precision, keyed by sample or by text.

The work at one piece; `components.data.pieces` goes through all, here and for `diptych embed`, and one Embedder says what vectors are.

Axes: N rows, D embedding width.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from components.contracts.embedder import Embedder
from components.contracts.errors import DataError
from components.contracts.features import VECTOR
from components.curation.pieces import Work
from components.data.shards import open_pictures


def picture_work(opens: Callable[[], Embedder], name: str, raw: Path) -> Work:
    """Return what gives `key` and `vector` of each row of a manifest; a picture that cannot be decoded has NaN.

    It raises BrokenMember, a DataError, for a picture that is not in its shard as the manifest says.

    Args:
        opens: gives the model.
        name: of the model that is meant; DataError for another one.
        raw: where the shards are.
    """
    embedder = _opened(opens, name)

    def work(rows: pa.Table) -> pa.Table:
        return vectors(rows["key"].to_pylist(), embedder.pictures([data for _, data in open_pictures(raw, rows)]))

    return work


def text_work(opens: Callable[[], Embedder], name: str) -> Work:
    """Return what gives `key`, the text itself, and `vector` of each `key`; arguments as of picture_work."""
    embedder = _opened(opens, name)

    def work(rows: pa.Table) -> pa.Table:
        texts = rows["key"].to_pylist()
        return vectors(texts, embedder.texts(texts))

    return work


def _opened(opens: Callable[[], Embedder], name: str) -> Embedder:
    embedder = opens()
    if embedder.name != name:
        raise DataError(
            f"a worker of curation opened the model {embedder.name}, where {name} is meant, so embeddings could not be compared. Give all "
            "machines the same folder."
        )
    return embedder


def vectors(keys: Sequence[str], rows: Float[np.ndarray, "N D"]) -> pa.Table:
    """Return embeddings as the table of a feature, row i of keys[i]."""
    flat = pa.array(rows.astype(np.float16).ravel())
    return pa.table(
        {"key": pa.array(keys, pa.string()), VECTOR: pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])}
    )
