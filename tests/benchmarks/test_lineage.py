"""Both sides of the benchmark find the same picture, in the same data."""

from tests.benchmarks import lineage


def test_both_sides_find_the_picture(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said = lineage.bench(rows=1000, runs=1)
    ours = said["sides"]["ours"]["found"]
    assert ours["data/raw"] == ours["data/curated/clip"] == {"train": 1}
    assert ours["clip@1"]["trained on"] == 1
    assert said["sides"]["pyarrow"]["found"] == [["train"]] * 4
    assert 0 < said["index_mb"] < 1
