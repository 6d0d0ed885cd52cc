"""Groups of samples that a model finds alike: spherical k-means.

Sources: Dhillon, Modha 2001, "Concept Decompositions for Large Sparse Text Data Using Clustering" (spherical k-means); Abbas et al. 2023,
arXiv:2303.09540, section 3 (to find what is redundant); An et al. 2024, arXiv:2407.17331, section 3.1 (several clusters a picture, to learn
from). Differs: rows are taken in the order of their keys, and clusters are numbered by size, so that neither depends on the order in which
rows come.
Axes: N samples, K clusters, l clusters of a sample.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_out import by_key
from components.curation.ops.measure import with_columns
from components.curation.spherical import Centres, Nearest, spherical_centres
from components.data.clusters import COLUMN, SIMILARITY

_FEW = 39  # rows a cluster below which faiss warns; it is told of in the report instead


class Cluster(CurationOp):
    """Adds two columns and leaves nothing out: `cluster`, from 0 for the largest, and `centrality`, the cosine to its centre.

    With `labels` there are two more, of the nearest centres of each sample, the nearest first: `clusters` and `similarities`. A
    centre that is nobody's nearest is left out and counted, and the others have its number.

    Args:
        model: its name in `curation.models`.
        clusters: how many, K.
        of: `image` or `text`; of several texts the first counts.
        rounds: of assigning rows and moving centres.
        labels: how many of the nearest centres, l, such as 8; 0 leaves both columns out.
        levels: 2 makes groups first and centres in each, for very many clusters.

    Raises ConfigError for numbers out of range.
    """

    def __init__(
        self, model: str, clusters: int, of: str = "image", rounds: int = 20, labels: int = 0, levels: Literal[1, 2] = 1
    ) -> None:
        if clusters < 1:
            raise ConfigError(f"clusters is {clusters}, but rows lie in some cluster. Give 1 or more.")
        if rounds < 1:
            raise ConfigError(
                f"rounds is {rounds}, but centres have to move once at least. Give 1 or more; 20 is usual."
            )
        if of not in ("image", "text"):
            raise ConfigError(f"of is {of!r}, but a sample has an image and a text. Give one of these.")
        if not 0 <= labels <= clusters:
            raise ConfigError(
                f"labels is {labels}, but a sample has that many of the {clusters} clusters. Give 1 to {clusters}, or 0 for none."
            )
        self.model, self.clusters, self.of, self.rounds = model, clusters, of, rounds
        self.labels, self.levels = labels, levels

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the columns."""
        return ("cluster", "centrality", *((COLUMN, SIMILARITY) if self.labels else ()))

    @property
    def features(self) -> tuple[str, ...]:
        """Return the side that is asked."""
        return (f"{self.model}.{self.of}",)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return all rows with their cluster; ConfigError for more clusters than rows, DataError for embeddings that say nothing."""
        if self.clusters > len(table):
            raise ConfigError(
                f"clusters is {self.clusters:,}, but there are {len(table):,} samples at that step, so some would be empty. "
                f"Give {max(1, len(table) // _FEW):,} or fewer."
            )
        order = by_key(table)
        rows = features.unit(self.features[0], self._keys(table.take(pa.array(order))))
        found = spherical_centres(rows, self.clusters, self.rounds, seed, levels=self.levels)
        centres, sizes = alive(found, found.nearest(rows, 1, found.model))
        near = centres.nearest(rows, max(1, min(self.labels, len(sizes))), centres.model)
        back = np.argsort(order, kind="stable")
        columns = {
            "cluster": pa.array(near.centres[back, 0], pa.int32()),
            "centrality": pa.array(near.cosines[back, 0], pa.float32()),
        }
        stats = {
            "largest": int(sizes.max()), "smallest": int(sizes.min()), "mean centrality": float(near.cosines[:, 0].mean()),
        }  # fmt: skip
        if self.labels:
            columns[COLUMN] = _listed(near.centres[back], pa.int32())
            columns[SIMILARITY] = _listed(near.cosines[back].astype(np.float16), pa.float16())
            stats |= {
                "half of the samples are in clusters of at least": _middle(sizes), "dead centres": self.clusters - len(sizes),
                "mean similarity": float(near.cosines.mean()),
            }  # fmt: skip
        return with_columns(table, columns), Report(op=self.name, rows_in=len(table), rows_out=len(table), stats=stats)

    def _keys(self, table: pa.Table) -> pa.Array:
        if self.of == "image":
            return table["key"].combine_chunks()
        texts = table["texts"].to_pylist()
        if missing := [key for key, said in zip(table["key"].to_pylist(), texts, strict=True) if not said]:
            raise ConfigError(
                f"of is 'text', but {len(missing):,} samples have none, such as {missing[0]}. Put a Keep before."
            )
        return pa.array([said[0]["text"] for said in texts], pa.string())


def alive(found: Centres, nearest: Nearest) -> tuple[Centres, np.ndarray]:
    """Return the centres that are the nearest of some row, the one with most rows first, and how many rows each has."""
    sizes = nearest.sizes(len(found.vectors))
    order = np.lexsort((np.arange(len(sizes)), -sizes))
    order = order[sizes[order] > 0]
    return replace(found, vectors=np.ascontiguousarray(found.vectors[order])), sizes[order]


def _listed(rows: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    """Return a list of as many numbers for each row."""
    ends = pa.array(np.arange(0, rows.size + 1, rows.shape[1]), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(rows.ravel(), kind))


def _middle(sizes: np.ndarray) -> int:
    """Return the size of the cluster that the sample in the middle lies in, sizes falling."""
    return int(sizes[np.searchsorted(sizes.cumsum(), sizes.sum() / 2)])
