import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.regroup import Regroup
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, row


def texts(*said: str) -> list[dict[str, str]]:
    return [{"text": text, "kind": "alt", "lang": "en"} for text in said]


def test_samples_of_one_picture_become_one_with_all_that_is_said():
    rows = [
        row(2, pixel_sha256="p", texts=texts("c", "a")), row(0, pixel_sha256="p", texts=texts("a", "b")), row(1, pixel_sha256="q", texts=texts("a")),
        row(3, pixel_sha256=None, texts=texts("d")), row(4, pixel_sha256=None, texts=None),
    ]  # fmt: skip
    left, report = apply(Regroup(merge="pixel_sha256"), pa.Table.from_pylist(rows, SCHEMA))
    assert {one["key"]: [text["text"] for text in one["texts"]] for one in left.to_pylist()} == {
        "k000": ["a", "b", "c"], "k001": ["a"], "k003": ["d"], "k004": [],
    }  # fmt: skip
    assert (report.dropped, report.examples) == ({"merged": 1}, {"merged": ("k002",)})


def test_each_further_text_becomes_a_sample_with_the_same_picture():
    table = pa.Table.from_pylist(
        [row(0, texts=texts("a", "b", "c")), row(1, texts=[]), row(2, texts=texts("d"))], SCHEMA
    )
    left, report = apply(Regroup(), table)
    assert left["key"].to_pylist() == ["k000", "k000~2", "k000~3", "k001", "k002"]
    assert [[text["text"] for text in one] for one in left["texts"].to_pylist()] == [["a"], ["b"], ["c"], [], ["d"]]
    assert left["offset"].to_pylist() == [0, 0, 0, 512, 1024]
    assert report.made == 2


def test_what_was_split_can_be_merged_again():
    table = pa.Table.from_pylist([row(at, texts=texts("a", "b", "c"), sha256=f"{at}") for at in range(5)], SCHEMA)
    split, _ = apply(Regroup(), table)
    merged, _ = apply(Regroup(merge="sha256"), split)
    assert merged.select(SCHEMA.names).equals(table)


def test_a_column_that_is_not_there_or_tells_all_apart_is_refused():
    table = pa.Table.from_pylist([row(0)], SCHEMA)
    with pytest.raises(ConfigError, match="merge is 'cluster', but there is no such column"):
        apply(Regroup(merge="cluster"), table)
    with pytest.raises(ConfigError, match="merge is 'key', which is never the same of two samples"):
        apply(Regroup(merge="key"), table)
