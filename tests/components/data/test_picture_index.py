"""A picture is found by its key, its file and its pixels, in each split, as a scan of the manifest finds it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import DataError
from components.data.manifest import SCHEMA, write_manifest
from components.data.picture_index import PictureIndex, hashed

TEXT = st.text(max_size=3)
ROWS = st.lists(
    st.tuples(TEXT, st.sampled_from(["train", "val", "pair"]), st.sampled_from("abcdef"), st.sampled_from([*"abc", None])),
    min_size=1, max_size=30, unique_by=lambda row: row[0],
)  # fmt: skip


def rows(*said):
    names = ("key", "split", "sha256", "pixel_sha256")
    return pa.Table.from_pylist(
        [{**dict.fromkeys(SCHEMA.names), **dict(zip(names, row, strict=True))} for row in said], SCHEMA
    )


@given(said=ROWS)
def test_it_finds_what_a_scan_finds(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("index")
    write_manifest(rows(*said), folder / "manifest.parquet")
    made = PictureIndex.of(folder / "manifest.parquet")
    made.write(folder / "kept")
    kept = PictureIndex.read(folder / "kept")
    assert len(kept) == len(said)
    for key, _, sha, pixels in said:
        shown = [s for k, s, f, p in said if k == key or f == sha or (pixels is not None and p == pixels)]
        for index in (made, kept):
            assert sorted(index.splits_of(index.named(key))) == sorted(shown)
    assert kept.named("no such key") is None


def test_no_text_hashes_to_what_stands_for_none():
    assert hashed([None, "", "a"]).tolist()[0] == 0
    assert len(set(hashed([None, "", "a", "b"]).tolist())) == 4
    assert hashed([]).dtype == np.uint64


def test_what_is_no_index_is_none_and_what_is_no_manifest_is_told(tmp_path):
    assert PictureIndex.read(tmp_path) is None
    (tmp_path / "manifest.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"manifest.parquet cannot be read as a manifest"):
        PictureIndex.of(tmp_path / "manifest.parquet")
