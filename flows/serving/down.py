"""Stop what serves, and leave nothing of it."""

from pathlib import Path

from components.serving.endpoint import served_folder
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
