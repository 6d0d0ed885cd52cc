"""From the rows of a manifest to pictures with captions."""

import pytest

from components.contracts.errors import DataError
from components.data.manifest import read_manifest
from components.data.selection import distinct, languages_of, of_split, read_pool
from components.data.shards import open_pictures


def test_a_pool_has_what_the_rows_say_in_their_order(scenes_raw):
    manifest = of_split(read_manifest(scenes_raw / "manifest.parquet"), "train").slice(2, 5)
    pool, rows = read_pool(manifest, scenes_raw), manifest.to_pylist()
    assert len(pool) == 5
    assert pool.keys == tuple(row["key"] for row in rows)
    assert pool.captions == tuple(tuple(text["text"] for text in row["texts"]) for row in rows)
    assert pool.concepts == tuple(row["labels"]["concept"] for row in rows)
    assert pool.sources == tuple(row["source"] for row in rows)
    assert pool.sha256s == tuple(row["sha256"] for row in rows)
    assert tuple(pool.pictures) == tuple(data for _, data in open_pictures(scenes_raw, manifest))


def test_makers_are_a_label_and_texts_have_their_languages(scenes_raw):
    manifest = of_split(read_manifest(scenes_raw / "manifest.parquet"), "train").slice(2, 5)
    pool, rows = read_pool(manifest, scenes_raw), manifest.to_pylist()
    assert pool.labelled("source") == tuple(row["source"] for row in rows)
    assert languages_of(manifest) == tuple(tuple(text["lang"] for text in row["texts"]) for row in rows)
    assert [len(its) for its in languages_of(manifest)] == [len(texts) for texts in pool.captions]


@pytest.mark.parametrize("split", ["train", "val", "both"])
def test_a_split_is_its_rows_and_no_others(scenes_raw, split):
    manifest = read_manifest(scenes_raw / "manifest.parquet")
    rows = of_split(manifest, split)
    assert rows["key"].to_pylist() == [row["key"] for row in manifest.to_pylist() if row["split"] == split]


def test_no_rows_are_no_pool(scenes_raw):
    with pytest.raises(DataError, match="without rows"):
        read_pool(read_manifest(scenes_raw / "manifest.parquet").slice(0, 0), scenes_raw)


def test_repetitions_go_and_the_order_stays():
    assert distinct(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]
