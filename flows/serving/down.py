"""Stop what serves, and leave nothing of it that runs; have what was stopped served again."""

from pathlib import Path

from components.serving.endpoint import (
    Endpoint,
    forget_previous,
    read_endpoint,
    read_previous,
    served_folder,
    write_endpoint,
)
from components.serving.lock import serving_lock
from components.serving.triton import stop
from flows.serving.gateway import stop_gateway


def down(root: Path) -> str:
    """Stop every server of the workspace `root`; return one sentence that says what was done.

    Raises Busy while another run deploys, ServerFailed when a process does not end.
    """
    if not served_folder(root).exists():
        return "Nothing was being served."
    with serving_lock(root):  # first of all: nobody who deploys loses its gateway
        gateway = stop_gateway(root)
        stopped = stop(root)
    what = [*["the gateway"] * gateway, *[f"{stopped} Triton server{'s' * (stopped > 1)}"] * bool(stopped)]
    if not what:
        return "Nothing was being served; no process and no shared memory of ours is left."
    return f"Stopped {' and '.join(what)}; no process and no shared memory of ours is left."


def resume(root: Path) -> Endpoint | None:
    """Have what was served before be what is served, where nothing is: after `down`. The gateway's keeper starts it, as one that has died.

    Return what is to be served; None where something is already, or there are no files of what was. Raises Busy while another run deploys.
    """
    if not served_folder(root).exists():
        return None
    with serving_lock(root):
        stopped = read_previous(root)
        if stopped is None or read_endpoint(root) is not None or not stopped.repository.exists():
            return None
        write_endpoint(root, stopped)
        forget_previous(root)
    return stopped
