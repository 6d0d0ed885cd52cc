"""The loader's benchmark compares like with like, adds up by hand, and the page says what was measured."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.benchmarks import loader, loader_page
from tests.benchmarks.our_loader import WAYS, Loading, RowCache, measure
from tests.benchmarks.peers.spent import passed
from tests.benchmarks.photographs import drawn, write_tars

COUNT, SIZE, PIXELS, BATCH = 24, (64, 48), 16, 8


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A snapshot of small photographs."""
    folder = tmp_path_factory.mktemp("loader")
    return loader.snapshot(write_tars(folder / "tars", COUNT, SIZE), folder / "raw")


def test_photographs_are_the_same_every_time_and_of_their_size(tmp_path):
    first = list(drawn(3, (500, 375)))
    assert first == list(drawn(3, (500, 375)))
    assert len(set(first)) == 3
    assert {Image.open(io.BytesIO(data)).size for data in first} == {(500, 375)}
    tars = write_tars(tmp_path, 3, (500, 375), a_tar=2)
    with tarfile.open(tars / "000001.tar") as tar:
        assert tar.getnames() == ["000000002.jpg", "000000002.txt"]
        assert tar.extractfile("000000002.jpg").read() == first[2]


@pytest.mark.parametrize("way", WAYS)
def test_ours_shows_every_sample_of_every_epoch(way, raw, tmp_path):
    said = measure(raw, tmp_path / "cache", PIXELS, BATCH, way)
    assert [epoch["samples"] for epoch in (*said["epochs"], said["again"])] == [COUNT] * 3
    assert all(epoch["cpu_s"] > 0 for epoch in said["epochs"])


def test_plain_is_what_a_model_is_asked_with(raw, tmp_path):
    """The batches hold the pixels of the one transform, in another order."""
    loading = Loading(raw, RowCache(folder=tmp_path), PIXELS, BATCH, "plain")
    shown = torch.cat(list(loading.epoch(0)))
    wanted = (
        torch.stack([torch.from_numpy(loader.Preprocess(size=PIXELS)(data)) for data in loading.pool.pictures]).float()
        / 255
    )
    assert sorted(shown.flatten(1).tolist()) == sorted(wanted.flatten(1).tolist())


def test_what_is_no_float_batch_of_that_shape_is_no_comparison():
    with pytest.raises(ValueError, match="not floats of"):
        passed([torch.zeros(2, 3, 8, 8, dtype=torch.uint8)], (3, 8, 8))
    with pytest.raises(ValueError, match="not floats of"):
        passed([torch.zeros(2, 3, 8, 8)], (3, 9, 9))


def run(first_s: float, second_s: float, **more: object) -> dict[str, object]:
    epochs = [{"samples": 100, "cpu_s": s, "wall_s": 2 * s, "private_mb": 10.0} for s in (first_s, second_s)]
    return {"epochs": epochs, "versions": {"open_clip_torch": "1", "webdataset": "2"}, **more}


def test_ratios_are_of_medians_and_a_way_is_beside_its_like():
    turns = {f"{side} {way} {size}": [run(4.0, 4.0)] for side, way, size in loader.sides()}
    turns["ours plain 500x375"] = [run(1.0, 0.1), run(2.0, 0.2), run(9.0, 0.9)]
    turns["ours device 500x375"] = [run(1.0, 1.0)]
    said = loader.compared(turns)
    assert said["ratios"]["plain 500x375 beside open_clip"] == {"epoch_1": 2.0, "epoch_2": 20.0}
    assert said["ratios"]["device 500x375 beside litdata"] == {"epoch_1": 4.0, "epoch_2": 4.0}
    assert said["ratios"]["train 500x375 beside open_clip"] == {"epoch_1": 1.0, "epoch_2": 1.0}
    assert (said["ratio"], said["ours"], said["peer"]) == (2.0, 50.0, 25.0)
    assert said["peer_version"] == "open_clip 1, webdataset 2"


def test_scaling_is_of_medians_and_of_the_most_memory():
    few = [
        {"epochs": [{"samples": 10, "cpu_s": s, "private_mb": mb}]} for s, mb in ((1.0, 10.0), (1.2, 20.0), (5.0, 5.0))
    ]
    many = [{"epochs": [{"samples": 100, "cpu_s": 12.0, "private_mb": 30.0}]}]
    assert loader.scaled(many, few) == {"samples": 10.0, "cpu_s": 10.0, "private_mb": 1.5}


def test_our_pixels_are_near_the_peers():
    apart = loader.pixels_differ(count=2)
    assert set(apart) == {f"{size} {way}" for size in loader.SIZES for way in ("as we do", "decoded whole")}
    assert 0 < max(apart.values()) < 3


def test_the_page_shows_what_was_measured():
    page = loader_page.PAGE.read_text()
    assert loader_page.START in page
    assert loader_page.with_table(page) == page


def test_the_verdict_is_of_the_least_and_the_most():
    ratios = {
        "plain 9x9 beside open_clip": {"epoch_1": 2.0, "epoch_2": 9.0}, "plain 5x5 beside open_clip": {"epoch_1": 3.5, "epoch_2": 8.5},
        "plain 9x9 beside litdata": {"epoch_1": 1.5, "epoch_2": 8.25}, "train 9x9 beside litdata": {"epoch_1": 0.5, "epoch_2": 0.5},
    }  # fmt: skip
    said = loader_page.verdict(ratios)
    assert "2 to 3.5 times open_clip and 1.5 to 1.5 times litdata" in said
    assert "at least 8.25 times either" in said


def test_what_was_measured_says_all_that_a_benchmark_must():
    said = json.loads(loader_page.KEPT.read_text())
    assert {"bench", "ratio", "ours", "peer", "peer_version", "unit", "runs", "machine", "commit"} <= set(said)
    assert said["bench"] == "loader"


def test_what_the_page_says_in_words_is_true_of_the_numbers():
    ratios = json.loads(loader_page.KEPT.read_text())["ratios"]
    first, second = ({name: its[which] for name, its in ratios.items()} for which in ("epoch_1", "epoch_2"))
    assert min(its for name, its in second.items() if not name.startswith("train")) > 8
    assert min(its for name, its in first.items() if name.startswith("plain")) > 1
    assert min(its for name, its in first.items() if name.startswith("plain") and name.endswith("open_clip")) >= 2
    assert max(its for which in (first, second) for name, its in which.items() if name.startswith("train")) < 1
    scaling = json.loads(loader_page.KEPT.read_text())["scaling"]
    assert scaling["samples"] == 10
    assert scaling["cpu_s"] == pytest.approx(10, abs=1.5)
    assert scaling["private_mb"] < 1.1
