"""Versions in a small workspace, registered for real: packages of a few letters, with what a package says of where it comes from."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.contracts.sealed import digest_of, sha256_of
from components.registry.store import open_store
from components.registry.versions import ModelVersion, register
from components.serving.endpoint import Endpoint, served_folder, write_endpoint
from components.serving.process import ProcessId
from flows.data.revisions import outs_of
from tests.empty_store import lay_empty_store


def entries(root: Path) -> dict[str, dict[str, str]]:
    """Return lock entries of data/raw and of the selection of clip, as a package keeps them."""
    lock = {out["path"]: out["md5"] for out in outs_of((root / "dvc.lock").read_text())}
    return {
        "ingest": {"data/raw": lock["data/raw"]}, "curate@clip": {"data/curated/clip": lock["data/curated/clip"]},
    }  # fmt: skip


def version(root: Path, weights: str, name: str = "clip", **about: Any) -> ModelVersion:
    """Register a package of these weights, of a recipe, made from the workspace's data unless `about` says otherwise."""
    if not (root / "mlflow.db").exists():
        lay_empty_store(root)
    package = root / f"runs/{name}/package"
    (root / f"runs/{name}/evaluate").mkdir(parents=True, exist_ok=True)
    package.mkdir(exist_ok=True)
    (root / f"runs/{name}/evaluate/metrics.json").write_text("{}")
    (package / "weights").write_text(weights)
    files = {"weights": sha256_of(package / "weights")}
    digest = json.loads((root / "data/raw/source.json").read_text())["digest"]
    said: Mapping[str, Any] = {
        "recipe": name, "scale": "debug", "seed": 0, "data_digest": digest, "lock": entries(root), **about, "files": files,
        "digest": digest_of(files),
    }  # fmt: skip
    (package / "manifest.json").write_text(json.dumps(said))
    return register(package, root, open_store(root))


def serve(root: Path, its: ModelVersion) -> Endpoint:
    """Write down that this process serves a version."""
    served_folder(root).mkdir(parents=True, exist_ok=True)
    endpoint = Endpoint(
        http="127.0.0.1:8123", grpc="127.0.0.1:8124", metrics="127.0.0.1:8125", package_digest=its.digest, space="s", label=its.label,
        process=ProcessId.of(os.getpid()), instance="one", repository=root / "one", log=root / "log", key_file=root / "key",
        shm_prefix="one", started_at="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    write_endpoint(root, endpoint)
    return endpoint
