"""Leave nothing behind: end the servers and stubs of a workspace, and take their shared memory and folders away.

They are found by what they are (the executable) and by the workspace's prefix in their command line, so servers that
no record knows, since somebody was killed at the wrong moment, are found too, and nobody else's ever are.
"""

import hashlib
import shutil
import signal
from collections.abc import Collection
from pathlib import Path

from components.serving.command import DRAIN_S
from components.serving.endpoint import Endpoint, read_previous, read_served, read_stopped, served_folder
from components.serving.errors import ServerFailed
from components.serving.process import ProcessId, running

SERVER = "tritonserver"
STUB = "triton_python_backend_stub"
SHARED_MEMORY = Path("/dev/shm")  # where POSIX shared memory lies on Linux
STUB_GRACE_S = 5
KILL_S = 5
NOT_SERVERS = ("sampled", "counts")  # what the gateway keeps beside the folders of servers


def workspace_prefix(root: Path) -> str:
    """Return how the names of this workspace's shared memory begin."""
    return f"diptych_{hashlib.sha256(str(served_folder(root)).encode()).hexdigest()[:8]}_"


def sweep(root: Path, keep: Collection[Endpoint] = (), drain_s: float = DRAIN_S) -> int:
    """End everything of this workspace but `keep`; returns how many servers were running.

    A server gets SIGTERM and `drain_s` seconds to answer what it has begun, then SIGKILL. Raises ServerFailed when
    one stays. Triton takes all of the time when one of its stubs has died, so do not give much to a broken server.
    """
    prefix, kept = workspace_prefix(root), [endpoint.shm_prefix for endpoint in keep]
    servers = list(running(SERVER, prefix, kept))
    _end(servers, drain_s)
    _end(list(running(STUB, prefix, kept)), STUB_GRACE_S)
    for region in SHARED_MEMORY.glob(f"*{prefix}*"):
        if not any(one in region.name for one in kept):
            region.unlink(missing_ok=True)
    others = [
        one for one in (read_served(root), read_stopped(root), read_previous(root)) if one
    ]  # whose files stay, so that they can be served again at once
    _remove_folders(served_folder(root), [*keep, *others])
    return len(servers)


def _end(processes: list[ProcessId], grace_s: float) -> None:
    for process in processes:
        process.send(signal.SIGTERM)
    for process in processes:
        if process.wait(grace_s):
            continue
        process.send(signal.SIGKILL)
        if not process.wait(KILL_S):
            raise ServerFailed(f"Process {process.pid} of the server does not end. Run `kill -9 {process.pid}`.")


def _remove_folders(served: Path, keep: Collection[Endpoint]) -> None:
    """Remove the folders of servers that are gone; the log of one is kept as previous.log."""
    for folder in served.glob("*/"):
        if folder.name in NOT_SERVERS or folder.name in {endpoint.instance for endpoint in keep}:
            continue
        log = folder / "log.txt"
        if log.exists():
            log.replace(served / "previous.log")
        shutil.rmtree(folder, ignore_errors=True)
