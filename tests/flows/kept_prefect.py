"""A real Prefect server of a test's own, as `diptych up` runs it, on what one before it has kept."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.loopback import HOST, wait_for
from flows.page_apps import LEASES
from flows.processes import started
from tests.flows.rolled import REPOSITORY


def api_of(its: socket.socket) -> str:
    """Return the address of the API of the server that has a socket."""
    return f"http://{HOST}:{its.getsockname()[1]}/api"


@contextmanager
def kept_prefect(folder: Path, its: socket.socket, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run it on a folder and a socket of `flows.loopback.bound`, with these settings too, while the block runs; its output is the folder's `log`.

    Whoever has the socket keeps the port, also while one server has gone and the next has not come.
    """
    folder.mkdir(exist_ok=True)
    (folder / "log").touch()
    command = [sys.executable, "-m", "uvicorn", "--factory", "flows.page_apps:prefect_page", "--fd", str(its.fileno()), "--lifespan", "on"]  # fmt: skip
    variables = {"PREFECT_HOME": str(folder), **LEASES, **environment}
    with started(command, folder / "log", variables, REPOSITORY, [its.fileno()]) as process:
        wait_for(f"{api_of(its)}/health", process, folder / "log", "the Prefect server", 300)
        yield process
