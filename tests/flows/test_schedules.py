"""Two schedules at once on a real Prefect server with a real worker: one works, another night of the same is not begun, who else comes waits."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from components.contracts.errors import Busy
from components.stages.lock import hold
from components.stages.place import private
from flows.audience import AUDIENCE, Lines
from flows.processes import started
from flows.workspace import Workspace

pytestmark = pytest.mark.timeout(600)
REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 240.0


@pytest.fixture
def deployed(toy, prefect_api):
    """Deploy what prefect.yaml says in the toy workspace; yield the client, and take all of it away, since others use this server."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    shutil.copy(REPOSITORY / "prefect.yaml", toy)
    (toy / "flows").symlink_to(REPOSITORY / "flows")
    with get_client(sync_client=True) as client:
        for pool in ("cpu", "gpu"):
            with suppress(ObjectAlreadyExists):
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        ran = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=toy, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        yield client
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        for pool in ("cpu", "gpu"):
            client.delete_work_pool(pool)


def test_a_night_that_is_not_over_is_not_begun_again_and_another_deployment_waits(deployed, toy, until):
    def begin(name: str) -> object:
        made = deployed.create_flow_run_from_deployment(
            deployed.read_deployment_by_name(name).id, parameters={"recipe": "clip", "until": "count"}
        )
        return made.id

    def states(*runs: object) -> list[str]:
        return sorted(deployed.read_flow_run(run).state_name for run in runs)

    log, position = toy / "worker.log", toy / ".diptych/outcome/count@clip.position"
    log.touch()
    (toy / "hold").touch()
    nights = [begin("pipeline/nightly"), begin("pipeline/nightly")]
    command = [sys.executable, "-u", "-m", "prefect", "worker", "start", "--pool", "cpu", "--limit", "4"]
    with started(command, log, {"PREFECT_WORKER_QUERY_SECONDS": "1"}, toy):
        until(
            lambda: states(*nights) == ["Cancelled", "Running"] and position.exists(),
            lambda: (states(*nights), log.read_text()[-3000:]), PATIENCE_S,
        )  # fmt: skip
        (not_begun,) = [run for run in map(deployed.read_flow_run, nights) if run.state_name == "Cancelled"]
        assert not_begun.state.message == "Deployment concurrency limit reached."
        other = begin("pipeline/manual")
        until(
            lambda: "this run waits, 12 h at most: the workspace" in log.read_text(),
            lambda: (states(other), log.read_text()[-3000:]), PATIENCE_S,
        )  # fmt: skip
        assert states(other) == ["Running"]
        (toy / "hold").unlink()
        until(
            lambda: states(*nights, other) == ["Cancelled", "Completed", "Completed"],
            lambda: (states(*nights, other), log.read_text()[-3000:]), PATIENCE_S,
        )  # fmt: skip
    said = log.read_text()
    assert (said.count("count@clip: ran"), said.count("count@clip: cached")) == (1, 1)


def test_who_waits_for_the_workspace_is_told_for_whom_and_gives_up_in_the_end(toy):
    told: list[str] = []

    class Kept(Lines):
        def told(self, sentence: str) -> None:
            told.append(sentence)

    set_before = AUDIENCE.set(Kept())
    try:
        with (
            hold(private(toy, "locks") / "workspace.lock", "the other's work"),
            pytest.raises(Busy, match="is already being worked on by process"),
            Workspace.here("clip", toy, wait_s=0.1),
        ):
            pass
    finally:
        AUDIENCE.reset(set_before)
    assert len(told) == 1
    assert told[0].startswith("this run waits, 0 h at most: the workspace")
    with Workspace.here("clip", toy, wait_s=0.1):
        assert len(told) == 1, "who need not wait is told nothing"
