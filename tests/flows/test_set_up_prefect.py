"""infra/set-up-prefect on a real Prefect server: a cluster's pools with their templates, the deployments that can work there, and the automations."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from flows.loopback import free_port
from flows.orchestrator import prefect_server
from flows.stack.prefect_set_up import AT_ONCE
from flows.telling.automations import WATCHDOGS
from tests.flows.rolled import REPOSITORY

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def receives(root: Path, *how: str) -> str:
    """Start the receiver of webhooks where MLflow is away; return what it ends with, which is what it came to."""
    env = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    command = [sys.executable, "-m", "flows.cli", "hooks", *how]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, env=env, timeout=120)
    assert ran.returncode != 0
    return ran.stdout + ran.stderr


def switch(client: "SyncPrefectClient", name: str, *, on: bool) -> None:
    """Switch the schedule of a deployment on or off."""
    its = client.read_deployment_by_name(name)
    client.update_deployment_schedule(its.id, its.schedules[0].id, active=on)


@contextmanager
def asking() -> Iterator["SyncPrefectClient"]:
    """Yield a client of the server that the environment names, which asks again where it answers that its SQLite is locked.

    Named outright: Prefect reads its settings once, when an earlier test of this process imports it.
    """
    from prefect.client.orchestration import SyncPrefectClient  # slow to import

    with SyncPrefectClient(os.environ["PREFECT_API_URL"]) as client:
        yield client


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["kubernetes", "process"])
def test_a_server_of_a_cluster_knows_pools_deployments_and_automations(tmp_path: Path, monkeypatch, kind):
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("components", "flows", "infra", "dvc.yaml"):
        (root / name).symlink_to(REPOSITORY / name)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    wanted = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    subprocess.run(["git", "init", "-q", root], check=True)
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("DIPTYCH_NOTIFY_SLACK", "https://hooks.slack.com/services/T0/B0/planted")
    with prefect_server(tmp_path), asking() as client:
        for others in (["filip", "siglip"], ["siglip"]):
            params["recipes"] = {name: {"start": "data/untrained.txt"} for name in ("clip", *others)}
            (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
            (root / "prefect.yaml").write_text(yaml.safe_dump(wanted, sort_keys=False))
            ran = subprocess.run([root / "infra/set-up-prefect", kind], cwd=root, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert "told by slack" in ran.stdout
            assert "planted" not in ran.stdout + ran.stderr
            if "filip" in others:
                switch(client, "pipeline/nightly", on=False)
                switch(client, "pipeline/nightly-siglip", on=False)
                switch(client, "sweep/weekly", on=True)
                (moved,) = [
                    one
                    for one in wanted["deployments"]
                    if one["name"] == "cpu" and one["entrypoint"].endswith(":stage")
                ]
                moved["entrypoint"] = f"./{moved['entrypoint']}"  # to the server it is the same as before
                wanted["deployments"] = [
                    one for one in wanted["deployments"] if not one["entrypoint"].endswith(":prove")
                ]
        pools, deployments, automations = (
            client.request("POST", f"/{what}/filter", json={}).json()
            for what in ("work_pools", "deployments", "automations")
        )
        alone, telling = receives(root), receives(root, "--tell-only")
        queues = {
            (pool["name"], one["name"]): one["concurrency_limit"]
            for pool in pools
            for one in client.request("POST", f"/work_pools/{pool['name']}/queues/filter", json={}).json()
        }
    assert {pool["name"]: pool["type"] for pool in pools} == {"cpu": kind, "gpu": kind}
    one_gpu = {("cpu", "urgent"): None, ("cpu", "default"): AT_ONCE, ("gpu", "default"): 1}
    nobody_s = {("cpu", "default"): None, ("gpu", "default"): None}
    assert queues.items() >= (one_gpu if kind == "process" else nobody_s).items()
    for pool in pools if kind == "kubernetes" else ():
        assert pool["base_job_template"] == json.loads(
            (REPOSITORY / f"infra/kubernetes/pools/{pool['name']}.json").read_text()
        )
    assert {one["name"]: one["schedules"][0]["active"] for one in deployments if one["schedules"]} == {
        "nightly": False, "nightly-siglip": False, "weekly": True,
    }, "as somebody switched them, though siglip's is an hour earlier now"  # fmt: skip
    said = wanted["deployments"]
    said = [one for one in said if one["entrypoint"].partition(":")[0] not in ("flows/deliver.py", "flows/monitor.py")]
    night = ("nightly-siglip", "flows/pipeline.py:pipeline", "cpu")  # filip is no more in params.yaml
    assert sorted((one["name"], one["entrypoint"], one["work_pool_name"]) for one in deployments) == sorted(
        [*((one["name"], one["entrypoint"], one["work_pool"]["name"]) for one in said), night]
    )
    steps = {
        step["prefect.deployments.steps.set_working_directory"]["directory"]
        for one in deployments
        for step in one["pull_steps"]
    }
    assert steps == {str(root)}, "a job works in the checkout that has the same path"
    names = {one["name"] for one in automations}
    assert {*WATCHDOGS, "diptych: a run failed, say so"} <= names
    assert "diptych: champion set, deploy" not in names, "which nothing there could do"
    assert "has no deployment deploy/manual" in alone, "so the receiver of a cluster is one that only tells"
    assert "deploy/manual" not in telling
    assert "MLflow" in telling
