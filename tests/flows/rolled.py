"""Versions of the tiny package in a real registry: served in seconds, and right in as many of sixty queries as one likes."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.contracts.sealed import sha256_of
from components.registry.champion import files_of
from components.registry.store import Store
from components.registry.versions import ModelVersion, register
from components.serving.pack import seal, write_index
from components.serving.package import Package
from flows.serving.down import down
from tests.components.serving.tiny_package import WIDTH, make_package
from tests.empty_store import lay_empty_store

REPOSITORY = Path(__file__).parents[2]
LARGE = 8_000_000
SLOW = 1_500  # rows and columns of matrices that a slow encoder multiplies


def make_place(root: Path) -> Path:
    """Make a workspace that can register and serve, and has no data."""
    (root / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    shutil.copy(REPOSITORY / "params.yaml", root)
    (root / "dvc.yaml").write_text("stages: {}\n")
    for name in ("components", "infra"):
        (root / name).symlink_to(REPOSITORY / name)
    return root


@contextmanager
def served_place(folder: Path, **deploy: object) -> Iterator[Path]:
    """Yield a workspace with a registry of its own and these rules of deploying; what is served there ends with the block."""
    root = make_place(folder)
    lay_empty_store(root)
    rules(root, **deploy)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        try:
            yield root
        finally:
            down(root)


def rules(root: Path, **deploy: object) -> None:
    """Change section `deploy` of its params.yaml."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["deploy"] = {**params["deploy"], **deploy}
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def ask(store: Store, version: ModelVersion) -> None:
    """Do what somebody does who sets the alias on MLflow's page."""
    store.client.set_registered_model_alias(version.name, "champion", version.version)


def make_version(
    root: Path, store: Store, seed: int, right: int, spoil: str = "", held_to: ModelVersion | None = None
) -> ModelVersion:
    """Return a new version of `tiny`.

    Args:
        seed: of its weights.
        right: queries of sixty that it answers rightly.
        spoil: `nan`: an encoder gives no numbers; `slow`: one takes long over each; `graph`: one cannot be loaded; `wide`: its index is of other vectors. `large`: it is well, and its
            index has LARGE bytes.
        held_to: a version of the same seed, whose pictures its texts find; they did so for as many of the sixty.
    """
    shutil.rmtree(root / "runs" / "tiny", ignore_errors=True)
    package, evaluate = root / "runs/tiny/package", root / "runs/tiny/evaluate"
    make_package(package, seed, noise=None if held_to is None else 1)
    (package / "manifest.json").unlink()
    _spoil(package, spoil)
    (evaluate / "rows").mkdir(parents=True)
    queries = [f"q{at:02d}" for at in range(60)]
    rows = {"query": queries, "group": queries, "rank": [1 + (at >= right) for at in range(60)]}
    pq.write_table(pa.table(rows), evaluate / "rows/retrieval.pair.parquet")
    tallies = [{"rows": "retrieval.pair", "column": "rank", "at_most": 1}]
    metric = {
        "value": right / 60,
        "unit": "fraction",
        "better": "up",
        "n": 60,
        "chance": 0.06,
        "baseline": 0.3,
        "tallies": tallies,
        "data": "here",
    }
    metrics = {"retrieval.pair.mean_recall": metric}
    about = {"recipe": "tiny", "data_digest": "0" * 64, "onnx_furthest": {"image": 1e-6}, "signature": {"width": 16}}
    if held_to is not None:
        old = Package.verify(files_of(held_to, root, store))
        about["compatible_with"] = {"label": held_to.label, "digest": old.digest, "space": old.space}
        tallies = [{"rows": "compatible.pair", "column": "rank", "at_most": 1}]
        metrics["compatible.pair.text_to_image.recall_at_1"] = {**metric, "tallies": tallies}
        pq.write_table(
            pa.table({**rows, "baseline_rank": [1] * 20 + [2] * 40}), evaluate / "rows/compatible.pair.parquet"
        )
    (evaluate / "metrics.json").write_text(json.dumps(metrics))
    shutil.copy(evaluate / "metrics.json", package)
    seal(package, about)
    return register(package, root, store)


def _spoil(package: Path, how: str) -> None:
    graph = package / "image_encoder.onnx"
    if how == "graph":
        graph.write_bytes(graph.read_bytes()[:-100])
    elif how == "nan":
        model = onnx.load(str(graph))
        for weights in model.graph.initializer:
            if weights.name == "projection":
                values = onnx.numpy_helper.to_array(weights) * np.float32("nan")
                weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
        onnx.save(model, str(graph))
    elif how == "slow":
        _slow_down(package / "text_encoder.onnx")
    elif how == "wide":
        index = np.load(package / "index.npy")
        np.save(package / "index.npy", np.concatenate([index, index], axis=1), allow_pickle=False)
    elif how == "large":
        rows = LARGE // (4 * WIDTH)
        index = np.load(package / "index.npy")
        write_index(
            package,
            np.resize(index, (rows, WIDTH)),
            [f"key-{at}" for at in range(rows)],
            ["a red square"] * rows,
            ["tiny"] * rows,
        )


def _slow_down(graph: Path) -> None:
    """Have a graph multiply large matrices of what it is given, and add nothing of that to what it gives."""
    model = onnx.load(str(graph))
    given = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["quick" if name == given else name for name in node.output]
    for name, value in (("side", np.array([SLOW, SLOW])), ("nothing", np.float32(0))):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    nodes = [
        ("ReduceMax", ["quick"], "most", {"keepdims": 0}),
        ("Expand", ["most", "side"], "large", {}),
        ("MatMul", ["large", "large"], "larger", {}),
        ("ReduceMean", ["larger"], "mean", {"keepdims": 0}),
        ("Mul", ["mean", "nothing"], "none", {}),
        ("Add", ["quick", "none"], given, {}),
    ]
    model.graph.node.extend(onnx.helper.make_node(kind, taken, [made], **how) for kind, taken, made, how in nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(graph))


def flip_a_byte(root: Path, version: ModelVersion) -> None:
    """Change one byte of what the registry keeps of a version."""
    (file,) = (root / "mlartifacts").rglob(f"{version.run_id}/artifacts/package/image_encoder.onnx")
    before, data = sha256_of(file), bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    assert sha256_of(file) != before
