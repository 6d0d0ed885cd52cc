"""What is drawn parts where it says, ours keeps what a plain reading of the limits keeps, and what differs is counted by kind."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.benchmarks import keep

KINDS = {"a": "plain", "b": "plain", "c": "number", "d": "joined", "e": "emoji"}


def stays(row: dict[str, object]) -> bool:
    """Return whether the limits hold, a row at a time, of what Data-Juicer is given."""
    text, its = row["text"], {name: one for name, (one,) in row["__dj__stats__"].items()}
    return (
        30 <= len(text) <= 120
        and 5 <= len(text.split()) <= 15
        and 1 / 3 <= its["aspect_ratios"] <= 3
        and min(its["image_width"], its["image_height"]) >= 64
        and max(its["image_width"], its["image_height"]) <= 2048
        and its["image_sizes"] >= 8192
    )


def test_ours_keeps_what_the_limits_say_of_the_rows_that_the_other_side_reads(tmp_path, capsys):
    kinds = keep.draw(tmp_path, 2000)
    assert set(kinds.values()) == set(keep.KINDS)
    keep.choose(tmp_path)
    expected = {row["key"] for row in pq.read_table(tmp_path / "flat.parquet").to_pylist() if stays(row)}
    assert set(pq.read_table(tmp_path / "kept.parquet")["key"].to_pylist()) == expected
    left = [2000, *json.loads(capsys.readouterr().out)["left"]]
    assert np.diff(left).max() < 0  # every filter has something to do


@pytest.mark.parametrize(
    ("theirs", "only_ours", "only_theirs", "same"),
    [("acd", {}, {}, True), ("ad", {"number": 1}, {}, True), ("acde", {}, {"emoji": 1}, True), ("abcd", {}, {"plain": 1}, False)],
)  # fmt: skip
def test_rows_that_one_side_keeps_are_counted_by_kind(theirs, only_ours, only_theirs, same):
    said = keep.apart(set("acd"), set(theirs), KINDS)
    assert (said["only_ours"], said["only_data_juicer"]) == (only_ours, only_theirs)
    assert said["counted_alike"] == {"rows": 2, "kept": 1, "same": same}


def test_it_ends_with_one_line_of_json(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["keep", "--rows", "400", "--sides", "ours"])
    keep.main()
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(said["rows"]) == ["40", "400"]
    assert said["rows"]["400"]["sides"]["ours"]["kept"] == said["rows"]["400"]["sides"]["ours"]["left"][-1]
