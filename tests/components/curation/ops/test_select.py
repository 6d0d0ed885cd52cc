import math
from collections import Counter

import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError, DataError
from components.curation.ops.select import Select
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, manifest, row


def sized(*sizes: int) -> pa.Table:
    return pa.Table.from_pylist([row(at, size_bytes=size) for at, size in enumerate(sizes)], SCHEMA)


def test_the_highest_stay_in_their_order():
    left, report = apply(Select(count=2, by="size_bytes"), sized(5, 9, 1, 7))
    assert left["size_bytes"].to_pylist() == [9, 7]
    assert report.dropped == {"lower in size_bytes": 2}


def test_or_the_lowest():
    left, report = apply(Select(ratio=0.5, by="size_bytes", lowest=True), sized(5, 9, 1, 7))
    assert left["size_bytes"].to_pylist() == [5, 1]
    assert report.dropped == {"higher in size_bytes": 2}


@pytest.mark.parametrize(("ratio", "stay"), [(1.0, 30), (0.1, 3), (0.11, 4), (0.001, 1)])
def test_a_ratio_is_rounded_up_and_never_to_none(ratio, stay):
    left, _ = apply(Select(ratio=ratio), manifest(30))
    assert len(left) == stay


def test_as_many_of_each_group():
    left, report = apply(Select(count=3, per="category"), manifest())
    assert Counter(label["category"] for label in left["labels"].to_pylist()) == dict.fromkeys(
        ("odd", "g0", "g1", "g2"), 3
    )
    assert report.stats == {"groups": 4}


def test_rows_without_a_group_are_one():
    left, _ = apply(Select(count=3, per="subcategory"), manifest())
    assert len(left) == 3


def test_chance_goes_by_key_and_seed_and_not_by_who_else_is_there():
    whole, _ = apply(Select(ratio=0.5), manifest(), seed=1)
    chosen = set(whole["key"].to_pylist())
    assert chosen != set(apply(Select(ratio=0.5), manifest(), seed=2)[0]["key"].to_pylist())
    fewer, _ = apply(
        Select(count=10), manifest().filter(pa.array([f"k{at:03d}" in chosen for at in range(60)])), seed=1
    )
    assert set(fewer["key"].to_pylist()) == set(apply(Select(count=10), manifest(), seed=1)[0]["key"].to_pylist())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ratio": 0.0}, "ratio is 0.0, but it is the share that stays"), ({"ratio": 1.01}, "ratio is 1.01"), ({"ratio": -1.0}, "ratio is"),
        ({"ratio": math.nan}, "ratio is nan"), ({"count": 0}, "count is 0"), ({}, "ratio is None and count is None"),
        ({"ratio": 0.5, "count": 3}, "ratio is 0.5 and count is 3"),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(given, says):
    with pytest.raises(ConfigError, match=says):
        Select(**given)


def test_columns_that_are_not_there_or_hold_no_numbers_are_named():
    with pytest.raises(ConfigError, match=r"by is 'words', but there is no such column. There are key, split"):
        apply(Select(count=1, by="words"), manifest())
    with pytest.raises(ConfigError, match="per is 'cluster', but there is no such column"):
        apply(Select(count=1, per="cluster"), manifest())
    with pytest.raises(ConfigError, match="by is 'licence', which holds string and no numbers"):
        apply(Select(count=1, by="licence"), manifest())


def test_a_row_without_a_value_is_neither_better_nor_worse():
    table = pa.Table.from_pylist([row(0), row(1, width=None)], SCHEMA)
    with pytest.raises(DataError, match="1 of 2 samples have no width, such as k001"):
        apply(Select(count=1, by="width"), table)
