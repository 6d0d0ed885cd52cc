"""regions.parquet: parts of pictures, and what they show, for data that has such; beside the manifest, a row a region."""

from typing import Any

import pyarrow as pa

from components.contracts.sample import Sample
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
