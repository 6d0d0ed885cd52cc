"""What is known of the pictures of a package's index, from the package and, where it lies here, from the data."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError
from components.data.manifest import LABELS, read_manifest

COLUMNS = ("source", "split", "licence", *LABELS)
"""What a search can be narrowed to, as far as the package knows it, or the data that lies here; a package of before knew the source alone."""

UNKNOWN = "und"  # ISO 639: nobody knows the language


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a picture lies: shard below data/raw, first byte, bytes, and the sha256 of them."""

    shard: str
    offset: int
    size_bytes: int
    sha256: str

    def row(self, key: str) -> dict[str, Any]:
        """Return what `ShardReader.read` takes of a picture of that key."""
        return {"key": key, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the index.

    Args:
        key: of the picture.
        text: its first caption.
        said: language and text of each caption, the first among them.
        columns: name of COLUMNS -> value, without those that are not known.
        place: None where the data is not here.
        name: as its owner knows it, such as a path below a folder; empty where the package alone knows the picture.
    """

    key: str
    text: str
    said: tuple[tuple[str, str], ...]
    columns: dict[str, str] = field(default_factory=dict)
    place: Place | None = None
    name: str = ""


def entries_of(repository: Path, root: Path) -> Iterator[Entry]:
    """Yield an entry a row of the served index, in its order.

    Args:
        repository: of Triton, with the model image_retrieval.
        root: of the workspace. Of a row of its data counts what the package says too: key, first caption and source; what else
            lies there by that key is another picture.
    """
    served = json.loads((repository / "image_retrieval" / "1" / "index.json").read_text(encoding="utf-8"))
    yield from entries(served, root)


def entries(served: Mapping[str, list[str]], root: Path) -> Iterator[Entry]:
    """Yield an entry a row of an index, of which `key`, `text` and `source` are given; as `entries_of`."""
    known = _known(root, served["key"])
    for at, (key, text, source) in enumerate(zip(served["key"], served["text"], served["source"], strict=True)):
        row = known.get(key)
        if row is None or not row["texts"] or (row["texts"][0]["text"], row["source"] or "") != (text, source):
            own = {name: served[name][at] for name in COLUMNS if name in served and served[name][at]}
            yield Entry(key=key, text=text, said=((UNKNOWN, text),), columns=own)
            continue
        said = tuple((one["lang"] or UNKNOWN, one["text"]) for one in row["texts"] if one["text"])
        values = {"source": source, "split": row["split"], "licence": row["licence"], **row["labels"]}
        yield Entry(
            key=key, text=text, said=said or ((UNKNOWN, text),),
            columns={name: value for name, value in values.items() if value},
            place=Place(shard=row["shard"], offset=row["offset"], size_bytes=row["size_bytes"], sha256=row["sha256"]),
        )  # fmt: skip


def _known(root: Path, keys: list[str]) -> dict[str, dict[str, Any]]:
    """Return the rows of the workspace's data by key; none where it has no data, or what it has cannot be read."""
    try:
        table = read_manifest(root / "data" / "raw" / "manifest.parquet")
    except DataError:
        return {}
    there = pc.is_in(table["key"], value_set=pa.array(keys, pa.string()))
    return {row["key"]: row for row in table.filter(there).to_pylist()}
