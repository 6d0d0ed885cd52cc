"""How runs of the pools of `diptych up` begin, on a real Prefect server with a real worker."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from flows.loopback import HOST, free_port
from flows.stack.prefect_set_up import set_up_pool
from tests.flows.kept_prefect import kept_prefect
from tests.workspace import environment

pytestmark = pytest.mark.timeout(300)
ENGINE = shlex.join([sys.executable, "-m", "prefect.engine"])
FLOW = """
import json, os
from pathlib import Path
import psutil
from prefect import flow

@flow
def tells():
    its = psutil.Process()
    Path("told.json").write_text(json.dumps({"begun by": its.parent().cmdline(), "as": its.cmdline()}))
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncPrefectClient]:
    port = free_port()
    with (
        kept_prefect(tmp_path_factory.mktemp("prefect"), port),
        temporary_settings({PREFECT_API_URL: f"http://{HOST}:{port}/api"}),
        get_client(sync_client=True) as its,
    ):
        yield its


def command(client: SyncPrefectClient, pool: str) -> object:
    return client.read_work_pool(pool).base_job_template["variables"]["properties"]["command"]["default"]


def test_a_run_begins_in_its_checkout_as_one_process_of_the_worker(client, tmp_path):
    set_up_pool(client, "cpu")
    (tmp_path / "tells.py").write_text(FLOW)
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}
    made = client.create_deployment(
        client.create_flow_from_name("tells"), "here", entrypoint="tells.py:tells", work_pool_name="cpu", pull_steps=[step],
        enforce_parameter_schema=False,
    )  # fmt: skip
    run = client.create_flow_run_from_deployment(made).id
    start = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "cpu", "--type", "process", "--run-once"]
    ran = subprocess.run(start, env=environment(PREFECT_API_URL=str(PREFECT_API_URL.value())), capture_output=True, text=True, timeout=200)  # fmt: skip
    assert client.read_flow_run(run).state_name == "Completed", ran.stdout + ran.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told == {"begun by": start, "as": shlex.split(ENGINE)}


def test_a_pool_of_before_gets_it_and_a_command_of_somebodys_own_stays(client):
    template = ProcessWorker.get_default_base_job_template()
    for name, given in {
        "plain": {}, "as a worker left it": template, "moved": with_command(template, "/gone/python -m prefect.engine"),
        "theirs": with_command(template, "nice python -m mine"),
    }.items():  # fmt: skip
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=given))
        for _ in range(2):
            set_up_pool(client, name)
        assert command(client, name) == ("nice python -m mine" if name == "theirs" else ENGINE), name


def with_command(template: dict[str, object], said: str) -> dict[str, object]:
    """Return a copy of a template whose runs begin with a command."""
    copy = json.loads(json.dumps(template))
    copy["variables"]["properties"]["command"]["default"] = said
    return copy
