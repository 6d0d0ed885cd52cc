"""A real Prefect server of a test's own, as `diptych up` runs it, on what one before it has kept."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.loopback import HOST, wait_for
from flows.page_apps import LEASES
from flows.processes import started
from tests.flows.rolled import REPOSITORY


@contextmanager
def kept_prefect(folder: Path, port: int, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run it on a folder, with these settings too, while the block runs; its output is the folder's `log`."""
    folder.mkdir(exist_ok=True)
    (folder / "log").touch()
    command = [sys.executable, "-m", "uvicorn", "--factory", "flows.page_apps:prefect_page", "--host", HOST, "--port", str(port), "--lifespan", "on"]  # fmt: skip
    with started(
        command, folder / "log", {"PREFECT_HOME": str(folder), **LEASES, **environment}, REPOSITORY
    ) as process:
        wait_for(f"http://{HOST}:{port}/api/health", process, folder / "log", "the Prefect server", 300)
        yield process
