"""Two runs' outputs are equal but for how long they took, or it is said what differs and how far."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from flows.lineage.alike import alike, hashed


@pytest.fixture
def two(tmp_path):
    """Two folders with the same in them."""
    folders = [tmp_path / name for name in ("now", "before")]
    for at, folder in enumerate(folders):
        folder.mkdir()
        save_file({"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(2, np.float32)}, folder / "weights.safetensors")
        numbers = {"loss": 0.5, "timing": {"seconds": at}, "nothing": float("nan"), "of": [{"seconds": at, "n": 3}]}
        (folder / "metrics.json").write_text(json.dumps(numbers))
        pq.write_table(
            pa.table({"key": ["a", "b"], "rank": [1, 2]}), folder / "rows.parquet", compression=["zstd", "gzip"][at]
        )
        (folder / "report.html").write_text(f"it took {at} s")
        (folder / "curves.csv").write_text("step,loss\n1,0.5\n")
    return folders


def held(now, before, by="md5", places=True):
    files = {path.name: path for path in before.iterdir()}
    return alike(now, {name: hashed(path, by) for name, path in files.items()}, files if places else {}, by)


@pytest.mark.parametrize("by", ["md5", "sha256"])
def test_how_long_it_took_is_no_part_of_it(two, by):
    found = held(*two, by)
    assert (found.is_equal, found.files, found.differ) == (True, 4, {})


def test_how_far_weights_are_is_said(two):
    now, _ = two
    save_file({"a": np.arange(6.0).reshape(2, 3) + 0.25, "b": np.zeros(2, np.float32)}, now / "weights.safetensors")
    assert held(*two).differ == {"weights.safetensors": "1 of 2 tensors differ, by 2.5e-01 at most (a)"}
    save_file({"a": np.full((2, 3), np.nan), "b": np.zeros(2, np.float32)}, now / "weights.safetensors")
    assert "by nan at most (a)" in held(*two).differ["weights.safetensors"]
    save_file({"a": np.zeros(3), "b": np.zeros(2, np.float32)}, now / "weights.safetensors")
    assert held(*two).differ == {"weights.safetensors": "has a as float64 (3,), before float64 (2, 3)"}
    save_file({"b": np.full(2, -0.0, np.float32), "a": np.arange(6.0).reshape(2, 3)}, now / "weights.safetensors")
    assert "1 of 2 tensors differ, by 0.0e+00 at most" in held(*two).differ["weights.safetensors"], "to the bit"
    save_file({"b": np.zeros(2, np.float32)}, now / "weights.safetensors")
    assert held(*two).differ == {"weights.safetensors": "has other tensors: a"}


def test_values_rows_and_files_that_differ_are_named(two):
    now, _ = two
    (now / "metrics.json").write_text(json.dumps({"loss": 0.25, "nothing": float("nan"), "of": [{"n": 3}], "more": 1}))
    pq.write_table(pa.table({"key": ["a", "b"], "rank": [1, 3]}), now / "rows.parquet")
    (now / "curves.csv").unlink()
    (now / "new").touch()
    assert held(*two).differ == {
        "metrics.json": "2 of 4 values differ: loss 0.5 before, 0.25 now; more None before, 1 now",
        "rows.parquet": "has other values in rank",
        "curves.csv": "is not there any more",
        "new": "was not there before",
    }


def test_without_what_it_was_other_bytes_differ_and_numbers_that_may_be_times_are_unknown(two):
    found = held(*two, places=False)
    assert (found.unknown, found.differ) == (("metrics.json",), {"rows.parquet": "has other bytes"})
