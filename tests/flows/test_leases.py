"""Places that runs have are leases on disk: a Prefect server that is killed forgets none, and one that nobody renews is free when it is over."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending, Scheduled

from flows.loopback import bound
from tests.flows.kept_prefect import api_of, kept_prefect

pytestmark = pytest.mark.timeout(600)
SHORT = {
    "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "30",  # s that a place is held for a run that has not begun; Prefect takes no less
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "2",
}  # fmt: skip
PATIENCE_S = 300.0


@flow
def nothing() -> None:
    """Do nothing."""


def asked_for(client: SyncPrefectClient, deployment: UUID) -> UUID:
    """Ask for a run, which nobody has begun yet."""
    return client.create_flow_run_from_deployment(deployment, state=Scheduled()).id


def taken(client: SyncPrefectClient, run: UUID) -> str:
    """Take a run, as a worker does that has found it; return the name of the state that it gets."""
    client.set_flow_run_state(run, Pending())
    return client.read_flow_run(run).state_name or ""


def test_a_server_that_is_killed_forgets_no_place_and_gives_free_what_nobody_renews(
    tmp_path: Path, until: Callable[..., None]
) -> None:
    folder = tmp_path / "prefect"
    with bound() as its_socket, temporary_settings({PREFECT_API_URL: api_of(its_socket)}):
        with kept_prefect(folder, its_socket, **SHORT) as process, get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name="cpu", type="process"))
            its = client.create_flow(nothing)
            dies, lives = (
                client.create_deployment(its, name, work_pool_name="cpu", concurrency_limit=1, enforce_parameter_schema=False)
                for name in ("dies", "lives")
            )  # fmt: skip
            alive, behind_alive, dead, behind_dead = (asked_for(client, one) for one in (lives, lives, dies, dies))
            assert taken(client, alive) == "Pending"
            state = client.read_flow_run(alive).state
            assert state is not None
            assert state.state_details.deployment_concurrency_lease_id is not None
            client.renew_concurrency_lease(state.state_details.deployment_concurrency_lease_id, 3600)
            assert taken(client, dead) == "Pending"
            assert taken(client, behind_dead) == "AwaitingConcurrencySlot"
            assert taken(client, behind_alive) == "AwaitingConcurrencySlot"
            os.kill(process.pid, 9)
            process.wait()
        with kept_prefect(folder, its_socket, **SHORT), get_client(sync_client=True) as client:
            until(lambda: taken(client, behind_dead) == "Pending", (folder / "log").read_text, PATIENCE_S)
            assert taken(client, behind_alive) == "AwaitingConcurrencySlot"
