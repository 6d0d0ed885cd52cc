"""From an alias to the first new answer, back, and who was dropped meanwhile: `python -m tests.benchmarks.deploying --workspace FOLDER`.

In a workspace of its own, with the model of --workspace (which has run `diptych run`) in versions that differ in a file nobody serves: `diptych watch`
looks at the registry every second, as it does on a machine of one's own, and what counts is from the moment in which the alias is set until a
client gets its first answer from the new version. Once without requests and without a canary, once with two steps of a canary of 5 s, and once more
with 8 clients that ask all the time: through a deploy, one that fails (an encoder that cannot be loaded), and a rollback, whose seconds are those from
the start of the command to the first answer. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/deploying.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from components.registry.store import Store, open_store
from components.registry.versions import ModelVersion, by_alias, register
from components.serving.pack import seal
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway
from flows.serving.rollout import rollout
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.drills.traffic import FAILED, answering, asked_all_the_time

KEPT_AT = ROOT / "docs/benchmarks/deploying.json"
CLIENTS, LEAST_ASKED, STEP_S = 8, 2_000, 5.0
WITHIN_S = 300.0


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True, help="that has run `diptych run`")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            found = measured(root, given.workspace)
        finally:
            down(root)
    found |= {
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"), "commit": commit(), "command": "python -m tests.benchmarks.deploying --workspace FOLDER",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found))


def measured(root: Path, workspace: Path) -> dict[str, Any]:
    """Return seconds and counts."""
    for name in (".venv-serving", "components", "infra"):
        (root / name).symlink_to(ROOT / name)
    (root / "dvc.yaml").write_text("stages: {}\n")
    rules(root, canary=[])
    (root / "runs").mkdir()
    shutil.copytree(workspace / "runs" / "clip", root / "runs" / "clip", symlinks=False)
    store = open_store(root)
    first = another(root, store, "first")
    set_alias(store, first)
    rollout(root, "clip", store)
    ensure_gateway(root)
    with watching(root):
        plain_s = until_answers(root, store, another(root, store, "second"))
        rules(root, canary=[0.05, 0.25])
        canary_s = until_answers(root, store, another(root, store, "third"))
        with asked_all_the_time(root, CLIENTS, "a red heart") as counts:
            busy_s = until_answers(root, store, another(root, store, "fourth"))
            after_deploy = dict(counts)
            served = by_alias(store, "clip", "champion")
            broken = another(root, store, "fifth", spoil=True)
            set_alias(store, broken)
            wait(lambda: (now := by_alias(store, "clip", "champion")) and served and now.version == served.version)
            after_failure = dict(counts)
            back_s = seconds_back(root)
            while sum(counts.values()) < LEAST_ASKED:
                time.sleep(0.1)
    return {
        "bench": "deploying", "unit": "seconds from the alias to the first new answer", "without_canary_s": round(plain_s, 1),
        "with_canary_s": round(canary_s, 1), "canary_step_s": STEP_S, "under_load_s": round(busy_s, 1), "rollback_s": round(back_s, 1),
        "clients": CLIENTS, "requests": sum(counts.values()), "failed": counts[FAILED],
        "failed_in": {
            "deploy": after_deploy[FAILED], "failed deploy": after_failure[FAILED] - after_deploy[FAILED],
            "rollback": counts[FAILED] - after_failure[FAILED],
        },
    }  # fmt: skip


def another(root: Path, store: Store, note: str, spoil: bool = False) -> ModelVersion:
    """Return a new version of the same model, approved by hand without being made the champion."""
    package = root / "runs" / "clip" / "package"
    about = json.loads((package / "manifest.json").read_text())
    about = {name: value for name, value in about.items() if name not in ("files", "digest")}
    (package / "note.txt").write_text(note)
    graph = package / "image_encoder.onnx"
    whole = graph.read_bytes()
    if spoil:
        graph.write_bytes(whole[: len(whole) // 2])
    seal(package, about)
    version = register(package, root, store)
    store.client.set_model_version_tag(version.name, version.version, "diptych.verdict", "approved")
    if spoil:
        graph.write_bytes(whole)
    return version


def set_alias(store: Store, version: ModelVersion) -> None:
    """Do what a person does on MLflow's page."""
    store.client.set_registered_model_alias(version.name, "champion", version.version)


def until_answers(root: Path, store: Store, version: ModelVersion) -> float:
    """Return the seconds from the alias to the first answer of a version, of those that anybody gets."""
    began = time.monotonic()
    set_alias(store, version)
    wait(lambda: answering(root) == version.label)
    first = time.monotonic() - began
    wait(lambda: version.label == served(root))
    return first


def served(root: Path) -> str:
    """Return the version that all requests go to."""
    from components.serving.endpoint import read_endpoint

    endpoint = read_endpoint(root)
    return endpoint.label if endpoint else ""


def seconds_back(root: Path) -> float:
    """Return the seconds from the start of `diptych rollback` to the first answer of the version before."""
    now, began = served(root), time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "flows.cli", "rollback"], cwd=root, env=environment()) as back:
        wait(lambda: answering(root) != now)
        first = time.monotonic() - began
        if back.wait(WITHIN_S):
            raise RuntimeError("the rollback failed")
    return first


@contextmanager
def watching(root: Path) -> Iterator[None]:
    """Run `diptych watch` while the block runs; it is ready when it says so."""
    command = [sys.executable, "-u", "-m", "flows.cli", "watch", "--every", "1"]
    with subprocess.Popen(command, cwd=root, env=environment(), stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(watcher.stdout or ()))
        reader.start()
        try:
            yield
        finally:
            watcher.terminate()
            watcher.wait()
            reader.join()
            print("".join(lines), file=sys.stderr)


def environment() -> dict[str, str]:
    """Return what a command of the workspace runs in."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def rules(root: Path, **deploy: Any) -> None:
    """Write params.yaml with these rules."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["deploy"] |= {"step_s": STEP_S, **deploy}
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def wait(what: Callable[[], object]) -> None:
    """Return once it is so."""
    deadline = time.monotonic() + WITHIN_S
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError(f"it did not come to be within {WITHIN_S:g} s")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
