"""What a new server is asked before anybody else asks it: words and pictures of the model's own index."""

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import StaleArtifact
from components.data.shards import BrokenMember, ShardReader
from components.serving.package import REMEDY, Package
from components.serving.repository import INDEX_COLUMNS
from components.serving.search.entry import entries

COUNT = 64


def held_queries(package: Package, root: Path, count: int = COUNT) -> tuple[list[bytes], list[str]]:
    """Return pictures (encoded) and texts of rows that lie evenly over a package's index, at most `count` of each.

    None of a package without an index; no pictures where the workspace has not, or no more, the data that it was made from.
    Raises StaleArtifact where the index cannot be read.
    """
    if not package.searches:
        return [], []
    _, few = _rows(package, count)
    return list(held_pictures(package, root, count).values()), [text for text in few["text"] if text]


def held_pictures(package: Package, root: Path, count: int = COUNT) -> dict[int, bytes]:
    """Return rows that lie evenly over a package's index -> their pictures, encoded, of those that the workspace has; errors as of held_queries."""
    places, few = _rows(package, count)
    found = {}
    with ShardReader(root / "data" / "raw") as reader:
        for place, entry in zip(places, entries(few, root), strict=True):
            if entry.place is not None:
                with suppress(BrokenMember):
                    found[place] = reader.read(entry.place.row(entry.key))
    return found


def _rows(package: Package, count: int) -> tuple[list[int], dict[str, list[str]]]:
    try:
        rows = pq.read_table(package.path / "index.parquet", columns=list(INDEX_COLUMNS))
    except (OSError, pa.ArrowException) as err:
        raise StaleArtifact(f"index.parquet of {package.path} cannot be read ({err}). {REMEDY}") from err
    places = list(range(0, len(rows), max(1, -(-len(rows) // count))))
    return places, rows.take(places).to_pydict()
