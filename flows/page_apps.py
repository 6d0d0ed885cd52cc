"""What uvicorn serves as a page, in a process of its own: Prefect's or MLflow's, kept from asking anybody else.

Prefect's page loads its analytics from another host though the server has them off; a browser that is told where a page
may connect to asks nobody. Both read their settings from the environment, so it is set before they are imported.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY = b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'"
STORE, ARTIFACTS = "DIPTYCH_MLFLOW_STORE", "DIPTYCH_MLFLOW_ARTIFACTS"


def prefect_page() -> App:
    """Return Prefect's API and page on the store of PREFECT_HOME."""
    from prefect.server.api.server import create_app

    return confined(create_app())


def mlflow_page() -> App:
    """Return MLflow's API and page on the store that DIPTYCH_MLFLOW_STORE names.

    `mlflow server` would do the same from a process above the server, which would outlive it when we are killed.
    """
    from mlflow.server import constants, handlers

    store, artifacts = os.environ[STORE], os.environ[ARTIFACTS]
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: store, constants.ARTIFACT_ROOT_ENV_VAR: artifacts,
        "_MLFLOW_SGI_NAME": "uvicorn",
    }  # fmt: skip
    handlers.initialize_backend_stores(store, store, artifacts)
    from mlflow.server.fastapi_app import app

    return confined(app)


def confined(app: App) -> App:
    """Return the same application, whose pages may load from and connect to itself alone."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        async def send_confined(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"content-security-policy", POLICY)]
            await send(message)

        await app(scope, receive, send_confined if scope["type"] == "http" else send)

    return answer
