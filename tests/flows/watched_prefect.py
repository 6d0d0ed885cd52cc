"""A Prefect server that watches over runs, and what workers and processes of runs would say to it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.events import Event
from prefect.events.clients import get_events_client
from prefect.events.schemas.events import RelatedResource, Resource
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Scheduled
from prefect.utilities.asyncutils import run_coro_as_sync

from flows.telling.automations import WATCHDOGS, set_up_automations, watchdogs
from tests.flows.rolled import REPOSITORY

WATCHED_S = 12.0  # instead of SILENT_S; Prefect takes no less than 10


@flow
def nothing() -> None:
    """Do nothing."""


@dataclass
class Watched:
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


@contextmanager
def watched(client: SyncPrefectClient) -> Iterator[Watched]:
    """Have the server of a client watch, with its pools and deployments, while the block runs."""
    its, made = client.create_flow(nothing), dict[str, UUID]()
    try:
        for pool, kind in (("processes", "process"), ("pods", "kubernetes")):
            with suppress(ObjectAlreadyExists):
                client.create_work_pool(WorkPoolCreate(name=pool, type=kind))
            made[pool] = client.create_deployment(
                its, f"in-{pool}", work_pool_name=pool, tags=["diptych"], enforce_parameter_schema=False,
                concurrency_limit=1 if pool == "processes" else None,
            )  # fmt: skip
        assert len(set_up_automations(REPOSITORY, [], watched=True, silent_s=WATCHED_S)) == len(WATCHDOGS)
        yield Watched(client, made)
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
