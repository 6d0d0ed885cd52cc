"""series.parquet: which pictures are of one series, by a digest of what it is called, and no file for data that names none."""

import csv

import pyarrow as pa

from components.data.beside import read_kind
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.series import SCHEMA, SERIES, series_in
from components.data.sources.table import PairTable
from components.validation.kinds import run_kind
from tests.own_pictures import paint


def brought_in(folder, series):
    """Bring in pictures of series that take turns, each group after the other's; "" is none."""
    said = paint(folder / "mine", len(series))
    with (folder / "mine/captions.csv").open("w", newline="", encoding="utf-8") as opened:
        rows = [(name, its[0], one) for (name, its), one in zip(said.items(), series, strict=True)]
        csv.writer(opened).writerows([("image", "caption", "group"), *rows])
    return ingest(PairTable(str(folder / "mine/captions.csv")), folder / "raw", 0)


def test_pictures_of_a_series_share_what_is_kept_of_it_and_nobody_s_name_is(tmp_path):
    came_in = brought_in(tmp_path, ["Ann", "Bob", "Cid", "Dan"] * 5 + ["", ""])
    assert came_in["series"] == {"series": 4, "pictures": 20}
    manifest = read_manifest(tmp_path / "raw/manifest.parquet")
    keys = manifest["key"].to_pylist()
    found = dict(zip(keys, series_in(tmp_path / "raw", keys), strict=True))
    named = {key: its for key, its in found.items() if its}
    assert len(named) == 20
    by_number = [found[key] for key in sorted(keys)]
    assert len(set(by_number[:4])) == 4
    assert by_number[:20] == by_number[:4] * 5
    assert by_number[20:] == [None, None]
    assert b"Ann" not in (tmp_path / "raw/series.parquet").read_bytes()
    of = dict(zip(keys, manifest["split"].to_pylist(), strict=True))
    assert all(len({of[key] for key in named if named[key] == one}) == 1 for one in named.values())


def test_data_without_series_has_no_such_file(tmp_path):
    assert "series" not in brought_in(tmp_path, [""] * 12)
    assert read_kind(tmp_path / "raw", SERIES) is None
    assert series_in(tmp_path / "raw", ["a"]) == ()


def test_a_series_in_two_splits_is_found():
    rows = pa.Table.from_pylist([{"key": f"k{at}", "series": one} for at, one in enumerate("aabb")], SCHEMA)
    manifest = pa.table({"key": [f"k{at}" for at in range(4)], "split": ["train", "train", "val", "train"]})
    _, findings = run_kind(SERIES, rows, manifest, 4)
    assert {(one.row, one.reason) for one in findings} == {(2, "series_split"), (3, "series_split")}
