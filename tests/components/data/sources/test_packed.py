"""Packed shards are read as if they lay there plain; cut, damaged or made to burst, they end where they must and say why."""

import gzip
import os
import subprocess
import tarfile
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.contracts.progress import silent
from components.contracts.reasons import REASONS
from components.contracts.reject import Reject
from components.data.ingest import ingest
from components.data.kept import KeptShards
from components.data.sources import build_source, packed
from components.data.sources.packed import ALLOWANCE_BYTES, TIMES, opened
from components.data.sources.tar import BLOCK, Member, Refused, read_tar
from components.data.sources.webdataset import WebDatasetSource, stems_of
from components.data.sources.which import describe_path
from tests.shards import members_of, write_shard

ALL = 2**20
MEMBERS = [("a.jpg", os.urandom(700)), ("a.txt", b"said"), ("b.jpg", os.urandom(400_000))]


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


def read(path: Path) -> list[Member | Refused]:
    return list(read_tar(path, lambda name: ALL))


def names(found):
    return [(one.name, one.data) for one in found if isinstance(one, Member)]


@pytest.fixture
def plain(tmp_path) -> bytes:
    return write_shard(tmp_path / "plain.tar", MEMBERS).read_bytes()


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstd, lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]) + bytes(512)]
)
def test_members_are_those_of_the_plain_tar(tmp_path, plain, pack):
    (tmp_path / "a.tar").write_bytes(pack(plain))
    assert read(tmp_path / "a.tar") == read(tmp_path / "plain.tar")
    found = list(read_tar(tmp_path / "a.tar", lambda name: ALL if name.endswith(".txt") else 0))
    assert [one.data for one in found] == [None, b"said", None]


def test_what_gzip_and_tar_of_this_system_write_is_read(tmp_path, plain):
    for name, data in MEMBERS:
        (tmp_path / name).write_bytes(data)
    subprocess.run(["tar", "czf", "a.tgz", "a.jpg", "a.txt", "b.jpg"], cwd=tmp_path, check=True)
    assert names(read(tmp_path / "a.tgz")) == MEMBERS


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_packed_tar_cut_anywhere_gives_the_members_before_the_cut_and_says_so(tmp_path, plain, pack):
    whole = pack(plain)
    for cut in (1, 2, 5, 30, 600, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        (tmp_path / "a.tar.gz").write_bytes(whole[:cut])
        found = read(tmp_path / "a.tar.gz")
        assert names(found) == MEMBERS[: len(found) - 1]
        assert isinstance(found[-1], Refused)
        assert found[-1].reason in ("shard_truncated", "all_bad_shard")
        assert len(found) > 1 or cut <= 1000


def test_a_cut_behind_the_end_of_the_tar_is_told(tmp_path, plain):
    """All members came, and nobody knows what else would have."""
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain)[:-4])
    *members, last = read(tmp_path / "a.tar.gz")
    assert names(members) == MEMBERS
    assert (last.reason, last.detail) == ("shard_truncated", "its gzip stream ends too early")


@pytest.mark.parametrize("place", [-5, -1])
def test_a_sum_that_does_not_hold_is_told(tmp_path, plain, place):
    held = bytearray(gzip.compress(plain))
    held[place] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(held)
    last = read(tmp_path / "a.tar.gz")[-1]
    assert last.reason == "shard_truncated"
    assert last.detail.startswith("its gzip stream is damaged")


def test_a_member_of_gzip_behind_much_padding_is_read(tmp_path, plain):
    (tmp_path / "a.tar.gz").write_bytes(
        gzip.compress(plain[:1000]) + bytes(3 * packed.PIECE_BYTES) + gzip.compress(plain[1000:])
    )
    assert names(read(tmp_path / "a.tar.gz")) == MEMBERS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=8),
    cut=st.integers(0),
    pack=st.sampled_from([gzip.compress, zstd]),
)
def test_whatever_stands_in_the_bytes_reading_ends_and_says_why(tmp_path, flips, cut, pack):
    small = write_shard(tmp_path / "small.tar", MEMBERS[:2]).read_bytes()
    held = bytearray(pack(small))
    for at, value in flips:
        held[at % len(held)] = value
    (tmp_path / "a.tar.gz").write_bytes(held[: len(held) - cut % len(held)])
    found = read(tmp_path / "a.tar.gz")
    assert all(one.reason in REASONS and one.detail for one in found if isinstance(one, Refused))
    if not isinstance(found[-1], Refused):
        assert len(found) == 2
        assert (
            pack is zstd or names(found) == MEMBERS[:2]
        )  # these frames of zstd have no sum, so a changed byte may pass


def test_bytes_behind_the_stream_that_are_none_of_it_are_told(tmp_path, plain):
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain) + b"<html>")
    assert read(tmp_path / "a.tar.gz")[-1].detail.startswith("its gzip stream is damaged")


def bomb(path: Path, size_bytes: int) -> None:
    """Write a tar with one member of so many zeros, packed."""
    info = tarfile.TarInfo("a.jpg")
    info.size = size_bytes
    packer = zlib.compressobj(wbits=31)
    with path.open("wb") as file:
        file.write(packer.compress(info.tobuf(tarfile.PAX_FORMAT)))
        for _ in range(size_bytes // 2**20):
            file.write(packer.compress(bytes(2**20)))
        file.write(packer.flush())


def test_a_bomb_ends_at_a_hundred_times_its_size_and_holds_a_piece_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "ALLOWANCE_BYTES", 2**20)
    bomb(tmp_path / "a.tar.gz", 64 * 2**20)
    size = (tmp_path / "a.tar.gz").stat().st_size
    assert size * 2 * TIMES < 64 * 2**20
    with opened(tmp_path / "a.tar.gz") as held:
        held.read_at(2**40, BLOCK)
        assert held.end < 2**20 + TIMES * size + 2 * packed.PIECE_BYTES
        assert "as bombs do" in held.fault
    [refused, last] = read(tmp_path / "a.tar.gz")
    assert refused.reason == "no_picture"
    assert (last.reason, last.detail) == (
        "shard_truncated",
        f"it unpacks to more than {TIMES} times its size, as bombs do",
    )
    assert ALLOWANCE_BYTES == 2**26


@pytest.fixture
def shards(own, tmp_path):
    """Two folders of three shards each, plain and packed."""
    members = members_of(*own)
    for place in range(3):
        part = members[60 * place : 60 * place + 60]
        data = write_shard(tmp_path / f"plain/{place}.tar", part).read_bytes()
        name, pack = [("0.tar.gz", gzip.compress), ("1.tgz", gzip.compress), ("2.tar.zst", zstd)][place]
        (tmp_path / "packed").mkdir(exist_ok=True)
        (tmp_path / "packed" / name).write_bytes(pack(data))
    return tmp_path


def test_a_snapshot_of_packed_shards_is_that_of_the_plain_ones(shards, tmp_path):
    assert describe_path(shards / "packed")["name"] == "webdataset"
    there = ingest(build_source(describe_path(shards / "plain")), tmp_path / "a", 0)
    here = ingest(build_source(describe_path(shards / "packed")), tmp_path / "b", 0)
    assert here["digest"] == there["digest"]
    assert here["samples"] == 60


class Cut(Exception):
    """The run ends here."""


def test_an_ingest_that_was_cut_goes_on_from_its_whole_shards(shards, tmp_path):
    def cut(doing: str, done: int, total: int, **seen: float) -> None:
        if (doing, done) == ("write pictures", 50):
            raise Cut

    source = str(shards / "packed")
    with pytest.raises(Cut):
        ingest(WebDatasetSource(source), tmp_path / "raw", 0, cut, shard_bytes=5000, kept=KeptShards(tmp_path / "kept"))
    kept = KeptShards(tmp_path / "kept")
    again = ingest(WebDatasetSource(source), tmp_path / "raw", 0, shard_bytes=5000, kept=kept)
    whole = ingest(WebDatasetSource(str(shards / "plain")), tmp_path / "whole", 0, shard_bytes=5000)
    assert again["digest"] == whole["digest"]
    assert kept.used > 0


def test_a_packed_shard_that_is_cut_is_a_row_and_the_others_come_in(shards):
    path = shards / "packed/0.tar.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    found = list(WebDatasetSource(str(shards / "packed")).samples(0, silent))
    rejects = {one.key: one.reason for one in found if isinstance(one, Reject)}
    assert rejects["0.tar.gz"] == "shard_truncated"
    assert 40 < len(found) - len(rejects) < 60


def test_records_of_two_shards_of_one_stem_have_names_of_their_own():
    assert stems_of(["0.tar", "0.tar.gz", "a/1.TGZ"]) == {"0.tar": "0.tar", "0.tar.gz": "0.tar.gz", "a/1.TGZ": "a/1"}
