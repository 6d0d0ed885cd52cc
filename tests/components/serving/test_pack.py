"""A package is named by its bytes: the same ones, the same name; one byte more, another."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.manifest import LABELS, SCHEMA
from components.serving.pack import columns_of, seal, write_index


@pytest.fixture
def folder(tmp_path) -> Path:
    """A few files, one in a folder of its own."""
    root = tmp_path / "package"
    (root / "inner").mkdir(parents=True)
    (root / "b.txt").write_bytes(b"two")
    (root / "a.bin").write_bytes(bytes(range(256)))
    (root / "inner" / "c").write_bytes(b"")
    return root


def test_the_digest_is_over_names_and_bytes_as_sha256sum_prints_them(folder):
    lines = "".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("a.bin", "b.txt", "inner/c")
    )
    assert seal(folder, {}) == hashlib.sha256(lines.encode()).hexdigest()


def test_the_manifest_says_what_is_in_it_and_where_it_comes_from(folder):
    digest = seal(folder, {"recipe": "clip", "seed": 0})
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["digest"] == digest
    assert (manifest["recipe"], manifest["seed"]) == ("clip", 0)
    assert list(manifest["files"]) == ["a.bin", "b.txt", "inner/c"]
    assert manifest["files"]["b.txt"] == hashlib.sha256(b"two").hexdigest()


def test_the_same_files_are_the_same_package_whenever_and_by_whomever(folder):
    digest = seal(folder, {"recipe": "clip", "git_commit": "1"})
    (folder / "manifest.json").unlink()
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    assert seal(folder, {"recipe": "clip", "git_commit": "2"}) == digest


def test_sealing_twice_is_sealing_once(folder):
    digest = seal(folder, {})
    assert seal(folder, {}) == digest
    assert "manifest.json" not in json.loads((folder / "manifest.json").read_text())["files"]


@pytest.mark.parametrize("change", ["byte", "name", "more", "less", "moved"])
def test_any_change_is_another_package(folder, change):
    digest = seal(folder, {})
    if change == "byte":
        data = bytearray((folder / "a.bin").read_bytes())
        data[100] ^= 1
        (folder / "a.bin").write_bytes(data)
    elif change == "name":
        (folder / "b.txt").rename(folder / "B.txt")
    elif change == "more":
        (folder / "d").touch()
    elif change == "less":
        (folder / "inner" / "c").unlink()
    else:
        (folder / "inner" / "c").rename(folder / "c")
    assert seal(folder, {}) != digest


def test_the_index_is_rows_of_float32_and_what_each_shows(tmp_path):
    rows = np.eye(3, 4, dtype=np.float64)[:, ::-1]
    write_index(tmp_path, rows, ["k0", "k1", "k2"], ["a heart", "", "赤"], ["noto", "noto", "openmoji"])
    kept = np.load(tmp_path / "index.npy", allow_pickle=False)
    assert kept.dtype == np.float32
    assert kept.flags["C_CONTIGUOUS"]
    assert np.array_equal(kept, rows)
    assert pq.read_table(tmp_path / "index.parquet").to_pydict() == {
        "key": ["k0", "k1", "k2"], "text": ["a heart", "", "赤"], "source": ["noto", "noto", "openmoji"]
    }  # fmt: skip


def test_what_an_index_is_narrowed_by_is_what_its_manifest_says(tmp_path):
    row = dict.fromkeys(SCHEMA.names) | {
        "split": "val",
        "licence": "CC0-1.0",
        "labels": dict.fromkeys(LABELS) | {"category": "Flags"},
    }
    rows = pa.Table.from_pylist([row, row | {"licence": None, "labels": None}], SCHEMA)
    assert columns_of(rows) == {"split": ["val", "val"], "licence": ["CC0-1.0", None], "category": ["Flags", None]}
    write_index(tmp_path, np.eye(2), ["a", "b"], ["x", "y"], ["s", "s"], columns_of(rows))
    assert pq.read_table(tmp_path / "index.parquet")["category"].to_pylist() == ["Flags", None]


def test_an_index_is_the_same_bytes_twice(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_index(tmp_path / name, np.eye(2), ["a", "b"], ["x", "y"], ["s", "s"])
    assert seal(tmp_path / "one", {}) == seal(tmp_path / "two", {})
