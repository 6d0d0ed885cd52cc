"""From a manifest to what a step of work needs: pictures as bytes with their captions, or decoded once for training.

Axes: M samples, S pixels of the kept pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from components.contracts.errors import DataError
from components.contracts.progress import Progress
from components.data.loader import Pairs
from components.data.shards import open_pictures
from components.data.transforms.preprocess import BadImage, Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Samples as they lie in the shards.

    Args:
        keys: their names.
        pictures: encoded bytes.
        captions: what is said of each, at least one text.
        concepts: what each shows; pictures and texts of one concept belong together.
        sources: who made each.
        groups: label -> group of each, such as `category` -> `Flags`; empty where no labels are known.
    """

    keys: tuple[str, ...]
    pictures: tuple[bytes, ...]
    captions: tuple[tuple[str, ...], ...]
    concepts: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[Mapping[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def labelled(self, label: str) -> tuple[str | None, ...]:
        """Return the group of each by that label, None where it has none."""
        return tuple(group.get(label) for group in self.groups) or (None,) * len(self)


def read_pool(manifest: pa.Table, raw: Path) -> Pool:
    """Read the pictures of a manifest; DataError when it has no rows, or when a picture is not as promised."""
    if not len(manifest):
        raise DataError(
            "a manifest without rows cannot be read as a pool. Look at the counts in data/validated/report.html."
        )
    rows = manifest.select(["key", "texts", "labels", "source"]).to_pylist()
    return Pool(
        keys=tuple(row["key"] for row in rows),
        pictures=tuple(data for _, data in open_pictures(raw, manifest)),
        captions=tuple(tuple(text["text"] for text in row["texts"]) for row in rows),
        concepts=tuple(row["labels"]["concept"] for row in rows),
        sources=tuple(row["source"] for row in rows),
        groups=tuple(
            {name: group for name, group in row["labels"].items() if group and name != "concept"} for row in rows
        ),
    )


def decode_pairs(pool: Pool, preprocess: Preprocess, progress: Progress) -> Pairs:
    """Decode every picture once, to RGBA of the transform's size, so that a training step only moves and colours them."""
    decoded = []
    for place, data in enumerate(pool.pictures):
        try:
            decoded.append(preprocess.fit(preprocess.open(data)))
        except BadImage as err:
            raise DataError(f"sample {pool.keys[place]} cannot be trained on: {err}. Validate the data again.") from err
        progress("decoding", place + 1, len(pool))
    pictures = torch.from_numpy(np.stack(decoded))
    return Pairs(keys=pool.keys, pictures=pictures, captions=pool.captions, concepts=pool.concepts)


def of_split(manifest: pa.Table, split: str) -> pa.Table:
    """Return the rows of one split, in their order."""
    return manifest.filter(pa.compute.equal(manifest["split"], split))


def distinct(texts: Sequence[str]) -> list[str]:
    """Return texts without repetitions, in their order."""
    return list(dict.fromkeys(texts))
