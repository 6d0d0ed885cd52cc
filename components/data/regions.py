"""regions.parquet: parts of pictures, and what they show, for data that has such; beside the manifest, a row a region."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.sample import Region, Sample
from components.data.beside import Kind

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),  # of the sample
        pa.field("region", pa.int32()),  # of those of its picture, from 0
        pa.field("x0", pa.float64()),  # left, from 0 to 1 of the decoded picture
        pa.field("y0", pa.float64()),  # top
        pa.field("x1", pa.float64()),  # right
        pa.field("y1", pa.float64()),  # bottom
        pa.field("label", pa.string()),  # null where the data does not say what it shows
        pa.field("text", pa.string()),  # what is said of it alone, null where nothing is
        pa.field("of_width", pa.int32()),  # pixels of the picture that the box was measured on; null where not known
        pa.field("of_height", pa.int32()),
        pa.field("mask", pa.string()),  # which of those pixels, see masks.py; null where the data does not say
    ]
)


def _rows(sample: Sample) -> list[dict[str, Any]]:
    rows = []
    for place, region in enumerate(sample.regions):
        box = dict(zip(("x0", "y0", "x1", "y1"), region.box, strict=True))
        width, height = region.of_px or (None, None)
        said = {"label": region.label, "text": region.text, "of_width": width, "of_height": height, "mask": region.mask}
        rows.append({"key": sample.key, "region": place, **box, **said})
    return rows


REGIONS = Kind(name="regions", schema=SCHEMA, rows=_rows, whole="key", counted=("pictures", "regions"))


def regions_of(table: pa.Table, keys: Sequence[str]) -> tuple[tuple[Region, ...], ...]:
    """Return the regions of each of those samples, in the order of the data; empty when none of them has any."""
    found: dict[str, list[Region]] = {key: [] for key in keys}
    for row in table.filter(pc.is_in(table["key"], pa.array(keys, pa.string()))).to_pylist():
        sides = row["of_width"], row["of_height"]
        found[row["key"]].append(
            Region(
                box=(row["x0"], row["y0"], row["x1"], row["y1"]), label=row["label"], text=row["text"],
                of_px=None if None in sides else sides, mask=row["mask"],
            )
        )  # fmt: skip
    return tuple(map(tuple, found.values())) if any(found.values()) else ()
