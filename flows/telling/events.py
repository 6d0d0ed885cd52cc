"""An event, told to the Prefect server so that we know whether it was heard.

`prefect.events.emit_event` queues it and says nothing when it is lost; whoever has to answer for it asks the server's API.
"""

import asyncio
from collections.abc import Mapping
from uuid import UUID, uuid4

import httpx

from components.contracts.address import without_login, without_password
from components.contracts.errors import TransientError

ALIAS_SET = "diptych.alias.set"
PATIENCE_S = 10.0


def model_resource(model: str) -> str:
    """Return how events call a registered model."""
    return f"diptych.model.{model}"


async def tell_prefect(event: str, resource: str, payload: Mapping[str, str], identity: UUID | None = None) -> None:
    """Have the server of PREFECT_API_URL take an event; TransientError when it did not within 10 s.

    Args:
        event: its name, such as diptych.alias.set.
        resource: what it is about, such as diptych.model.clip.
        payload: what an automation may hand to the flow that it starts.
        identity: the server takes two events of one identity, told within minutes, as one.
    """
    from prefect.client.orchestration import get_client
    from prefect.events import Event, Resource
    from prefect.settings import PREFECT_API_URL

    made = Event(
        event=event, resource=Resource({"prefect.resource.id": resource}), payload=dict(payload), id=identity or uuid4()
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S), get_client() as client:
            await client.request("POST", "/events", json=[made.model_dump(mode="json")])
    except (httpx.HTTPError, TimeoutError, OSError) as err:
        raise TransientError(
            f"the Prefect server at {without_login(str(PREFECT_API_URL.value()))} did not take the event ({type(err).__name__}: {without_password(str(err))})."
        ) from err
