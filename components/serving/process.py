"""A process that cannot be mistaken for another: its number, when it started, and in which boot.

Numbers are used again; a record of yesterday must never let us signal a stranger. Linux only, as Triton is.
"""

import os
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """One process of this boot.

    Args:
        pid: its number.
        started_ticks: when it started, in clock ticks after boot.
        boot: the kernel's name for this boot.
    """

    pid: int
    started_ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Return the process that has this number now; ProcessLookupError when none has."""
        state, ticks = _stat(pid)
        if state in "ZX":
            raise ProcessLookupError(f"process {pid} has ended")
        return cls(pid=pid, started_ticks=ticks, boot=_boot())

    def is_alive(self) -> bool:
        """Return whether it still runs; an ended one that waits for its parent does not."""
        try:
            return ProcessId.of(self.pid) == self
        except ProcessLookupError:
            return False

    def listens_on(self) -> set[tuple[str, int]]:
        """Return address and port of each TCP socket on which it takes connections; none when it has ended."""
        try:
            connections = psutil.Process(self.pid).net_connections(kind="tcp")
        except psutil.NoSuchProcess:
            return set()
        listening = [each.laddr for each in connections if each.status == psutil.CONN_LISTEN]
        return {(address.ip.removeprefix("::ffff:"), address.port) for address in listening}  # IPv4 on an IPv6 socket

    def send(self, number: signal.Signals) -> None:
        """Signal it, or do nothing when it has ended. PermissionError when it belongs to somebody else."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        except OSError:  # a kernel before 5.3 has no handles; looking just before is the next best
            if self.is_alive():
                os.kill(self.pid, number)
            return
        try:
            if self.is_alive():  # looked at after the handle was taken, so the handle is its own
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)

    def wait(self, timeout_s: float) -> bool:
        """Return whether it ended within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


def executable(pid: int) -> str:
    """Return the name of the file it runs, "" when that cannot be seen."""
    try:
        return (PROC / str(pid) / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return ""


def running(name: str, mark: str, but_not: Collection[str] = ()) -> Iterator[ProcessId]:
    """Yield what runs the executable `name` with `mark` somewhere in its command line, and none of `but_not`."""
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            pid = int(folder.name)
            command = (folder / "cmdline").read_bytes()
            if mark.encode() not in command or any(other.encode() in command for other in but_not):
                continue
            if executable(pid) == name:
                yield ProcessId.of(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def _stat(pid: int) -> tuple[str, int]:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except FileNotFoundError as err:
        raise ProcessLookupError(f"no process {pid}") from err
    fields = text.rpartition(")")[2].split()  # the command, in brackets, may hold anything
    return fields[0], int(fields[19])


def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
