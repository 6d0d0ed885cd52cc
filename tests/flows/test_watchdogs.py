"""What becomes of runs whose workers die, on a real Prefect server: said by their states, as workers and their processes say them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.events import Event
from prefect.events.clients import get_events_client
from prefect.events.schemas.events import RelatedResource, Resource
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Pending, Running, Scheduled
from prefect.utilities.asyncutils import run_coro_as_sync

from flows.stack.pages import prefect
from flows.stack.place import Place
from flows.telling.automations import SILENT_S, TRIES, set_up_automations, watchdogs
from tests.flows.rolled import REPOSITORY

pytestmark = pytest.mark.timeout(300)
WATCHED_S = 12.0  # instead of SILENT_S; Prefect takes no less than 10
PATIENCE_S = 120.0


@flow
def nothing() -> None:
    """Do nothing."""


@dataclass
class Server:
    """A Prefect server that watches, with a deployment of one place in a pool of processes, and one in a pool of pods."""

    client: SyncPrefectClient
    deployments: dict[str, UUID]

    def run(self, pool: str = "processes") -> UUID:
        """Ask for a run."""
        return self.client.create_flow_run_from_deployment(self.deployments[pool], state=Scheduled()).id

    def says(self, run: UUID, state: State, force: bool = False) -> str:
        """Say of a run what its worker or its process would; return the name of the state that it has then."""
        self.client.set_flow_run_state(run, state, force=force)
        return self.state(run)

    def state(self, run: UUID) -> str:
        return self.client.read_flow_run(run).state_name or ""

    def history(self, run: UUID) -> list[tuple[str, str]]:
        """Return the names of all states that a run had, and what was said of each."""
        states = sorted(self.client.read_flow_run_states(run), key=lambda one: one.timestamp)
        return [(one.name or "", one.message or "") for one in states]


@pytest.fixture(scope="module")
def server(prefect_api: str) -> Iterator[Server]:
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        its, made = client.create_flow(nothing), dict[str, UUID]()
        try:
            for pool, kind in (("processes", "process"), ("pods", "kubernetes")):
                with suppress(ObjectAlreadyExists):
                    client.create_work_pool(WorkPoolCreate(name=pool, type=kind))
                made[pool] = client.create_deployment(
                    its, f"in-{pool}", work_pool_name=pool, tags=["diptych"], enforce_parameter_schema=False,
                    concurrency_limit=1 if pool == "processes" else None,
                )  # fmt: skip
            assert len(set_up_automations(REPOSITORY, [], watched=True, silent_s=WATCHED_S)) == 3
            yield Server(client, made)
        finally:
            for wanted in watchdogs():
                for kept in client.read_automations_by_name(wanted.name):
                    client.delete_automation(kept.id)
            for one in made.values():
                client.delete_deployment(one)
            client.delete_flow(its)
            for pool in made:
                client.delete_work_pool(pool)


def heard(run: UUID) -> None:
    """Tell of a run what its process tells each half minute."""
    beat = Event(
        event="prefect.flow-run.heartbeat", resource=Resource({"prefect.resource.id": f"prefect.flow-run.{run}"}),
        related=[RelatedResource({"prefect.resource.id": "prefect.tag.diptych", "prefect.resource.role": "tag"})],
    )  # fmt: skip

    async def send() -> None:
        async with get_events_client() as client:
            await client.emit(beat)

    run_coro_as_sync(send())


def tried_again(server: Server, *runs: UUID) -> Callable[[], bool]:
    return lambda: all(server.state(run) == "AwaitingRetry" for run in runs)


def test_what_was_set_up_is_not_set_up_again(server):
    assert set_up_automations(REPOSITORY, [], watched=True, silent_s=WATCHED_S) == ()


def test_a_run_whose_worker_died_before_it_began_crashes_and_is_tried_again_and_a_pod_may_take_its_time(server, until):
    pod = server.run("pods")
    assert server.says(pod, Pending()) == "Pending"
    begun, lost = server.run(), server.run()
    assert server.says(begun, Pending()) == "Pending"
    assert server.says(begun, Running()) == "Running"
    assert server.says(lost, Pending()) == "AwaitingConcurrencySlot", "its deployment has one place"
    assert server.says(begun, Completed()) == "Completed"
    assert server.says(lost, Pending()) == "Pending"
    until(tried_again(server, lost), lambda: server.history(lost), PATIENCE_S)
    names, said = zip(*server.history(lost)[-3:], strict=True)
    assert names == ("Pending", "Crashed", "AwaitingRetry")
    assert said[1] == "a worker took it, and it did not begin in 12 s: the worker or its machine died"
    assert server.client.read_flow_run(lost).run_count == 0
    assert server.state(begun) == "Completed"
    assert server.state(pod) == "Pending", "it may wait for a machine"
    other = server.run()
    assert server.says(other, Pending()) == "Pending", "the place is free"
    assert server.says(other, Completed(), force=True) == "Completed"


def test_a_run_that_is_heard_of_goes_on_and_one_that_is_silent_from_its_beginning_or_later_crashes(server, until):
    alive, late, mute = (server.run("pods") for _ in range(3))
    for run in (alive, late, mute):
        server.says(run, Pending())
        server.says(run, Running())
    heard(late)

    def others_are_tried_again() -> bool:
        heard(alive)
        return tried_again(server, late, mute)()

    until(others_are_tried_again, lambda: (server.history(late), server.history(mute)), PATIENCE_S)
    for run in (late, mute):
        names, said = zip(*server.history(run)[-2:], strict=True)
        assert names == ("Crashed", "AwaitingRetry")
        assert said[0] == "nothing was heard of it for 12 s: its worker or its machine died"
    assert server.state(alive) == "Running"
    server.says(alive, Completed())


def test_a_run_that_crashes_whether_or_not_it_began_is_tried_so_often_in_all_and_no_more(server, until):
    never, sometimes, marker = (server.run("pods") for _ in range(3))
    for attempt in range(TRIES):
        for run in (never, sometimes):
            server.says(run, Pending())
        if attempt == 1:
            server.says(sometimes, Running())
        for run in (never, sometimes):
            assert server.says(run, Crashed()) == "Crashed"
        if attempt < TRIES - 1:
            until(
                tried_again(server, never, sometimes),
                lambda: (server.history(never), server.history(sometimes)),
                PATIENCE_S,
            )
    server.says(marker, Crashed(), force=True)
    until(
        tried_again(server, marker), lambda: server.history(marker), PATIENCE_S
    )  # what is told after them is answered after them
    assert [server.state(run) for run in (never, sometimes)] == ["Crashed", "Crashed"]
    tries = [sum(name == "Crashed" for name, _ in server.history(run)) for run in (never, sometimes)]
    assert tries == [TRIES, TRIES]


def test_a_place_is_held_for_longer_than_a_run_may_take_to_begin(tmp_path: Path):
    place = Place(
        root=tmp_path,
        data=tmp_path,
        ports={"prefect": 4200, "postgres": 1},
        passwords={"prefect": "p" * 32, "postgres-prefect": "p" * 32},
    )
    held = float(prefect(place).environment["PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION"])
    assert held > SILENT_S + 30, "Prefect looks every few seconds"
