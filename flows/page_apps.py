"""What uvicorn serves as a page, in a process of its own: Prefect's or MLflow's, kept from asking anybody else.

Prefect's page loads its analytics from another host though the server has them off; a browser that is told where a page
may connect to asks nobody. Both read their settings from the environment, so it is set before they are imported.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from flows.mlflow_users import make_users
from flows.telling.again import trying_again
from flows.telling.outage import come_back

LEASES = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem"}
"""For Prefect's server, which otherwise forgets in a restart whose places are taken, so that they are never free again."""

KEEP_RUNS = "DIPTYCH_KEEP_RUNS_DAYS"
RUNS_KEPT_DAYS, MOST_DAYS = 90, 3650
LOOKS_EVERY = timedelta(seconds=2)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY = b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'"
STORE, ARTIFACTS = "DIPTYCH_MLFLOW_STORE", "DIPTYCH_MLFLOW_ARTIFACTS"
USERS = "DIPTYCH_MLFLOW_USERS"  # a file that says where its users are; without it whoever reaches it may do all

SPOOL = "DIPTYCH_MLFLOW_SPOOL"
"""A folder, emptied at each start, where MLflow has each file whole on its way to S3 and back; without it that is the folder of temporary files, which may be memory."""


def kept_for() -> dict[str, str]:
    """Return what tells Prefect's server for how long it keeps runs, with their logs and artifacts: by DIPTYCH_KEEP_RUNS_DAYS where that is set.

    Left to itself it keeps them for ever, and events for seven days. ConfigError for what is no number of days.
    """
    said = os.environ.get(KEEP_RUNS, str(RUNS_KEPT_DAYS))
    if not said.isdecimal() or not 1 <= int(said) <= MOST_DAYS:
        raise ConfigError(
            f"{KEEP_RUNS} is {said!r}, but must be for how many days Prefect keeps what it knows of a run, such as {RUNS_KEPT_DAYS}; "
            f"{MOST_DAYS} at most."
        )
    return {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(int(said) * 86_400),
    }


def prefect_page() -> App:
    """Return Prefect's API and page on the store of PREFECT_HOME."""
    from docket import Docket, Worker
    from prefect.server.api import background_workers
    from prefect.server.api.server import create_app

    import flows.telling.channels  # noqa: F401  # a block class that is not known cannot send

    class Calm(Worker):
        """Looks for work that is due every other second, in place of four times a second; it is due by the minute."""

        def __init__(self, docket: Docket) -> None:
            super().__init__(docket, minimum_check_interval=LOOKS_EVERY, scheduling_resolution=LOOKS_EVERY)

        async def _cancellation_listener(self) -> None:
            """Hear of nothing: Prefect cancels none of its own work, and to listen is to look ten times a second."""
            assert self._processing_session is not None
            self._processing_session.cancellation_ready.set()
            await self._processing_session.stopping.wait()

    vars(background_workers)["Worker"] = Calm
    app = create_app()
    begun = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: Any) -> AsyncIterator[Any]:
        await come_back()
        async with begun(served) as state, trying_again():
            yield state

    app.router.lifespan_context = lifespan
    return confined(app)


def mlflow_page() -> App:
    """Return MLflow's API and page on the store that DIPTYCH_MLFLOW_STORE names, for users of its own where DIPTYCH_MLFLOW_USERS names them.

    `mlflow server` would do the same from a process above the server, which would outlive it when we are killed.
    """
    from mlflow.server import constants, handlers

    store, artifacts = os.environ[STORE], os.environ[ARTIFACTS]
    if SPOOL in os.environ:
        tempfile.tempdir = str(_emptied(Path(os.environ[SPOOL])))
    root = artifacts
    if USERS in os.environ:
        root = "mlflow-artifacts:/"  # clients ask the server, which alone has a key to where they lie
        os.environ |= {constants.SERVE_ARTIFACTS_ENV_VAR: "true", constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts}
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: store, constants.ARTIFACT_ROOT_ENV_VAR: root,
        "_MLFLOW_SGI_NAME": "uvicorn",
    }  # fmt: skip
    handlers.initialize_backend_stores(store, store, root)
    if USERS in os.environ:
        os.environ["MLFLOW_AUTH_CONFIG_PATH"] = os.environ[USERS]
        from mlflow.server.auth import create_app

        ours = create_app()
        make_users(os.environ)
        return confined(ours)
    from mlflow.server.fastapi_app import app

    return confined(app)


def _emptied(folder: Path) -> Path:
    """Return the folder, without what a server that was killed left there, and for its owner alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def confined(app: App) -> App:
    """Return the same application, whose pages may load from and connect to itself alone."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        async def send_confined(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"content-security-policy", POLICY)]
            await send(message)

        await app(scope, receive, send_confined if scope["type"] == "http" else send)

    return answer
