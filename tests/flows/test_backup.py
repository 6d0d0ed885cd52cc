"""A backup that somebody has made up, or changed and given new digests: none of it is put back. Nor is any, where it would be in somebody's way."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError, DataError
from components.serving.process import ProcessId
from flows.stack.archive import ABOUT, VERSION, is_its_name, verified
from flows.stack.place import KEYS
from flows.stack.postgres import DATABASES
from flows.stack.restore import put_back, refuse_if_runs_begin
from flows.stack.seen import One, Seen

WORD = b"a word"
MD5 = hashlib.md5(WORD, usedforsecurity=False).hexdigest()
CACHED = f"cache/md5/{MD5[:2]}/{MD5[2:]}"
GOOD = {f"databases/{next(iter(DATABASES))}.dump": b"dump", "buckets/dvc/files/a": b"object", CACHED: WORD}


def write(
    path: Path, parts: dict[str, bytes], mode: str = "w", more: tuple[tarfile.TarInfo, ...] = (), about: object = None
) -> Path:
    """Write an archive that says of itself what it has, unless something else is given."""
    said = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    its = json.dumps({"version": VERSION, "sha256": said} if about is None else about).encode()
    with tarfile.open(path, mode) as archive:
        for name, data in {**parts, ABOUT: its}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in more:
            archive.addfile(member, io.BytesIO(WORD) if member.size else None)
    return path


def test_one_that_is_as_it_was_written_is_believed(tmp_path):
    assert set(verified(write(tmp_path / "all.tar", GOOD)).parts) == set(GOOD)


@pytest.mark.parametrize("name", [
    "../out", "/etc/passwd", "buckets/dvc/../../out", "buckets/theirs/a", "databases/other.dump", "cache/../../out", "cache/config", "home/.ssh/key",
])  # fmt: skip
def test_a_part_that_would_lie_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="which no backup has"):
        verified(write(tmp_path / "all.tar", {**GOOD, name: WORD}))


@pytest.mark.parametrize("about", [
    [], "words", {"version": VERSION, "sha256": []}, {"version": VERSION, "sha256": {"passwords.json": 1}}, {"version": VERSION + 1, "sha256": {}},
])  # fmt: skip
def test_an_archive_that_says_of_itself_what_no_backup_says_is_refused(tmp_path, about):
    with pytest.raises(DataError, match="does not say what it has"):
        verified(write(tmp_path / "all.tar", GOOD, about=about))


@pytest.mark.parametrize("passwords", [[], "words", {"mlflow": 1}, {"mlflow": {"of": "us"}}, None])
def test_passwords_that_are_no_texts_by_name_are_refused(tmp_path, passwords):
    with pytest.raises(DataError, match="not said as a backup says them"):
        verified(write(tmp_path / "all.tar", {**GOOD, KEYS: json.dumps(passwords).encode()}))
    assert KEYS in verified(write(tmp_path / "all.tar", {**GOOD, KEYS: b'{"mlflow": "word"}'})).parts


@pytest.mark.parametrize("rows", [[], {"mlflow": []}, {"mlflow": {"runs": 1}}])
def test_digests_of_rows_that_are_no_texts_by_table_are_refused(tmp_path, rows):
    said = {name: hashlib.sha256(data).hexdigest() for name, data in GOOD.items()}
    with pytest.raises(DataError, match="not said as a backup says them"):
        verified(write(tmp_path / "all.tar", GOOD, about={"version": VERSION, "sha256": said, "rows": rows}))


def test_data_under_the_digest_of_other_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not the data of that digest"):
        verified(write(tmp_path / "all.tar", {**GOOD, CACHED: b"another"}))


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, to, len(WORD) if kind == tarfile.REGTYPE else 0
    return made


@pytest.mark.parametrize("more", [
    member(CACHED), member("buckets/dvc/link", tarfile.SYMTYPE, "/etc/passwd"), member("buckets/dvc/hard", tarfile.LNKTYPE, CACHED),
    member("buckets/dvc/pipe", tarfile.FIFOTYPE),
], ids=["twice", "link", "hard link", "pipe"])  # fmt: skip
def test_what_is_there_twice_or_no_file_is_refused(tmp_path, more):
    with pytest.raises(DataError, match="which no backup has"):
        verified(write(tmp_path / "all.tar", GOOD, more=(more,)))


def test_what_would_unpack_without_end_is_refused_before_it_does(tmp_path):
    sparse = tarfile.TarInfo("buckets/dvc/sparse")
    sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": f"0,6,{2**60},0", "GNU.sparse.size": str(2**60), "GNU.sparse.name": sparse.name}  # fmt: skip
    sparse.size = len(WORD)
    with pytest.raises(DataError, match="which no backup has"):
        verified(write(tmp_path / "sparse.tar", GOOD, more=(sparse,)))
    with pytest.raises(DataError, match="cannot be read as a backup"):
        verified(write(tmp_path / "packed.tar", GOOD, mode="w:gz"))


@pytest.mark.parametrize("data", [b"", b"no archive", b"\0" * 10240])
def test_what_is_no_archive_is_said(tmp_path, data):
    (tmp_path / "all.tar").write_bytes(data)
    with pytest.raises(DataError):
        verified(tmp_path / "all.tar")


def test_a_damaged_file_of_the_cache_is_known_before_it_is_kept(tmp_path):
    (tmp_path / "whole").write_bytes(WORD)
    (tmp_path / "rotten").write_bytes(WORD[:-1])
    assert is_its_name(CACHED, tmp_path / "whole")
    assert is_its_name(f"{CACHED}.dir", tmp_path / "whole")
    assert not is_its_name(CACHED, tmp_path / "rotten")


@pytest.mark.parametrize("was", [None, b"a rotten word", WORD], ids=["missing", "damaged", "whole"])
def test_a_file_of_the_cache_is_what_the_backup_has_of_it_whatever_was_there(tmp_path, was):
    cached = tmp_path / CACHED
    if was is not None:
        cached.parent.mkdir(parents=True)
        cached.write_bytes(was)
        cached.chmod(0o444)
    before = cached.stat().st_ino if was == WORD else None
    half = cached.with_name(f"{cached.name}.restoring")
    if was is not None:  # as one that was ended in the middle leaves it
        half.write_bytes(b"a w")
        half.chmod(0o444)
    put_back(cached, CACHED, io.BytesIO(WORD))
    assert is_its_name(CACHED, cached)
    assert cached.read_bytes() == WORD
    assert before in (None, cached.stat().st_ino), "what is whole is not written anew"


def servers(*names: str) -> Seen:
    """Return servers that are well."""
    ones = [One(name=name, what="", address="", state="well", why="", since="", pid=None, starts=1, log="", metrics="") for name in names]  # fmt: skip
    return Seen(process=ProcessId.of(os.getpid()), data=Path("data"), without=(), services=tuple(ones))


@pytest.mark.parametrize("names", [("worker-cpu", "hooks"), ("worker-gpu",), ("hooks",)])
def test_whoever_begins_runs_is_named_before_anything_is_filled_with_what_mends_it(names):
    with pytest.raises(ConfigError) as caught:
        refuse_if_runs_begin(servers("postgres", *names), Path("all.tar"))
    assert str(caught.value).startswith(f"{', '.join(names)} run here")
    assert str(caught.value).endswith(": diptych down; diptych restore all.tar --data DIR")


def test_servers_that_begin_nothing_are_filled():
    refuse_if_runs_begin(servers("postgres", "s3", "prefect", "mlflow"), Path("all.tar"))
