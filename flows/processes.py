"""Processes that a flow starts: in a group of their own, and never longer than the flow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from components.stages.processes import group_members, wait_until_empty

GRACE_S = 15.0  # longer than a stage gives itself, so that it can say what happened

# The kernel's "kill me when my parent dies" has to be asked for by the child; doing that between fork and exec of a
# process with threads can hang, so a bare interpreter asks, looks whether it came too late, and becomes the command.
_TIE = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


@contextmanager
def started(
    command: Sequence[str],
    log: Path | IO[str],
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    inherited: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a process group of its own, its output in `log`; the group is gone when the block ends.

    However it ends: TERM first, KILL to whoever is left after a grace, or at once on a second interruption. If this
    process is killed, the kernel kills the command; stages notice by themselves. `inherited` are files of ours, by
    number, that the command has under the same numbers.
    """
    output = log.open("a") if isinstance(log, Path) else log
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=cwd,
            env={**os.environ, **(environment or {})}, pass_fds=inherited,
        )  # fmt: skip
    finally:
        if isinstance(log, Path):
            output.close()
    try:
        yield process
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes], grace_s: float = GRACE_S) -> None:
    """End a process that leads its group, and the whole group with it.

    Its children first: a dvc whose stage has ended leaves by itself, with its locks released and its record written.
    """
    deadline = time.monotonic() + grace_s
    try:
        if others := [member for member in group_members(process.pid) if member.pid != process.pid]:
            _signal(others, signal.SIGTERM)
            _wait(process, grace_s)
        _signal(group_members(process.pid), signal.SIGTERM)
        _wait(process, deadline - time.monotonic())
        wait_until_empty(process.pid, deadline - time.monotonic())
    finally:
        _signal(group_members(process.pid), signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, timeout_s))


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
