"""Listed: by key alone, of the very file that was meant, and a key of no sample is an error unless it is asked to be none."""

from pathlib import Path

import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.sealed import sha256_of
from components.curation.ops.listed import Listed
from components.data.manifest import SCHEMA, write_manifest
from tests.components.curation.toy import apply, manifest, row


def listed(path: Path, text: str = "", **also) -> Listed:
    if text:
        path.write_text(text)
    return Listed(str(path), sha256_of(path)[:12], **also)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.csv", "key,why\nk005,sharp\nk001,\nk005,again\n"),
        ("mine.jsonl", '{"key": "k005"}\n{"key": "k001"}\n'),
        ("mine.txt", "k005\nk001  # good\n"),
    ],
)
def test_what_is_named_stays_or_goes_whatever_the_list_is_written_as(tmp_path, name, text):
    left, report = apply(listed(tmp_path / name, text), manifest(8))
    assert left["key"].to_pylist() == ["k001", "k005"]
    assert (report.dropped, report.stats) == ({"not listed": 6}, {"listed": 2, "unknown": 0})
    left, report = apply(listed(tmp_path / name, keep=False), manifest(8))
    assert left["key"].to_pylist() == ["k000", "k002", "k003", "k004", "k006", "k007"]
    assert (report.dropped, report.examples) == ({"listed": 2}, {"listed": ("k001", "k005")})


def test_of_a_manifest_the_splits_that_do_not_come_in_are_passed_over(tmp_path):
    whole = pa.Table.from_pylist([row(1), row(4), row(30, split="val"), row(31, split="pair")], SCHEMA)
    write_manifest(whole, tmp_path / "manifest.parquet")
    left, report = apply(listed(tmp_path / "manifest.parquet"), manifest(8))
    assert left["key"].to_pylist() == ["k001", "k004"]
    assert report.stats["unknown"] == 0


def test_a_key_of_no_sample_is_named_with_the_nearest_or_counted(tmp_path):
    with pytest.raises(DataError, match=r"has no sample 'k0003' \(nearest: k0.*allow_unknown: true"):
        apply(listed(tmp_path / "mine.txt", "k0003\nk004\n"), manifest(8))
    left, report = apply(listed(tmp_path / "mine.txt", allow_unknown=True), manifest(8))
    assert left["key"].to_pylist() == ["k004"]
    assert report.stats == {"listed": 1, "unknown": 1}


def test_a_list_that_leaves_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"Listed, left none of 8 samples: not listed \(8\)"):
        apply(listed(tmp_path / "mine.txt", "k090\n", allow_unknown=True), manifest(8))


def test_another_file_than_was_meant_is_refused(tmp_path):
    op = listed(tmp_path / "mine.txt", "k003\n")
    (tmp_path / "mine.txt").write_text("k004\n")
    with pytest.raises(DataError, match=r"lists other keys than were meant\. Say digest"):
        apply(op, manifest(8))
    (tmp_path / "mine.txt").unlink()
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file.*Paths start at the workspace"):
        apply(op, manifest(8))


@pytest.mark.parametrize("digest", ["", "abc", "x" * 12])
def test_a_list_without_a_digest_is_refused_before_it_is_read(digest):
    with pytest.raises(ConfigError, match=r"^digest is .*sha256sum mine\.csv"):
        Listed("mine.csv", digest)


def test_a_table_without_keys_is_refused_with_its_columns(tmp_path):
    with pytest.raises(ConfigError, match="no column 'key', only name, caption"):
        apply(listed(tmp_path / "mine.csv", "name,caption\nk001,a\n"), manifest(8))
