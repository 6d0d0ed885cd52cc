"""From a manifest to what a step of work needs: its pictures as bytes, with what is said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.contracts.errors import DataError
from components.contracts.sample import Region
from components.contracts.text_pick import Place
from components.data.rows.encoded import EncodedPictures
from components.data.rows.lazy import LazyPictures

SOURCE = "source"  # a label that every sample has: who made it
_JPEG = b"\xff\xd8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Samples as they lie in the shards.

    Args:
        keys: their names.
        pictures: encoded bytes; those of a manifest are read when they are asked for.
        captions: what is said of each, at least one text.
        concepts: what each shows; pictures and texts of one concept belong together.
        sources: who made each.
        groups: label -> group of each, such as `category` -> `Flags`; empty where no labels are known.
        sha256s: of the encoded bytes, where they are known without reading them.
        regions: what is known of parts of each picture; empty where nobody asked, see regions.py, or nothing is known of any.
        kinds: of each caption; none where nothing is known of them.
        languages: ISO 639-1 code of each caption; none where nobody asked.
        mentions: of each caption, the places where concepts stand in it; none where nobody asked, see rows/mentions.py.
        clusters: that each picture is of, as many of each, the nearest first; none where nobody asked, see clusters.py.
        series: which pictures are of one, None of a picture that is of none; empty where nobody asked, or no picture is of any, see series.py.
    """

    keys: tuple[str, ...]
    pictures: Sequence[bytes]
    captions: tuple[tuple[str, ...], ...]
    concepts: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[Mapping[str, str], ...] = ()
    sha256s: tuple[str, ...] = ()
    regions: tuple[tuple[Region, ...], ...] = ()
    kinds: tuple[tuple[str, ...], ...] = ()
    languages: tuple[tuple[str, ...], ...] = ()
    mentions: tuple[tuple[tuple[Place, ...], ...], ...] = ()
    clusters: tuple[tuple[int, ...], ...] = ()
    series: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def is_opaque(self) -> bool:
        """Return whether no picture can be transparent: all are JPEGs, by the first bytes of each."""
        known = self.pictures
        size = len(_JPEG)
        starts = known.beginnings(size) if isinstance(known, LazyPictures) else (data[:size] for data in known)
        return all(start == _JPEG for start in starts)

    def labelled(self, label: str) -> tuple[str | None, ...]:
        """Return the group of each by that label, or who made it (`source`); None where it has none."""
        if label == SOURCE:
            return self.sources
        return tuple(group.get(label) for group in self.groups) or (None,) * len(self)


def read_pool(manifest: pa.Table, raw: Path) -> Pool:
    """Return the samples of a manifest; DataError when it has no rows.

    Asking for a picture that is not as promised raises BrokenMember, a DataError that names key and shard.
    """
    if not len(manifest):
        raise DataError(
            "a manifest without rows cannot be read as a pool. Look at the counts in data/validated/report.html."
        )
    rows = manifest.select(["key", "texts", "labels", "source", "sha256"]).to_pylist()
    return Pool(
        keys=tuple(row["key"] for row in rows),
        pictures=EncodedPictures(manifest, raw),
        captions=tuple(tuple(text["text"] for text in row["texts"]) for row in rows),
        concepts=tuple(row["labels"]["concept"] for row in rows),
        sources=tuple(row["source"] for row in rows),
        groups=tuple(
            {name: group for name, group in row["labels"].items() if group and name != "concept"} for row in rows
        ),
        sha256s=tuple(row["sha256"] for row in rows),
        kinds=tuple(tuple(text["kind"] for text in row["texts"]) for row in rows),
    )


def languages_of(manifest: pa.Table) -> tuple[tuple[str, ...], ...]:
    """Return the language of each text of a manifest's samples."""
    return tuple(tuple(text["lang"] for text in texts) for texts in manifest["texts"].to_pylist())


def of_split(manifest: pa.Table, split: str) -> pa.Table:
    """Return the rows of one split, in their order."""
    return manifest.filter(pa.compute.equal(manifest["split"], split))


def distinct(texts: Sequence[str]) -> list[str]:
    """Return texts without repetitions, in their order."""
    return list(dict.fromkeys(texts))
