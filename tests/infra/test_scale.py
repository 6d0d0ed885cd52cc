"""The tables of docs/scale.md come from what was measured, and say what the formulas beside them say."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.scale import DEADLINE_H, MOST_SEEN, PAIRS, THEIRS, Ours, data_row, page, tables, training_row
from tests.infra.deployed import REPOSITORY

OURS = Ours(
    pair_bytes=8 * 2**20 / 100, ingest_cpu_s=0.0036, validate_cpu_s=0.0003, validate_bytes=1000, dedup_cpu_s=0.00006,
    decoded_per_cpu_s=100, cached_per_cpu_s=1000, pull_bytes_per_s=8 * 2**20,
)  # fmt: skip


def test_the_page_shows_what_comes_of_the_numbers_now():
    text = (REPOSITORY / "docs/scale.md").read_text()
    assert page(text, Ours.read(REPOSITORY)) == text
    assert page(text, OURS) != text


def test_a_row_of_data_is_the_formulas_by_hand():
    assert data_row(1e6, OURS) == ["1 M", "83.9 GB", "10 k", "1.0 h", "6.0 min", "1 GB", "151 GB", "2.8 h"]
    assert data_row(10, OURS)[2] == "1", "the last shard need not be full"


def test_a_row_of_training_is_the_formulas_by_hand():
    large = THEIRS[-1]
    assert large.samples_per_gpu_s == pytest.approx(12.8e9 / (50_800 * 3600))
    pairs, model, seen, hours, gpus, each, cores, read, cost = training_row(1e8, large, OURS, price=3.0)
    assert (pairs, model, seen) == ("100 M", "ViT-L-14", "3.2 B")
    assert (hours, cost) == ("12,700", "38,100"), "a quarter of 50,800, at 3 an hour"
    assert (gpus, each) == ("177", "71.8"), "as few as end in three days"
    assert float(each) <= DEADLINE_H
    assert cores == "0.7"
    assert read == "1,039 MB/s"
    assert training_row(1e12, large, OURS, 1.0)[2:4] == ["12.8 B", "50,800"], "no training sees more"


def test_every_size_and_model_has_a_row():
    lines = tables(OURS, PAIRS, 1.0).splitlines()
    assert sum(line.startswith("| 1 B |") for line in lines) == 1 + len(THEIRS)
    assert len(lines) == (2 + len(PAIRS)) + 1 + (2 + len(PAIRS) * len(THEIRS))
    assert MOST_SEEN == 12.8e9


def test_it_says_when_the_page_is_another(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/benchmarks").symlink_to(REPOSITORY / "docs/benchmarks")
    text = (REPOSITORY / "docs/scale.md").read_text()
    for said, code in ((text, 0), (text.replace("| 1 B |", "| 2 B |"), 1)):
        (tmp_path / "docs/scale.md").write_text(said)
        ran = subprocess.run(
            [sys.executable, "-m", "infra.scale"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(REPOSITORY)},
        )
        assert ran.returncode == code, ran.stderr
