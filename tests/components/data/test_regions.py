"""Regions come back as they were written, by sample, and a sample without any has none."""

import pyarrow as pa

from components.contracts.sample import Media, Region, Sample, Text
from components.data.regions import REGIONS, regions_of

PARTS = (
    Region(box=(0.0, 0.25, 0.5, 1.0), label="dog", text="the dog", of_px=(8, 4), mask="04400000P1"),
    Region(box=(0.1, 0.2, 0.3, 0.4)),
)


def sample(key: str, regions: tuple[Region, ...]) -> Sample:
    return Sample(
        key=key, split="val", source="", licence="CC0-1.0", media=(Media(member=f"{key}.png", data=b""),), texts=(Text(text="a dog"),),
        regions=regions,
    )  # fmt: skip


def test_regions_come_back_by_sample_in_the_order_of_the_data():
    rows = [row for one in (sample("a", PARTS), sample("b", PARTS[1:])) for row in REGIONS.rows(one)]
    table = pa.Table.from_pylist(rows, REGIONS.schema)
    assert regions_of(table, ["b", "c", "a"]) == (PARTS[1:], (), PARTS)
    assert regions_of(table, ["c"]) == ()
