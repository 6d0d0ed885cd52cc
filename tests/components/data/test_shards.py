"""Shards against what other tools made of them: a tar reader, damage, and a member that would run code if unpickled."""

import io
import json
import pickle
import tarfile

import pytest

from components.contracts.errors import DataError
from components.contracts.sample import Media, Sample, Text
from components.data.manifest import read_manifest
from components.data.shard_writer import ShardWriter
from components.data.shards import BrokenMember, ShardReader, open_pictures


def sample(key: str, data: bytes = b"picture", member: str | None = None) -> Sample:
    media = (Media(member=member or f"{key}.png", data=data),)
    return Sample(key=key, split="train", source="flat", licence="CC0-1.0", media=media, texts=(Text(text="a heart"),))


def test_every_row_is_read_by_seek_as_a_tar_reader_reads_it(scenes_raw):
    table = read_manifest(scenes_raw / "manifest.parquet")
    members, words = {}, {}
    for shard in scenes_raw.glob("*/*.tar"):
        with tarfile.open(shard) as tar:
            names = tar.getnames()
            assert names[::2] == [name.replace(".json", ".png") for name in names[1::2]]
            for info in tar:
                assert (info.mtime, info.uid, info.uname, info.isfile()) == (0, 0, "", True)
                held = members if info.name.endswith(".png") else words
                held[info.name.rsplit(".", 1)[0]] = tar.extractfile(info).read()
    assert dict(open_pictures(scenes_raw, table)) == members
    for row in table.to_pylist():
        said = json.loads(words[row["key"]])
        assert said == {
            "texts": row["texts"],
            "labels": {name: group for name, group in row["labels"].items() if group is not None},
            "source": row["source"],
            "licence": row["licence"],
        }


def test_a_shard_holds_one_split_only(scenes_raw):
    for row in read_manifest(scenes_raw / "manifest.parquet").to_pylist():
        assert row["shard"].startswith(row["split"] + "/")


def test_pictures_come_in_the_order_of_the_table(scenes_raw):
    table = read_manifest(scenes_raw / "manifest.parquet").take([9, 2, 30, 2])
    assert [key for key, _ in open_pictures(scenes_raw, table)] == table["key"].to_pylist()


def test_a_full_shard_is_followed_by_another(tmp_path):
    with ShardWriter(tmp_path, "train", shard_bytes=4096) as writer:
        placed = [writer.add(sample(f"k{i}", bytes([i]) * 1000)) for i in range(5)]
    assert [shard for shard, _, _ in placed] == ["train/000000.tar"] * 2 + ["train/000001.tar"] * 2 + [
        "train/000002.tar"
    ]
    for i, (shard, offset, seen) in enumerate(placed):
        assert seen is None
        assert (tmp_path / shard).read_bytes()[offset : offset + 1000] == bytes([i]) * 1000


@pytest.mark.parametrize("key", ["", "../up", "a.b", "a b", "k" * 81])
def test_a_key_that_could_not_name_a_member_is_refused(tmp_path, key):
    with ShardWriter(tmp_path, "train") as writer, pytest.raises(DataError, match="cannot be named in a shard"):
        writer.add(sample(key))


def test_a_member_named_after_another_sample_is_refused(tmp_path):
    with ShardWriter(tmp_path, "train") as writer, pytest.raises(DataError, match=r"other\.png"):
        writer.add(sample("mine", member="other.png"))


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(DataError, match="'test' is none of train, val"):
        ShardWriter(tmp_path, "test")


def test_a_truncated_shard_names_sample_shard_and_remedy(own_raw):
    table = read_manifest(own_raw / "manifest.parquet")
    shard = own_raw / "train/000000.tar"
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    read = []
    with pytest.raises(BrokenMember, match=r"train/000000\.tar ends before sample .*dvc checkout") as caught:
        read.extend(open_pictures(own_raw, table.filter([split == "train" for split in table["split"].to_pylist()])))
    assert caught.value.reason == "missing_member"


def test_a_missing_shard_is_said_to_be_missing(own_raw):
    (own_raw / "train/000000.tar").unlink()
    table = read_manifest(own_raw / "manifest.parquet")
    with pytest.raises(BrokenMember, match=r"train/000000\.tar.*cannot be opened \(No such file") as caught:
        list(open_pictures(own_raw, table))
    assert caught.value.reason == "missing_member"


def test_one_changed_bit_is_found(own_raw):
    table = read_manifest(own_raw / "manifest.parquet").slice(0, 1)
    row = table.to_pylist()[0]
    shard = own_raw / row["shard"]
    held = bytearray(shard.read_bytes())
    held[row["offset"] + row["size_bytes"] // 2] ^= 1
    shard.write_bytes(held)
    with pytest.raises(BrokenMember, match=f"sample {row['key']} in shard .*sha256") as caught:
        list(open_pictures(own_raw, table))
    assert caught.value.reason == "sha_mismatch"


@pytest.mark.parametrize(
    "change",
    [{"shard": "../../etc/passwd"}, {"shard": "/etc/passwd"}, {"shard": None}, {"offset": -1}, {"size_bytes": 2**40}],
)
def test_a_hostile_row_opens_nothing(scenes_raw, change):
    row = read_manifest(scenes_raw / "manifest.parquet").slice(0, 1).to_pylist()[0]
    with ShardReader(scenes_raw) as reader, pytest.raises(BrokenMember):
        reader.read({**row, **change})


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_in_a_shard_is_never_opened(own_raw, tmp_path):
    shard = own_raw / "train/000000.tar"
    with tarfile.open(shard, "a") as tar:
        for name in ("bomb.pyd", "bomb.pickle", "bomb.pth"):
            data = pickle.dumps(Bomb(tmp_path / "it-ran"))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    table = read_manifest(own_raw / "manifest.parquet")
    assert len(list(open_pictures(own_raw, table))) == len(table)
    assert not (tmp_path / "it-ran").exists()
