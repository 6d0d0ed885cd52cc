"""MLflow's server is killed while a real training logs to it, and comes back before its end, or after it: `make drill DRILL=mlflow_away`.

The stage pretrain of a person's own pictures at `debug`, begun by DVC, is held at a step, until the server has a curve of it. The training has to go
on without the server and end in the bytes of an undisturbed one; what it logged is in one run, each step once, when the server is back, or
when its package is registered. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/mlflow-away.json.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from components.registry.packaged import Packaged
from components.registry.runs import TRAIN_DIGEST
from components.registry.store import Store, open_store
from components.registry.versions import register
from components.stages.place import address
from tests.drills.kept import about, conclude
from tests.drills.stack import until
from tests.flows.test_kill import content, outs, past, without
from tests.flows.valve import Valve
from tests.mlflow_server import MlflowServer, mlflow_server
from tests.own_run import own_run
from tests.workspace import REPOSITORY, environment

KEPT_AT = REPOSITORY / "docs/benchmarks/mlflow-away.json"
STAGE, RECIPE = "pretrain", "clip"
SEEN_AT, AWAY_UNTIL = 2, 5  # of 8 steps: the server hears of those before the first, and of none up to the second
SOON = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0", "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
}  # fmt: skip
"""MLflow's client gives up soon, so that the drill need not wait for minutes to see that nothing is delivered."""
BACK = ("while it trains", "after it")
LATER = ("took.", "finetuning.")
"""How numbers begin that no training of this stage draws: they come with the package."""


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--back", nargs="*", default=list(BACK), choices=BACK, help="when the server comes back (both)")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    if asked.keep and {*asked.back} != {*BACK}:
        parser.error("--keep is of both, or the page would tell of one as of both. Leave --back out.")
    whence, began, detail, lost = about("mlflow_away"), time.monotonic(), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        own = own_run(Path(folder))
        try:
            for back in asked.back:
                root = without(own, Path(folder) / back.replace(" ", "-"), STAGE, RECIPE)
                (root.parent / "mlflow").mkdir()
                with mlflow_server(root.parent / "mlflow") as server:
                    detail[back], wrong = drill(root, own, server, back)
                lost += [f"{back}: {one}" for one in wrong]
                shutil.rmtree(root.parent)
                print(json.dumps({back: detail[back], "lost": lost}), flush=True)
        except Exception as err:  # what was found before it is told, whatever it is
            traceback.print_exc()
            detail["fault"] = f"{type(err).__name__}: {err}"
    passed = "fault" not in detail and not lost
    said = {
        "drill": "mlflow_away", "passed": passed, "lost": None if "fault" in detail else len(lost), "what_was_lost": lost,
        "seconds": round(time.monotonic() - began), "detail": detail,
    }  # fmt: skip
    conclude(said, whence, KEPT_AT if asked.keep else None)


def drill(root: Path, own: Path, server: MlflowServer, back: str) -> tuple[dict[str, Any], list[str]]:
    """Train while the server is killed, and started again; return what was seen, and what is lost."""
    os.environ |= {"MLFLOW_TRACKING_URI": server.url, **SOON}
    store, log = open_store(root), root.parent / "training.log"
    with Valve(root / "events") as valve, log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", "--single-item", address(STAGE, RECIPE)], cwd=root, text=True, start_new_session=True,
            env=environment(DIPTYCH_EVENTS=str(valve.path), MLFLOW_TRACKING_URI=server.url, **SOON), stdout=said, stderr=said,
        )  # fmt: skip
        try:
            valve.open_until(partial(past, step=SEEN_AT, trained=[]), process)
            until(lambda: sum(delivered(store).values()), log.read_text)
            server.kill()
            valve.open_until(partial(past, step=AWAY_UNTIL, trained=[]), process)
            until(lambda: "live curves: " in log.read_text(), log.read_text)
            if back == "while it trains":
                server.start()
            valve.open(process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if back == "after it":
        server.start()
    while_it_trained = sum(delivered(store).values())
    lost = [f"the training ended with {code}: {log.read_text()[-500:]}" for code in (process.returncode,) if code]
    lost += [
        f"{name} is not as undisturbed" for name in outs(own, STAGE, RECIPE)
        if not (root / name).exists() or content(root / name) != content(own / name)
    ]  # fmt: skip
    if not lost:
        package = root / "runs" / RECIPE / "package"
        wanted = [*Packaged.read(package, root).points()]
        if back == "while it trains":  # what was not delivered then would be filled in when its package is registered
            drawn = [point for point in wanted if not point[1].startswith(LATER)]
            lost += [f"before it was registered, {one}" for one in not_once(drawn, delivered(store))]
        version = register(package, root, store)
        lost += not_once(wanted, delivered(store, version.run_id))
        lost += [f"there are {count} runs of it" for count in (len(runs(store)),) if count != 1]
    return {"points_before_it_was_registered": while_it_trained, "points": sum(delivered(store).values())}, lost


def runs(store: Store) -> list[str]:
    """Return the ids of all runs of a training."""
    return [one.info.run_id for one in store.client.search_runs([store.experiment]) if TRAIN_DIGEST in one.data.tags]


def delivered(store: Store, run_id: str = "") -> Counter[tuple[int, str]]:
    """Return how often the server has each step of each number, of one run or of all."""
    found = Counter[tuple[int, str]]()
    for one in [run_id] if run_id else runs(store):
        for name in store.client.get_run(one).data.metrics:
            found.update((point.step, name) for point in store.client.get_metric_history(one, name))
    return found


def not_once(wanted: Iterable[tuple[int, str, float]], found: Counter[tuple[int, str]]) -> list[str]:
    """Return which points of curves are not there, or more than once."""
    counts = {(step, name): found[step, name] for step, name, _ in wanted}
    return [f"{name} has step {step} {count} times" for (step, name), count in counts.items() if count != 1]


if __name__ == "__main__":
    main()
