"""Where concepts stand in captions: the column `mentions` of a selection's columns.parquet, as curation's step Link writes it.

A sample's captions in their order, and of each the places, as characters from 0 with the end behind the last.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.text_pick import Place

COLUMN = "mentions"
TYPE = pa.list_(pa.list_(pa.struct([pa.field("first", pa.int32()), pa.field("last", pa.int32())])))
LINK = "List the step Link (components.curation.ops.link.Link) last in the recipe's curation.ops"

Mentioned = tuple[tuple[tuple[Place, ...], ...], ...]
"""Of each sample, of each of its captions."""


def read_mentions(path: Path, keys: Sequence[str], captions: Sequence[Sequence[str]]) -> Mentioned:
    """Return the places of each caption of some samples, from a selection's columns.parquet.

    Raises DataError, with the sample, for a place that is none of its caption, and where there is no such column.
    """
    there = pq.read_schema(path).names if path.is_file() else []
    if COLUMN not in there:
        has = f"has {', '.join(there)}" if there else "is not there"
        raise DataError(f"training.texts asks for mentions, but {path.name} of the selection {has}. {LINK}.")
    table = pq.read_table(path, columns=["key", COLUMN], partitioning=None)
    found = dict(zip(table["key"].to_pylist(), table[COLUMN].to_pylist(), strict=True))
    return tuple(_checked(key, own, found.get(key) or []) for key, own in zip(keys, captions, strict=True))


def _checked(key: str, captions: Sequence[str], listed: list[list[dict[str, int]]]) -> tuple[tuple[Place, ...], ...]:
    if len(listed) != len(captions):
        raise DataError(
            f"sample {key} has {len(captions)} captions, and mentions of {len(listed)}: a step after Link changed them. {LINK}."
        )
    for caption, places in zip(captions, listed, strict=True):
        for place in places:
            if not 0 <= place["first"] < place["last"] <= len(caption):
                raise DataError(
                    f"sample {key} has a mention from character {place['first']} to {place['last']} of a caption of {len(caption)}: a "
                    f"step after Link changed it. {LINK}."
                )
    return tuple(tuple((place["first"], place["last"]) for place in places) for places in listed)
