"""A stage must not outlive who started it. TERM to `dvc` leaves the stage running, so the stage watches dvc itself."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from components.contracts.errors import Interrupted
from components.stages.processes import parent_of


def chain(environment: Mapping[str, str]) -> list[int]:
    """Return who to watch: every ancestor up to the owner of the run.

    The owner is DIPTYCH_OWNER's pid where a flow started us, and the nearest dvc where a shell did; nobody when the
    stage was started by hand. Interrupted when there was an owner and it is gone.
    """
    above: list[int] = []
    pid: int | None = os.getppid()
    while pid is not None and pid > 1:
        above.append(pid)
        pid = parent_of(pid)
    owner = environment.get("DIPTYCH_OWNER")
    if owner is None and "DVC_STAGE" not in environment:
        return []
    for place, pid in enumerate(above):
        if str(pid) == owner if owner is not None else _is_dvc(pid):
            return above[: place + 1]
    raise Interrupted(f"the run that started this stage ({f'process {owner}' if owner else 'dvc'}) is gone")


def watch(pids: list[int], on_death: Callable[[int], None]) -> None:
    """Call `on_death` from a daemon thread as soon as one of `pids` has ended."""
    poll = select.poll()
    opened: dict[int, int] = {}
    for pid in pids:
        try:
            opened[os.pidfd_open(pid)] = pid
        except ProcessLookupError:
            return on_death(pid)
    for descriptor in opened:
        poll.register(descriptor, select.POLLIN)
    if opened:
        threading.Thread(target=lambda: on_death(opened[poll.poll()[0][0]]), name="ancestors", daemon=True).start()


def leave(grace_s: float, last: Callable[[], None]) -> None:
    """End this process as on TERM; by KILL, after `last`, when it is still there after `grace_s` seconds."""
    # To the main thread by name: a blocking call of its wakes up only for a signal of its own.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(grace_s)
    last()
    os.kill(os.getpid(), signal.SIGKILL)


def _is_dvc(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return any(Path(word).name == "dvc" for word in words[:4])
