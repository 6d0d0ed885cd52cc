"""Events of a monitor to a Prefect server.

Posted, and not by `emit_event`: that hands them to a thread which tries its best, while a look has to know whether what it asked for was heard.
"""

from collections.abc import Sequence

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.events.schemas.events import Event as PrefectEvent

from components.contracts.errors import TransientError
from components.monitoring.events import Event


def tell(events: Sequence[Event]) -> None:
    """Send them; TransientError where the server does not take them."""
    sent = [
        PrefectEvent.model_validate(
            {
                "id": event.id, "event": event.name, "occurred": event.at, "resource": event.resource,
                "payload": {**event.payload, "says": event.says, "recipe": event.model.partition("@")[0]},
            }
        ).model_dump(mode="json")
        for event in events
    ]  # fmt: skip
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=sent)  # type: ignore[arg-type]
    except (HTTPError, OSError) as err:
        raise TransientError(f"the Prefect server does not take events: {type(err).__name__}: {err}") from err
