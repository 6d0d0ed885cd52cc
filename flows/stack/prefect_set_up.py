"""What a Prefect server has to know of a workspace: pools, deployments, automations, made once and mended."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import DiptychError
from flows.machine import has_gpu
from flows.stack.deployments import DEPLOY_WITHIN_S, deploy_all, untold
from flows.stack.place import Place
from flows.stack.queue import known_deployments
from flows.telling.automations import set_up_automations

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

AT_ONCE = 4  # runs of the queue `default` of the pool cpu; those of `urgent` are held up by none of them


def set_up(place: Place) -> None:
    """Do it in a process of its own, which knows the passwords that no server's process has to. DiptychError, with what it says, where it fails."""
    ran = subprocess.run(
        [sys.executable, "-m", "flows.stack.prefect_set_up", str(place.root)], cwd=place.root, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=DEPLOY_WITHIN_S, env={**os.environ, **place.environment(), "PREFECT_HOME": str(place.data / "prefect")},
    )  # fmt: skip
    if ran.returncode:
        raise DiptychError((ran.stderr or ran.stdout).strip()[-600:])


def pools() -> tuple[str, ...]:
    """Return the pools that this machine has a worker for: `cpu`, and `gpu` where it has one."""
    return ("cpu", "gpu") if has_gpu() else ("cpu",)


def set_up_prefect(place: Place) -> None:
    """Have the server know both pools, the deployments of prefect.yaml and params.yaml as they are now, what they follow from, and what people are told of them.

    Raises DiptychError where `prefect deploy` is refused; the environment names the server.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    from flows.telling.notices import renew_notices

    with get_client(sync_client=True) as client:
        for pool in ("cpu", "gpu"):
            try:
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            except ObjectAlreadyExists:
                continue
        set_up_queues(client)
    if not (place.root / "prefect.yaml").exists():
        return
    if (said := to_deploy(place)) is not None:
        deploy_all(said, place.root)
    set_up_automations(place.root, watched=True, if_there=True)
    renew_notices()


def set_up_queues(client: "SyncPrefectClient") -> None:
    """Give the pool `cpu` a queue for what concerns a served model, before the one for all else, of which so many run at once.

    A run that waits for its deployment's turn keeps its place for as long as it waits; a worker's own limit would let some trainings that wait
    keep a rollback from beginning. The pool `gpu` gets one place for all its deployments: a worker forgets in a restart what runs on, the server does not.
    """
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    try:
        urgent = client.read_work_queue_by_name("urgent", work_pool_name="cpu")
        if urgent.priority != 1:  # a deployment that names it makes it, behind all others
            client.update_work_queue(urgent.id, priority=1)
    except ObjectNotFound:
        with suppress(ObjectAlreadyExists):
            client.create_work_queue(name="urgent", priority=1, work_pool_name="cpu")
        others = client.read_work_queue_by_name("default", work_pool_name="cpu")
        if others.concurrency_limit is None:  # once: later on it is what somebody chose
            client.update_work_queue(others.id, concurrency_limit=AT_ONCE)
    shared = client.read_work_queue_by_name("default", work_pool_name="gpu")
    if shared.concurrency_limit is None:
        client.update_work_queue(shared.id, concurrency_limit=1)


def to_deploy(place: Place) -> dict[str, Any] | None:
    """Return what the server has to be told of deployments, as of `untold`; None where nobody wants any. TransientError where the server does not answer."""
    return untold(place.root, known_deployments(place)) if (place.root / "prefect.yaml").exists() else None


if __name__ == "__main__":
    try:
        set_up_prefect(Place.read(Path(sys.argv[1])))
    except DiptychError as err:
        sys.exit(str(err))
