"""Tars that anybody may have made: what is whole comes in, what is not is named, and nothing is followed or run."""

import gzip
import io
import re
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.contracts.reasons import REASONS
from components.data.sources.tar import BLOCK, Member, Refused, read_tar
from tests.shards import add, write_shard

ALL = 2**20


def read(path, limit=ALL):
    return list(read_tar(path, lambda name: limit))


def names(found):
    return [(one.name, one.data) for one in found if isinstance(one, Member)]


MEMBERS = [
    ("a.jpg", b"1" * 700),
    ("a.txt", b"said"),
    ("deep/b.jpg", b""),
    ("c" * 150 + ".txt", b"long"),
    ("日本.txt", b"x"),
]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_gives_the_members_that_tarfile_gives(tmp_path, kind):
    members = [pair for pair in MEMBERS if kind != tarfile.USTAR_FORMAT or len(pair[0]) < 100]
    path = write_shard(tmp_path / "a.tar", members, format=kind)
    assert names(read(path)) == members
    with tarfile.open(path) as peer:
        assert names(read(path)) == [(one.name, peer.extractfile(one).read()) for one in peer]


def test_what_is_not_wanted_is_not_read(tmp_path):
    path = write_shard(tmp_path / "a.tar", MEMBERS)
    found = list(read_tar(path, lambda name: ALL if name.endswith(".jpg") else 0))
    assert [(one.name, one.data is None, one.size_bytes) for one in found[:3]] == [
        ("a.jpg", False, 700), ("a.txt", True, 4), ("deep/b.jpg", False, 0),
    ]  # fmt: skip


def test_folders_are_no_members_and_a_leading_dot_is_no_name(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "./deep", type=tarfile.DIRTYPE)
        add(tar, "./deep/a.jpg", b"1")
    assert names(read(tmp_path / "a.tar")) == [("deep/a.jpg", b"1")]


@pytest.mark.parametrize("cut", range(0, 5 * BLOCK + 1, 64))
def test_a_tar_cut_anywhere_gives_the_members_before_the_cut_and_says_so(tmp_path, cut):
    whole = write_shard(tmp_path / "a.tar", [("a.jpg", b"1" * 700), ("a.txt", b"said")]).read_bytes()
    (tmp_path / "a.tar").write_bytes(
        whole[:cut]
    )  # header, 2 blocks, header, block; then the empty blocks that close it
    found = read(tmp_path / "a.tar")
    assert names(found) == [("a.jpg", b"1" * 700), ("a.txt", b"said")][: (cut >= 512 + 700) + (cut >= 4 * BLOCK + 4)]
    assert isinstance(found[-1], Refused)
    assert found[-1].reason == ("all_bad_shard" if cut < BLOCK else "shard_truncated")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "it is no tar; it begins with b'<!DOCTYPE html>"),
        (b"<html>" * 500, "it is no tar"),
        (b"\x1f\x8b\x08" + b"\x01" * 600, "its gzip stream is damaged"),
        (gzip.compress(b"<html>" * 500, mtime=0), "it is no tar"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_no_tar_is_refused_as_a_whole(tmp_path, data, says):
    (tmp_path / "a.tar").write_bytes(data)
    [found] = read(tmp_path / "a.tar")
    assert (found.name, found.reason) == ("", "all_bad_shard")
    assert re.match(says, found.detail)


def test_a_damaged_header_ends_the_reading_with_its_place_where_tarfile_stops_in_silence(tmp_path):
    path = write_shard(tmp_path / "a.tar", [("a.jpg", b"1"), ("b.jpg", b"2"), ("c.jpg", b"3")])
    held = bytearray(path.read_bytes())
    held[2 * BLOCK + 3] ^= 1
    path.write_bytes(held)
    with tarfile.open(path) as peer:
        assert peer.getnames() == ["a.jpg"]
    found = read(path)
    assert names(found) == [("a.jpg", b"1")]
    assert found[-1].reason == "shard_truncated"
    assert "has no header of a member at byte 1,024 (bad checksum)" in found[-1].detail


def test_tars_one_after_the_other_are_read_to_the_last(tmp_path):
    first = write_shard(tmp_path / "a.tar", [("a.jpg", b"1")]).read_bytes()
    second = write_shard(tmp_path / "b.tar", [("b.jpg", b"2")]).read_bytes()
    (tmp_path / "c.tar").write_bytes(first + second)
    assert names(read(tmp_path / "c.tar")) == [("a.jpg", b"1"), ("b.jpg", b"2")]


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("name", "header", "reason"),
    [
        ("/etc/passwd.txt", {}, "path_escape"),
        ("a/../../b.txt", {}, "path_escape"),
        ("..\\b.txt", {}, "path_escape"),
        ("C:\\b.txt", {}, "path_escape"),
        ("b.txt", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "symlink"),
        ("b.txt", {"type": tarfile.LNKTYPE, "linkname": "a.txt"}, "symlink"),
        ("b.txt", {"type": tarfile.CHRTYPE}, "symlink"),
        ("b.txt", {"type": tarfile.FIFOTYPE}, "symlink"),
        ("b.txt", {"type": b"Z"}, "symlink"),
        ("x" * 200 + "/../b.txt", {}, "path_escape"),
    ],
)
def test_what_leads_out_or_is_no_plain_file_is_refused_and_the_next_member_is_read(
    tmp_path, kind, name, header, reason
):
    with tarfile.open(tmp_path / "a.tar", "w", format=kind) as tar:
        add(tar, name, **header)
        add(tar, "after.txt", b"fine")
    refused, after = read(tmp_path / "a.tar")
    assert (refused.name, refused.reason) == (name, reason)
    assert (after.name, after.data) == ("after.txt", b"fine")


def test_a_member_that_is_too_large_is_passed_over_by_its_size(tmp_path):
    path = write_shard(tmp_path / "a.tar", [("a.jpg", b"1" * 101), ("b.jpg", b"2" * 100)])
    refused, after = read(path, limit=100)
    assert (refused.reason, refused.detail) == ("no_picture", "101 bytes; at most 100 are read")
    assert after.data == b"2" * 100


@pytest.mark.parametrize("claim", [2**33, 2**62, -1])
def test_a_size_that_no_file_has_allocates_nothing(tmp_path, claim):
    info = tarfile.TarInfo("a.jpg")
    info.size = claim
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"1" * BLOCK)
    [found] = read(tmp_path / "a.tar")
    assert (found.name, found.reason) == ("a.jpg", "shard_truncated")


def test_a_header_that_is_too_long_is_not_read_into_memory(tmp_path):
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            add(tar, "long", b"a" * (2**20 + 1), type=kind)
        [found] = read(tmp_path / "a.tar")
        assert (found.reason, found.detail) == ("shard_truncated", "a header of 1,048,577 bytes at byte 512")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 20 * BLOCK - 1), st.integers(0, 255)), max_size=30), cut=st.integers(0))
def test_whatever_stands_in_the_bytes_reading_ends_and_what_it_gives_lies_in_them(tmp_path, flips, cut):
    path = write_shard(tmp_path / "a.tar", MEMBERS, format=tarfile.PAX_FORMAT)
    held = bytearray(path.read_bytes())
    for at, value in flips:
        held[at % len(held)] = value
    path.write_bytes(held[: len(held) - cut % len(held)])
    found = read(path)
    assert sum(len(one.data) for one in found if isinstance(one, Member)) <= len(held)
    assert all(one.reason in REASONS and one.detail for one in found if isinstance(one, Refused))
    assert all(one.name.encode() for one in found if isinstance(one, Member))


def test_sparse_files_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.jpg")
        info.size, info.pax_headers = 4, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        tar.addfile(info, io.BytesIO(b"0000"))
    [found] = read(tmp_path / "a.tar")
    assert (found.reason, "sparse" in found.detail) == ("symlink", True)
