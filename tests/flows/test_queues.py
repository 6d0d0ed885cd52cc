"""What concerns a served model is begun though as many trainings wait as may: asked of a real Prefect server, as its workers ask."""

from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Pending, Running, Scheduled

from flows.stack.prefect_set_up import AT_ONCE, set_up_queues
from tests.flows.rolled import REPOSITORY

POOLS = ("cpu", "gpu")


@flow
def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    """A client of a server that has both pools, with their queues, and nothing of them afterwards."""
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        for pool in POOLS:
            with suppress(ObjectAlreadyExists):
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        try:
            set_up_queues(client)
            yield client
        finally:
            for pool in POOLS:
                client.delete_work_pool(pool)


def test_a_rollback_begins_though_as_many_trainings_wait_as_may(client):
    its = client.create_flow(nothing)
    made: list[UUID] = []
    try:
        for queue in ("default", "urgent"):
            deployment = client.create_deployment(
                its, f"in-{queue}", work_pool_name="cpu", work_queue_name=queue, enforce_parameter_schema=False
            )
            made.append(deployment)
        waiting = [client.create_flow_run_from_deployment(made[0], state=Scheduled()) for _ in range(AT_ONCE + 1)]
        for run in waiting[:AT_ONCE]:
            client.set_flow_run_state(run.id, Pending(), force=True)
        assert handed_out(client) == []
        rollback = client.create_flow_run_from_deployment(made[1], state=Scheduled())
        assert handed_out(client) == [rollback.id]
    finally:
        for one in made:
            client.delete_deployment(one)
        client.delete_flow(its)


def handed_out(client: SyncPrefectClient, pool: str = "cpu") -> list[UUID]:
    """Return the runs that a worker of a pool would begin now."""
    return [one.flow_run.id for one in client.get_scheduled_flow_runs_for_work_pool(pool)]


def test_a_gpu_is_one_place_for_all_deployments_until_its_run_ends_or_counts_as_crashed(client):
    its = client.create_flow(nothing)
    made = [
        client.create_deployment(
            its, f"{name}-on-gpu", work_pool_name="gpu", concurrency_limit=1, enforce_parameter_schema=False
        )
        for name in ("pipeline", "stage")
    ]
    try:
        first = client.create_flow_run_from_deployment(made[0], state=Scheduled()).id
        assert handed_out(client, "gpu") == [first]
        client.set_flow_run_state(first, Pending())
        second = client.create_flow_run_from_deployment(made[1], state=Scheduled()).id
        assert handed_out(client, "gpu") == [], "another deployment's run waits for the same GPU"
        client.set_flow_run_state(first, Running())
        assert handed_out(client, "gpu") == [], "whoever asks, as a worker that was started again does"
        client.set_flow_run_state(first, Crashed())
        assert handed_out(client, "gpu") == [second]
    finally:
        for one in made:
            client.delete_deployment(one)
        client.delete_flow(its)


def test_what_somebody_chose_stays_and_urgent_comes_first_again(client):
    queue = client.read_work_queue_by_name("default", work_pool_name="cpu")
    for chosen in (9, None):
        client.update_work_queue(queue.id, concurrency_limit=chosen)
        set_up_queues(client)
        assert client.read_work_queue_by_name("default", work_pool_name="cpu").concurrency_limit == chosen
    gpu = client.read_work_queue_by_name("default", work_pool_name="gpu")
    client.update_work_queue(gpu.id, concurrency_limit=2)
    set_up_queues(client)
    assert client.read_work_queue_by_name("default", work_pool_name="gpu").concurrency_limit == 2
    urgent = client.read_work_queue_by_name("urgent", work_pool_name="cpu")
    client.update_work_queue(urgent.id, priority=2)
    set_up_queues(client)
    assert client.read_work_queue_by_name("urgent", work_pool_name="cpu").priority == 1


def test_what_concerns_a_served_model_is_urgent_and_nothing_else():
    said = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    assert {one["entrypoint"] for one in said if one["work_pool"].get("work_queue_name") == "urgent"} == {
        "flows/monitor.py:monitor", "flows/deliver.py:deploy", "flows/deliver.py:rollback",
    }  # fmt: skip
