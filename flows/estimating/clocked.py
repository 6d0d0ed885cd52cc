"""Run a stage in a process of its own, and say what it took, and when each of its events came: by the clock, and in seconds that a processor worked for it."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from components.contracts.errors import DiptychError
from components.stages.events import Event
from components.stages.place import address, private
from flows.estimating.pace import Mark
from flows.processes import started

_LOOK_S = 0.05  # between two looks at the memory that a process holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked:
    """What a process took.

    Args:
        seconds: by the clock, from its start to its end.
        cpu_s: that processors worked for it and the processes that it started.
        memory_bytes: the most that it held at once, without the processes that it started.
        marks: its events by the clock.
        cpu_marks: the same by the seconds that it had worked.
    """

    seconds: float
    cpu_s: float
    memory_bytes: int
    marks: Sequence[Mark] = ()
    cpu_marks: Sequence[Mark] = ()


def run_stage(root: Path, stage: str, recipe: str | None) -> Clocked:
    """Run a stage of a workspace to its end; DiptychError, with the last that it said, when it fails."""
    named = [] if recipe is None else ["--recipe", recipe]
    return clocked(root, [sys.executable, "-m", f"components.stages.{stage}", *named], address(stage, recipe))


def clocked(root: Path, command: Sequence[str], name: str, **more: str) -> Clocked:
    """Run a command in a workspace to its end, with more in its environment; errors as of run_stage."""
    events, log = private(root, "events") / f"{name}.fifo", private(root, "logs") / f"estimate.{name}.log"
    log.write_bytes(b"")
    events.unlink(missing_ok=True)
    os.mkfifo(events, 0o600)  # unlike a file, it gets every event
    reading = os.open(events, os.O_RDWR | os.O_NONBLOCK)
    environment = {
        "DIPTYCH_EVENTS": str(events),
        "DIPTYCH_OWNER": str(os.getpid()),
        "DIPTYCH_PYTHON": sys.executable,
        **more,
    }
    try:
        began, cpu_before = time.monotonic(), _children_cpu_s()
        with started(command, log, environment, root) as process:
            found = _watched(process, reading, began)
            seconds = time.monotonic() - began
    finally:
        os.close(reading)
        events.unlink(missing_ok=True)
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise DiptychError(
            f"{name} could not be tried, so nothing can be estimated: {said[-1] if said else f'exit code {process.returncode}'}"
        )
    memory, marks, cpu_marks = found
    return Clocked(
        seconds=seconds, cpu_s=_children_cpu_s() - cpu_before, memory_bytes=memory, marks=marks, cpu_marks=cpu_marks
    )


def _watched(
    process: subprocess.Popen[bytes], reading: int, began: float
) -> tuple[int, Sequence[Mark], Sequence[Mark]]:
    """Return the most memory, and all events as they came, when the process has ended."""
    watched, rest = psutil.Process(process.pid), b""
    memory, marks, cpu_marks = 0, list[Mark](), list[Mark]()
    looked = 0.0
    while process.poll() is None:
        ready, _, _ = select.select([reading], [], [], _LOOK_S)
        now = time.monotonic()
        if now - looked >= _LOOK_S:
            looked, memory = now, max(memory, most_held(process.pid))
        if ready:
            *lines, rest = (rest + os.read(reading, 65536)).split(b"\n")
            with suppress(psutil.NoSuchProcess):
                spent = watched.cpu_times()
                for line in lines:
                    event = Event.parse(line.decode())
                    for times, at in ((marks, now - began), (cpu_marks, spent.user + spent.system)):
                        times.append(Mark(at_s=at, doing=event.doing, done=event.done, total=event.total))
    return memory, marks, cpu_marks


def most_held(pid: int) -> int:
    """Return the most bytes that a process has held since it became what it is, as the kernel counts; 0 of one that has ended."""
    try:
        said = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in said.splitlines() if line.startswith("VmHWM:")), 0)


def _children_cpu_s() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system
