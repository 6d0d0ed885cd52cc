"""A small workspace with real stages, real git and real DVC."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from components.stages.environment import set_environment
from flows.orchestrator import prefect_server
from tests.flows.seed import set_seed

REPOSITORY = Path(__file__).parents[2]

STAGES = '''\
"""ingest copies the seed, count goes to five and can be held, broken and resumed; the rest is what a model leaves."""
import json, re, shutil, sys, time
from pathlib import Path
import pyarrow as pa
import pyarrow.parquet as pq
from components.contracts.errors import GateClosed
from components.serving.pack import seal
from components.serving.package import SERVED_FILES
from components.stages.runtime import run_stage

def ingest(stage):
    with stage.output("data/raw") as folder:
        (folder / "a").write_text(Path("params.yaml").read_text())
        stage.progress("row", 1, 1)

def count(stage):
    if Path("closed").exists():
        raise GateClosed("3% of the pairs are broken, params.yaml allows 1%.")
    if Path("flaky").exists():
        Path("flaky").rename("mended")
        raise ConnectionResetError("the line dropped")
    kept = stage.resume_dir([Path("data/raw")], {}) / "count"
    first = int(kept.read_text()) if kept.exists() else 0
    with stage.output(f"runs/{stage.recipe}/pretrain") as folder:
        for step in range(first + 1, 6):
            kept.write_text(str(step))
            stage.progress("step", step, 5, samples_per_s=1000.0)
            while Path("hold").exists():
                stage.progress("step", step, 5)
                time.sleep(0.01)
        (folder / "first").write_text(str(first))

def evaluate(stage):
    tallies = [{"rows": "retrieval.pair", "column": "rank", "where": {"direction": "there"}, "at_most": 1}]
    metric = {"unit": "fraction", "better": "up", "n": 60, "chance": 0.06, "baseline": 0.3, "tallies": tallies, "data": "moved" if Path("moved").exists() else "here"}
    names = [f"retrieval.pair.{of}" for of in ("image_to_text.recall_at_1", "text_to_image.recall_at_1", "mean_recall")]
    right = 20 + 6 * int(re.search(r"seed: (\\d+)", Path("data/raw/a").read_text())[1])  # of 60; the more, the higher the seed
    queries = [f"q{at:02d}" for at in range(60)]
    rows = {"direction": ["there"] * 60, "query": queries, "group": queries, "rank": [1 + (at >= right) for at in range(60)]}
    with stage.output(f"runs/{stage.recipe}/evaluate") as folder:
        canary = {"value": 0.8 if Path("drifted").exists() else 0.9, "unit": "distance", "better": "down", "n": 9, "chance": 1.4, "baseline": 0.9}
        numbers = {name: {**metric, "value": right / 60} for name in names} | {"canary.distance": canary}
        (folder / "metrics.json").write_text(json.dumps(numbers))
        (folder / "rows").mkdir()
        pq.write_table(pa.table(rows), folder / "rows/retrieval.pair.parquet")

def package(stage):
    weights = Path(f"runs/{stage.recipe}/pretrain/first").read_text() + Path("data/raw/a").read_text()
    with stage.output(f"runs/{stage.recipe}/package") as folder:
        for name in (*SERVED_FILES, "report.html", "examples.png"):
            (folder / name).write_text(weights)
        shutil.copyfile(f"runs/{stage.recipe}/evaluate/metrics.json", folder / "metrics.json")
        furthest = {"image": 1e-6, "text": 2e-3 if Path("far").exists() else 1e-6}
        lost = {"elsewhere": json.loads(Path("lost.json").read_text())} if Path("lost.json").exists() else {}
        seal(folder, {**lost, "recipe": stage.recipe, "data_digest": "d" * 64, "onnx_furthest": furthest, "onnx_tolerance": 1e-3, "signature": {"width": 64 if Path("wide").exists() else 32}})

sys.exit(run_stage(sys.argv[1], globals()[sys.argv[1]], sys.argv[2:]))
'''

DVC = """\
stages:
  ingest:
    cmd: infra/python stages.py ingest
    params: [seed]
    outs: [data/raw]
  count:
    foreach: ${recipes}
    do:
      cmd: infra/python stages.py count --recipe ${key}
      deps: [data/raw]
      outs: ['runs/${key}/pretrain']
  evaluate:
    foreach: ${recipes}
    do:
      cmd: infra/python stages.py evaluate --recipe ${key}
      deps: [data/raw, 'runs/${key}/pretrain']
      outs: ['runs/${key}/evaluate']
  package:
    foreach: ${recipes}
    do:
      cmd: infra/python stages.py package --recipe ${key}
      deps: [data/raw, 'runs/${key}/pretrain', 'runs/${key}/evaluate']
      outs: ['runs/${key}/package']
"""


def make_toy(root: Path) -> Path:
    """Write a workspace with stages from ingest to package to `root`, nothing run yet, and no server to serve it."""
    shutil.copytree(REPOSITORY / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    (root / "infra").mkdir()
    for name in ("python", "environment"):
        shutil.copy(REPOSITORY / "infra" / name, root / "infra" / name)
    (root / "stages.py").write_text(STAGES)
    (root / "dvc.yaml").write_text(DVC)
    set_seed(root, 1)
    (root / "components").symlink_to(REPOSITORY / "components")
    (root / "data/own").mkdir(parents=True)
    (root / ".gitignore").write_text(".diptych/\n")
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root of a toy workspace, and stand in it."""
    root = make_toy(tmp_path / "toy")
    for name in [name for name in os.environ if name.startswith(("DIPTYCH_", "DVC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SHELL", raising=False)  # dvc then takes /bin/sh, which often stays between it and its stage
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DIPTYCH_PYTHON", sys.executable)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="module")
def module_toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a toy workspace that the tests of a file share; nobody stands in it."""
    return make_toy(tmp_path_factory.mktemp("module") / "toy")


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one real Prefect server for all tests of flows; PREFECT_API_URL names it meanwhile."""
    set_environment()
    with prefect_server(tmp_path_factory.mktemp("prefect")):
        yield os.environ["PREFECT_API_URL"]


@pytest.fixture
def left_in() -> Iterator[Callable[[Path], list[str]]]:
    """Return what still runs in a folder, by command; ended after the test, whatever it says."""
    folders: list[Path] = []

    def look(folder: Path) -> list[str]:
        folders.append(folder)
        return list(_processes_in(folder).values())

    yield look
    for folder in folders:
        for process in _processes_in(folder):
            with suppress(psutil.NoSuchProcess):  # it may end by itself at any moment
                process.kill()


def _processes_in(folder: Path) -> dict[psutil.Process, str]:
    """Return what runs in a folder, with its command; what ends while it is looked at does not count."""
    found = {}
    for process in psutil.process_iter():
        try:
            is_there = Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE
            command = " ".join(process.cmdline())
        except (psutil.Error, FileNotFoundError):
            continue
        if is_there and process.pid != os.getpid():
            found[process] = command
    return found
