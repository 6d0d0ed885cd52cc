"""Pictures of a manifest, read when asked for: as a tuple of them would be, also by forked processes at once."""

import os

import pytest

from components.contracts.errors import DataError
from components.data.manifest import read_manifest
from components.data.rows import encoded
from components.data.rows.encoded import EncodedPictures
from components.data.shards import open_pictures


@pytest.fixture
def manifest(own_raw):
    return read_manifest(own_raw / "manifest.parquet")


@pytest.fixture
def whole(manifest, own_raw) -> tuple[bytes, ...]:
    return tuple(data for _, data in open_pictures(own_raw, manifest))


@pytest.mark.parametrize("block", [1, 7, 1024])
def test_they_are_what_a_tuple_of_them_would_be(manifest, own_raw, whole, block, monkeypatch):
    monkeypatch.setattr(encoded, "_BLOCK_ROWS", block)
    pictures = EncodedPictures(manifest, own_raw)
    assert len(pictures) == len(whole)
    assert tuple(pictures) == whole
    assert pictures[3] == whole[3]
    assert pictures[-1] == whole[-1]
    assert pictures[5:1:-2] == whole[5:1:-2]
    assert pictures[:0] == ()
    assert tuple(reversed(pictures)) == whole[::-1]


@pytest.mark.parametrize("place", [60, -61])
def test_there_is_nothing_beyond_the_end(manifest, own_raw, place):
    with pytest.raises(IndexError, match=rf"no picture {place} among 60"):
        EncodedPictures(manifest, own_raw)[place]


def test_nothing_is_read_before_it_is_asked_for(manifest, own_raw):
    for shard in own_raw.rglob("*.tar"):
        shard.unlink()
    pictures = EncodedPictures(manifest, own_raw)
    assert len(pictures) == 60
    with pytest.raises(DataError, match="cannot be opened"):
        pictures[0]


def test_a_changed_shard_is_told_with_sample_and_file(manifest, own_raw):
    row = manifest.slice(2, 1).to_pylist()[0]
    with (own_raw / row["shard"]).open("r+b") as file:
        file.seek(row["offset"] + 9)
        file.write(b"\xff\xff")
    pictures = EncodedPictures(manifest, own_raw)
    assert pictures[0]
    with pytest.raises(DataError, match=rf"sample {row['key']} in shard .*not what the manifest's sha256 promises"):
        pictures[2]


def test_a_forked_process_does_not_move_its_parents_place(manifest, own_raw, whole):
    pictures = EncodedPictures(manifest, own_raw)
    assert pictures[0] == whole[0]  # the shard is open now
    children = []
    for _ in range(2):
        if (child := os.fork()) == 0:
            os._exit(0 if all(tuple(pictures) == whole for _ in range(5)) else 1)
        children.append(child)
    for _ in range(5):
        assert tuple(pictures) == whole
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_beginnings_are_the_first_bytes_of_each_and_nothing_is_checked(manifest, own_raw, whole):
    row = manifest.slice(2, 1).to_pylist()[0]
    with (own_raw / row["shard"]).open("r+b") as file:
        file.seek(row["offset"] + 9)
        file.write(b"\xff\xff")
    assert list(EncodedPictures(manifest, own_raw).beginnings(4)) == [data[:4] for data in whole]
