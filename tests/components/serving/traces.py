"""What a workspace's servers leave on the machine, and waiting for it to change."""

import time
from collections.abc import Callable
from pathlib import Path

from components.serving.process import running
from components.serving.sweep import SERVER, SHARED_MEMORY, STUB, workspace_prefix

DEADLINE_S = 40


def traces(root: Path, instance: str = "") -> list[str]:
    """Return the processes and shared memory of this workspace's servers, or of one of them."""
    mark = workspace_prefix(root) + instance
    processes = [f"{name} {process.pid}" for name in (SERVER, STUB) for process in running(name, mark)]
    return processes + [path.name for path in SHARED_MEMORY.glob(f"*{mark}*")]


def until(condition: Callable[[], bool]) -> bool:
    """Return whether it came true in time."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
