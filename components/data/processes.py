"""Child processes that end with whoever started them, even where it was killed."""

import multiprocessing
import os
import select
import signal
import threading
from multiprocessing.connection import wait

from components.data.cgroups import Cgroups

HERE = Cgroups()


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


def cores(cgroups: Cgroups = HERE) -> int:
    """Return the processor cores this process may use; of a container or a unit that has a part of them, as many as that part is, one at least."""
    ours, part = len(os.sched_getaffinity(0)), cgroups.processors()
    return ours if part is None else max(min(ours, round(part)), 1)
