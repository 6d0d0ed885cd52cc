"""A served index that is asked by vector, by words, or by both.

Axes: N rows of the index, D embedding width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from components.serving.search.catalogue import Catalogue, write_catalogue
from components.serving.search.entry import Entry, entries_of
from components.serving.search.fusion import fused
from components.serving.search.vectors import Vectors

FILE = "search-2.db"  # another number, another layout
DEEP = 100  # of each ranking that are fused, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One picture of an answer.

    Args:
        entry: what is known of it.
        score: its cosine with the question, -1 to 1; None where it was asked by words alone.
        by_vector, by_words: its rank in each, from 1; None where it is not among the first of it.
    """

    entry: Entry
    score: float | None
    by_vector: int | None
    by_words: int | None


def prepare(repository: Path, root: Path) -> Path | None:
    """Return the catalogue of a served repository, written where there is none yet, and the codes of its vectors; None where it has no index.

    Whoever hands a server over calls it before, so that nobody has to wait for it.

    Args:
        repository: of Triton, as it is served.
        root: of the workspace whose data it is joined with.
    """
    if not (repository / "image_retrieval").exists():
        return None
    path = repository.parent / FILE
    if not path.exists():
        write_catalogue(path, entries_of(repository, root))
    Vectors(vectors_of(repository), path.parent)  # writes its codes, where it needs some
    return path


def vectors_of(repository: Path) -> Path:
    """Return where the vectors of a served repository are."""
    return repository / "image_retrieval" / "1" / "index.npy"


class Searcher:
    """One index, opened to be read. Not for several threads at once, as its catalogue; `vector` may be asked beside a search.

    Args:
        vectors: index.npy, float32 [N D] of unit length.
        catalogue: of the same rows, as `prepare` returns it.
    """

    def __init__(self, vectors: Path, catalogue: Path) -> None:
        self.catalogue = Catalogue(catalogue)
        self.texts = sum(self.catalogue.languages().values())
        self.vectors = Vectors(vectors, catalogue.parent)

    @classmethod
    def open(cls, repository: Path, root: Path) -> "Searcher | None":
        """Return the searcher of a served repository, None where it has no index."""
        path = prepare(repository, root)
        return None if path is None else cls(vectors_of(repository), path)

    def __len__(self) -> int:
        return len(self.vectors)

    def vector(self, key: str) -> Float[np.ndarray, " D"] | None:
        """Return the vector of the picture of that key; None where there is none."""
        row = self.catalogue.row_of(key)
        return None if row is None else self.vectors.row(row)

    def search(
        self,
        vector: Float[np.ndarray, " D"] | None,
        words: str | None,
        top_k: int,
        where: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Found]:
        """Return the best rows, at most `top_k`.

        Args:
            vector: of unit length; None to ask by words alone.
            words: None to ask by vector alone; of both, the two rankings are fused.
            where: column -> values, one of which a row must have. BadFilter for an unknown column.
        """
        allowed = self.catalogue.where(where) if where else None
        deep = max(DEEP, top_k)
        near: list[int] = []
        if vector is not None:
            near = self.vectors.nearest(vector, top_k if words is None else deep, allowed).tolist()
        said = self.catalogue.said(words, deep, where) if words is not None else []
        ordered = near if words is None else said if vector is None else fused([near, said])
        places = [{row: rank for rank, row in enumerate(ranking, 1)} for ranking in (near, said)]
        best = ordered[:top_k]
        scores = None if vector is None else self.vectors.cosines(vector, np.array(best, np.int64))
        return [
            Found(
                entry=entry,
                score=None if scores is None else float(scores[at]),
                by_vector=places[0].get(row),
                by_words=places[1].get(row),
            )
            for at, (row, entry) in enumerate(zip(best, self.catalogue.entries(best), strict=True))
        ]

    def close(self) -> None:
        """Let go of its files."""
        self.catalogue.close()
