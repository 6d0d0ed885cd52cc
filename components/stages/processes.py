"""Processes by identity (a pid alone is used again), and the promise that none outlives whoever started it."""

import ctypes
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is none, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def parent_of(pid: int) -> int | None:
    """Return the parent's pid; None when there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends. Cleared by fork, kept by exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_children() -> None:
    """Make forked workers die with us even by KILL, and orphans of our children ours, so that we can end them."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # The kernel means the parent *thread*: only what the main thread forks may be tied to its end.
    forker = threading.local()

    def remember() -> None:
        forker.is_main = threading.current_thread() is threading.main_thread()

    def tie() -> None:
        if getattr(forker, "is_main", False):
            die_with_parent()

    os.register_at_fork(before=remember, after_in_child=tie)


def end_descendants(grace_s: float) -> None:
    """End every process below this one: TERM, and KILL after `grace_s` seconds."""
    # multiprocessing's resource tracker ends by itself when we do, after freeing our shared memory.
    left = [p for p in psutil.Process().children(recursive=True) if "resource_tracker" not in _command(p)]
    end(left, grace_s)


def end(processes: list[psutil.Process], grace_s: float) -> None:
    """TERM each, wait, and KILL who is left after `grace_s` seconds."""
    for send in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                send(process)
        _, processes = psutil.wait_procs(processes, timeout=grace_s)


def group_members(group: int) -> list[psutil.Process]:
    """Return the live processes of a process group; zombies do not count."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            continue
    return found


def wait_until_empty(group: int, timeout_s: float) -> bool:
    """Wait for the last process of a group to end; return whether it did."""
    deadline = time.monotonic() + timeout_s
    while group_members(group):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
