"""Events, of a monitor or a verdict, to a Prefect server.

Posted, and not by `emit_event`: that hands them to a thread which tries its best, while a look has to know whether what it asked for was heard.
"""

import time
from collections.abc import Sequence

from httpx import HTTPError, HTTPStatusError
from prefect.client.orchestration import get_client
from prefect.events.schemas.events import Event as PrefectEvent
from prefect.runtime import flow_run

from components.contracts.address import without_password
from components.contracts.errors import TransientError
from components.monitoring.events import Event

AGAIN_S = 2.0


def tell(events: Sequence[Event], within_s: float = 0.0) -> None:
    """Send them, each with the run that it comes from, where it comes from one; TransientError where the server does not take them.

    Args:
        within_s: seconds after which nobody tries again, as nobody does where the server refuses them. It takes an event that is sent twice as one.
    """
    deadline = time.monotonic() + within_s
    run = str(flow_run.id or "")
    related = [
        {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"} for tag in flow_run.tags or ()
    ]
    if run:
        related.append({"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"})
    sent = [
        PrefectEvent.model_validate(
            {
                "id": event.id, "event": event.name, "occurred": event.at, "resource": event.resource, "related": related,
                "payload": {**event.payload, "says": event.says, "recipe": event.model.partition("@")[0], "model": event.model, "run": run},
            }
        ).model_dump(mode="json")
        for event in events
    ]  # fmt: skip
    while True:
        try:
            with get_client(sync_client=True) as client:
                client.request("POST", "/events", json=sent)  # type: ignore[arg-type]
            return
        except (HTTPError, OSError) as err:
            refused = isinstance(err, HTTPStatusError) and err.response.status_code < 500
            if refused or time.monotonic() + AGAIN_S > deadline:
                raise TransientError(
                    f"the Prefect server does not take events: {type(err).__name__}: {without_password(str(err))}"
                ) from err
        time.sleep(AGAIN_S)
