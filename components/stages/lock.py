"""One process at a time: a file lock that dies with its holder, whatever killed it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from components.contracts.errors import Busy


@contextmanager
def hold(path: Path, what: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock at `path`; Busy, with the holder's pid, when somebody else still has it after `wait_s` seconds.

    The file stays, since removing a lock file while another process opens it would let both in.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, what, time.monotonic() + wait_s)
        # A forked child shares the lock, and would keep it after our death.
        file = os.fstat(descriptor)
        os.register_at_fork(after_in_child=lambda: _forget(descriptor, file))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, what: str, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode() or "unknown"
                raise Busy(
                    f"{what} is already being worked on by process {holder}. Two writers would mix their files. "
                    f"Wait until it has ended, or stop it with: kill {holder}"
                ) from None
            time.sleep(0.05)


def _forget(descriptor: int, file: os.stat_result) -> None:
    """Close `descriptor` in a forked child, unless its number means another file by now, or none."""
    with suppress(OSError):
        if os.path.samestat(os.fstat(descriptor), file):
            os.close(descriptor)
