"""Aliases set on a real MLflow server, by webhook and by watcher, until the endpoint answers so: `python -m tests.drills.alias_to_endpoint`.

MLflow, Prefect, a process worker, `diptych hooks` and a gateway before Triton run for real; clients ask all the time. A better version is
set; two are, within a second; one while Prefect is down; one whose canary Prefect is restarted in; one that is worse; and one while only `diptych watch` looks. Each time the endpoint has
to answer as the registry asks, or as before, and nobody may get an error. Models are of a few kilobytes, so the seconds are those of the way.
Prints one JSON object as its last line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from components.registry.deployments import DEPLOYED_AT
from components.registry.store import Store, open_store
from components.registry.versions import ModelVersion
from components.serving.routes import read_routes
from flows.loopback import HOST, free_port, wait_for
from flows.page_apps import ARTIFACTS, LEASES, STORE
from flows.processes import started
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway
from flows.serving.rollout import rollout
from tests.drills.traffic import FAILED, answering, asked_all_the_time
from tests.flows.rolled import REPOSITORY, ask, make_place, make_version, rules

PATIENCE_S = 180.0
PREFECT_DOWN_S = 10.0
CANARY_S = 20.0  # long enough to restart a server in
DIPTYCH = [sys.executable, "-u", "-m", "flows.cli"]
PREFECT = [sys.executable, "-u", "-m", "prefect"]
WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "https,http", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "YQ" * 21 + "Y=", "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}  # fmt: skip


class Place:
    """A workspace with its servers; versions of its one model get better one by one."""

    def __init__(self, folder: Path) -> None:
        self.root = make_place(folder)
        self.logs = folder / "logs"
        self.logs.mkdir()
        (self.root / "data").mkdir()
        (self.root / "data/untrained.txt").touch()
        (self.root / "flows").symlink_to(REPOSITORY / "flows")
        (self.root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
        subprocess.run(["git", "init", "-q", self.root], check=True)
        self.ports = {"mlflow": free_port(), "prefect": free_port()}
        os.environ |= {
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{self.ports['mlflow']}", "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"http://{HOST}:{self.ports['prefect']}/api", "PYTHONPATH": str(REPOSITORY),
            "PREFECT_WORKER_QUERY_SECONDS": "2",
        }  # fmt: skip
        self.made = 0

    def version(self, store: Store, right: int | None = None) -> ModelVersion:
        """Register another, of sixty queries seven more right than the one before unless said."""
        self.made += 1
        return make_version(self.root, store, seed=self.made, right=2 + 7 * self.made if right is None else right)

    @contextmanager
    def server(self, page: str) -> Iterator[None]:
        """Run a server while the block does."""
        port, log = self.ports[page], self.logs / f"{page}.log"
        settings = {
            **WEBHOOKS, **LEASES, STORE: f"sqlite:///{self.root / 'mlflow.db'}", ARTIFACTS: (self.root / "mlartifacts").as_uri(),
            "PREFECT_UI_STATIC_DIRECTORY": str(self.logs / "page"),
        }  # fmt: skip
        command = [sys.executable, "-m", "uvicorn", "--factory", f"flows.page_apps:{page}_page", "--host", HOST]
        with started([*command, "--port", str(port), "--log-level", "error"], log, settings, self.root) as process:
            health = "api/health" if page == "prefect" else "health"
            wait_for(f"http://{HOST}:{port}/{health}", process, log, page, PATIENCE_S)
            yield

    @contextmanager
    def running(self, name: str, command: list[str], ready: str) -> Iterator[Path]:
        """Run a command while the block does; yield what it says, once it says that it is ready."""
        log = self.logs / f"{name}.log"
        with started(command, log, cwd=self.root):
            until(lambda: ready in log.read_text(), log.read_text)
            yield log


def until(condition: Callable[[], object], seen: Callable[[], object]) -> float:
    """Wait for a condition; return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError(f"did not happen in {PATIENCE_S:.0f} s; seen last: {seen()}")
        time.sleep(0.05)
    return time.monotonic() - began


def drill(place: Place, clients: int) -> dict[str, object]:
    """Go through all of it; return what happened, `failed` among it."""
    with ExitStack() as stack:
        stack.enter_context(place.server("mlflow"))
        prefect = stack.enter_context(ExitStack())
        prefect.enter_context(place.server("prefect"))
        pools = (["work-pool", "create", pool, "--type", "process"] for pool in ("cpu", "gpu"))
        for command in (*pools, ["--no-prompt", "deploy", "--all"]):
            subprocess.run([*PREFECT, *command], cwd=place.root, check=True, capture_output=True)
        stack.enter_context(place.running("worker", [*PREFECT, "worker", "start", "--pool", "cpu"], "started!"))
        store = open_store(place.root)
        ask(store, place.version(store))
        rollout(place.root, "tiny", store)
        ensure_gateway(place.root)
        with asked_all_the_time(place.root, clients) as counts:
            detail: dict[str, object] = {}
            with place.running("hooks", [*DIPTYCH, "hooks"], "Ctrl-C stops it"):
                for name, canary in (("no_canary", []), ("canary", [0.05, 0.25])):
                    rules(place.root, canary=canary, step_s=5.0)
                    detail[f"webhook_{name}"] = served_after(place, store, counts, place.version(store))
                rules(place.root, canary=[])
                first, second = place.version(store), place.version(store)
                ask(store, first)
                detail["two_within_a_second"] = served_after(place, store, counts, second)
                prefect.close()
                late = place.version(store)
                ask(store, late)
                time.sleep(PREFECT_DOWN_S)
                prefect.enter_context(place.server("prefect"))
                detail["after_prefect_was_down"] = round(
                    until(lambda: answering(place.root) == late.label, lambda: counts), 1
                )
                rules(place.root, canary=[0.3], step_s=CANARY_S)
                tried = place.version(store)
                ask(store, tried)
                until(lambda: read_routes(place.root).beside, lambda: counts)
                prefect.close()
                prefect.enter_context(place.server("prefect"))
                assert answering(place.root) in (late.label, tried.label)
                detail["prefect_restarted_in_the_canary"] = round(
                    until(lambda: tagged(store, tried, DEPLOYED_AT), lambda: counts), 1
                )
                worse = place.version(store, right=1)
                ask(store, worse)
                detail["worse_put_back"] = round(
                    until(lambda: champion(store) == tried.version, lambda: champion(store)), 1
                )
            with place.running("watch", [*DIPTYCH, "watch"], "Ctrl-C stops it"):
                time.sleep(6.0)  # its first look, after which the alias moves
                rules(place.root, canary=[])
                detail["watcher"] = served_after(place, store, counts, place.version(store, right=60))
            return {**detail, "asked": dict(counts), "failed": counts[FAILED]}


def served_after(place: Place, store: Store, counts: dict[str, int], version: ModelVersion) -> dict[str, float]:
    """Set the alias; return the seconds until the first answer of this version, and until all are."""
    before = counts.get(version.label, 0)
    ask(store, version)
    first = until(lambda: counts.get(version.label, 0) > before, lambda: dict(counts))
    every = until(lambda: {answering(place.root) for _ in range(20)} == {version.label}, lambda: dict(counts))
    return {"first_s": round(first, 1), "all_s": round(first + every, 1)}


def tagged(store: Store, version: ModelVersion, tag: str) -> bool:
    """Return whether a version has a tag."""
    return tag in store.client.get_model_version(version.name, version.version).tags


def champion(store: Store) -> str | None:
    """Return which version has the alias."""
    found = store.client.get_registered_model("tiny").aliases.get("champion")
    return None if found is None else str(found)


def main() -> None:
    """Drill, print; the exit code is 0 when each request was served, or refused, as it should be, and nobody got an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8, help="that ask all the time (8)")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        try:
            detail, passed = drill(place, given.clients), True
        except (TimeoutError, subprocess.CalledProcessError) as err:
            detail, passed = {"fault": str(err), "failed": 0}, False
            for log in sorted(place.logs.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
        finally:
            down(place.root)
    lost = detail.pop("failed")
    passed = passed and not lost
    seconds = round(time.monotonic() - began)
    print(
        json.dumps({"drill": "alias_to_endpoint", "passed": passed, "lost": lost, "seconds": seconds, "detail": detail})
    )
    sys.exit(not passed)


if __name__ == "__main__":
    main()
