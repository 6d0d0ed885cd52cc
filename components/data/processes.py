"""Child processes that end with whoever started them, even where it was killed."""

import multiprocessing
import os
import select
import signal
import threading
from multiprocessing.connection import wait
from pathlib import Path


def end_with_parent() -> None:
    """Make this worker leave as soon as its parent is gone; Ctrl-C is the parent's to handle, TERM ends it."""
    for number, do in (
        (signal.SIGINT, signal.SIG_IGN),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        signal.signal(number, do)  # a forked worker has its parent's handlers
    leave_with_parent()


def leave_with_parent() -> None:
    """Make this process leave as soon as its parent is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def leave_with_line(descriptor: int) -> None:
    """Make this process leave as soon as nobody holds the other end of a socket, whatever it is doing then."""

    def watch() -> None:
        ends = select.poll()
        ends.register(descriptor, 0)  # what comes through it is not waited for, only its end
        ends.poll()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the processor cores this process may use; of a container that has a part of them, as many as that part is, one at least."""
    ours = len(os.sched_getaffinity(0))
    try:
        most, period = quota.read_text(encoding="ascii").split()
        return max(min(ours, round(int(most) / int(period))), 1)
    except (OSError, ValueError):  # no container's, or `max`
        return ours
