"""Groups of samples that a model finds alike: spherical k-means.

Source: Dhillon, Modha 2001, "Concept Decompositions for Large Sparse Text Data Using Clustering" (spherical k-means); Abbas et al. 2023,
arXiv:2303.09540, section 3 (to find what is redundant). Computed by faiss. Differs: rows are taken in the order of their keys, and clusters
are numbered by size, so that neither depends on the order in which rows come.
Axes: N samples, D embedding width, K clusters.
"""

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_out import by_key
from components.curation.ops.measure import with_columns

_FEW = 39  # rows a cluster below which faiss warns; it is told of in the report instead
_MOST = 256  # rows a cluster that the centres are learnt from; more change them little


class Cluster(CurationOp):
    """Adds two columns and leaves nothing out: `cluster`, from 0 for the largest, and `centrality`, the cosine to its centre.

    Args:
        model: its name in `curation.models`.
        clusters: how many, K.
        of: `image` or `text`; of several texts the first counts.
        rounds: of assigning rows and moving centres.
    """

    def __init__(self, model: str, clusters: int, of: str = "image", rounds: int = 20) -> None:
        if clusters < 1:
            raise ConfigError(f"clusters is {clusters}, but rows lie in some cluster. Give 1 or more.")
        if rounds < 1:
            raise ConfigError(
                f"rounds is {rounds}, but centres have to move once at least. Give 1 or more; 20 is usual."
            )
        if of not in ("image", "text"):
            raise ConfigError(f"of is {of!r}, but a sample has an image and a text. Give one of these.")
        self.model, self.clusters, self.of, self.rounds = model, clusters, of, rounds

    @property
    def adds(self) -> tuple[str, ...]:
        """Return both columns."""
        return ("cluster", "centrality")

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
        centres = spherical_centres(rows, self.clusters, self.rounds, seed)
        nearest, cosine = _nearest(rows, centres)
        sizes = np.bincount(nearest, minlength=self.clusters)
        number = np.empty(self.clusters, np.int64)
        number[np.lexsort((np.arange(self.clusters), -sizes))] = np.arange(self.clusters)
        back = np.argsort(order, kind="stable")
        columns = {
            "cluster": pa.array(number[nearest][back], pa.int32()),
            "centrality": pa.array(cosine[back], pa.float32()),
        }
        stats = {"largest": int(sizes.max()), "smallest": int(sizes.min()), "mean centrality": float(cosine.mean())}
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


def spherical_centres(
    rows: Float32[np.ndarray, "N D"], clusters: int, rounds: int, seed: int
) -> Float32[np.ndarray, "K D"]:
    """Return centres of length 1 of rows of length 1."""
    import faiss  # takes a quarter of a second, which only who clusters waits for

    means = faiss.Kmeans(
        rows.shape[1], clusters, niter=rounds, spherical=True, seed=seed % 2**31, min_points_per_centroid=1,
        max_points_per_centroid=_MOST,
    )  # fmt: skip
    means.train(np.ascontiguousarray(rows))
    centres: np.ndarray = np.asarray(means.centroids)
    return centres


def _nearest(rows: np.ndarray, centres: np.ndarray, at_once: int = 65_536) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre of each row with the largest cosine, and that."""
    nearest, cosine = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
    step = max(1, at_once * 256 // len(centres))  # bounds memory
    for start in range(0, len(rows), step):
        cosines = rows[start : start + step] @ centres.T
        nearest[start : start + step] = cosines.argmax(1)
        cosine[start : start + step] = cosines.max(1)
    return nearest, cosine
