"""Stop what serves, and leave nothing of it that runs; have what was stopped served again."""

from pathlib import Path

from components.serving.endpoint import forget_stopped, go_on, read_endpoint, read_stopped, served_folder
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


def resume(root: Path) -> None:
    """Have what was served when all was stopped be served again, where nothing else is. The gateway's keeper starts it, as one that has died.

    Raises Busy while another run deploys.
    """
    if read_stopped(root) is None:
        return
    with serving_lock(root):
        stopped = read_stopped(root)
        if stopped is None or read_endpoint(root) is not None:
            return
        if stopped.repository.exists():
            go_on(root)
        else:
            forget_stopped(root)
