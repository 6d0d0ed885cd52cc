"""Packages as the stages leave them, small, and a store of their own."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.sealed import digest_of, sha256_of
from components.registry.store import Store, open_store
from tests.empty_store import lay_empty_store

PAIR = "retrieval.pair"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workspace without a store; anything that mlflow would leave where we stand is left elsewhere."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def store(root: Path) -> Store:
    lay_empty_store(root)
    return open_store(root)


@pytest.fixture
def packaged(root: Path) -> Callable[..., Path]:
    """Write the package, evaluation and curves of a model whose pair R@1 is given; return the package."""

    def write(recall: float = 0.5, weights: str = "a", training: str = "t1", data: str = "d" * 64) -> Path:
        runs = root / "runs/clip"
        for name in ("package", "evaluate/rows", "pretrain"):
            (runs / name).mkdir(parents=True, exist_ok=True)
        (runs / "package/weights.safetensors").write_text(weights)
        queries = [f"q{at}" for at in range(100)]
        rows = {"query": queries, "group": queries, "rank": [1 + (at >= 100 * recall) for at in range(100)]}
        pq.write_table(pa.table(rows), runs / "evaluate/rows/retrieval.pair.parquet")
        metric = {"unit": "fraction", "better": "up", "n": 289, "chance": 0.003, "baseline": 0.29}
        metrics = {
            f"{PAIR}.image_to_text.recall_at_1": {"value": recall + 0.01, "low": 0.45, "high": 0.57, **metric},
            f"{PAIR}.text_to_image.recall_at_1": {"value": recall - 0.01, **metric},
            f"{PAIR}.mean_recall": {
                "value": recall,
                "data": data,
                "tallies": [{"rows": "retrieval.pair", "column": "rank", "at_most": 1}],
                **metric,
            },
        }
        for name in ("evaluate", "package"):
            (runs / name / "metrics.json").write_text(json.dumps(metrics))
        about = {
            "recipe": "clip", "data_digest": data, "git_commit": "c0ffee", "train_digest": training,
            "start": {"path": "runs/first/pretrain", "digest": "5" * 64},
            "training": {"lr": 0.001, "layers": [1, 2]}, "lock": {"schema": "2.0"},
        }  # fmt: skip
        files = {name: sha256_of(runs / "package" / name) for name in ("metrics.json", "weights.safetensors")}
        manifest = {"digest": digest_of(files), "files": files, **about}
        (runs / "package/manifest.json").write_text(json.dumps(manifest))
        rows = [f"{step},{4 - step / 10},{step / 40 if step % 2 else ''}" for step in range(1, 11)]
        (runs / "pretrain/curves.csv").write_text("step,train.loss,val.recall\n" + "\n".join(rows) + "\n")
        return runs / "package"

    return write
