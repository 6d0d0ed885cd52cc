"""From the rows of a manifest to pictures with captions, and decoded for training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.data.manifest import read_manifest
from components.data.selection import decode_pairs, distinct, of_split, read_pool
from components.data.shards import open_pictures
from components.data.transforms.preprocess import Preprocess, decode


def test_a_pool_has_what_the_rows_say_in_their_order(scenes_raw):
    manifest = of_split(read_manifest(scenes_raw / "manifest.parquet"), "train").slice(2, 5)
    pool, rows = read_pool(manifest, scenes_raw), manifest.to_pylist()
    assert len(pool) == 5
    assert pool.keys == tuple(row["key"] for row in rows)
    assert pool.captions == tuple(tuple(text["text"] for text in row["texts"]) for row in rows)
    assert pool.concepts == tuple(row["labels"]["concept"] for row in rows)
    assert pool.sources == tuple(row["source"] for row in rows)
    assert pool.pictures == tuple(data for _, data in open_pictures(scenes_raw, manifest))


@pytest.mark.parametrize("split", ["train", "val", "both"])
def test_a_split_is_its_rows_and_no_others(scenes_raw, split):
    manifest = read_manifest(scenes_raw / "manifest.parquet")
    rows = of_split(manifest, split)
    assert rows["key"].to_pylist() == [row["key"] for row in manifest.to_pylist() if row["split"] == split]


def test_no_rows_are_no_pool(scenes_raw):
    with pytest.raises(DataError, match="without rows"):
        read_pool(read_manifest(scenes_raw / "manifest.parquet").slice(0, 0), scenes_raw)


def test_pictures_are_decoded_once_with_their_transparency(squares):
    told = []
    pairs = decode_pairs(squares, Preprocess(size=24), lambda doing, done, total: told.append((doing, done, total)))
    assert pairs.pictures.shape == (50, 4, 24, 24)
    assert pairs.pictures.dtype == torch.uint8
    assert set(pairs.pictures[:, 3].unique().tolist()) >= {0, 255}
    assert told[-1] == ("decoding", 50, 50)
    assert len(told) == 50
    by_hand = Preprocess(size=24).fit(decode(squares.pictures[7]))
    assert np.array_equal(pairs.pictures[7].numpy(), by_hand)
    assert (pairs.keys, pairs.captions, pairs.concepts) == (squares.keys, squares.captions, squares.concepts)


def test_a_broken_picture_names_its_sample(squares):
    broken = replace(squares, pictures=(squares.pictures[0], b"GIF89a", *squares.pictures[2:]))
    with pytest.raises(DataError, match=r"sample square-01 cannot be trained on.*Validate the data again"):
        decode_pairs(broken, Preprocess(size=24), silent)


def test_repetitions_go_and_the_order_stays():
    assert distinct(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]
