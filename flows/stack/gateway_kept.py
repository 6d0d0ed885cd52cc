"""The gateway's keeper, beside the servers: started again where it was killed. It outlives us, as we may end and what is served goes on."""

import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from components.contracts.errors import DiptychError
from components.serving.keeper import Backoff
from flows.serving.gateway import mend_gateway

LOOK_EVERY_S = 2.0


def keep_gateway(
    root: Path, stopping: threading.Event, say: Callable[[str], None], every_s: float = LOOK_EVERY_S
) -> None:
    """Look, until `stopping` is set, whether the keeper of this workspace was killed, and start another; each try in a row waits longer.

    One that was stopped, by `diptych down` or by nobody having served anything yet, stays so.

    Args:
        say: is told what was done, or why it could not be.
    """
    backoff = Backoff()
    while not stopping.wait(every_s):
        if not backoff.ready():
            continue
        try:
            gateway = mend_gateway(root)
        except Exception as err:  # whatever it is, the next look may succeed
            said = str(err) if isinstance(err, DiptychError | OSError) else traceback.format_exc()
            say(
                f"the gateway's keeper was killed, and no other starts ({said}); the next try is in {backoff.failed():.0f} s at the soonest"
            )
            continue
        if gateway is not None:
            say(f"the gateway's keeper was killed; another answers at {gateway.url}")
            backoff.went_well()
