"""One process of the gateway, started again when it ends, and ended where it hangs."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from components.contracts.log_line import log_line
from components.serving.gateway.settings import COUNTS, DRAIN_S
from components.serving.gateway.stuck import CODE
from components.serving.pulse import PULSE, Pulse

LONGEST_WAIT_S = 60.0
STEADY_S = 30.0  # after which a worker that ends counts as one that ended once
START_S = 180.0  # that a worker may take to its first beat, on a busy machine
CRASHES = frozenset(
    -number
    for number in (
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    )
)
"""How a process ends whose native code broke."""
VMSTAT = Path("/proc/vmstat")


class Backoff:
    """How long to wait before the next try: a second, then twice as long each time, at most a minute."""

    def __init__(self) -> None:
        self._wait_s = 0.0
        self._until = float("-inf")

    def ready(self) -> bool:
        """Return whether it is time."""
        return time.monotonic() >= self._until

    def failed(self) -> float:
        """Wait longer; return for how many seconds."""
        self._wait_s = min(max(1.0, 2 * self._wait_s), LONGEST_WAIT_S)
        self._until = time.monotonic() + self._wait_s
        return self._wait_s

    def went_well(self) -> None:
        """Begin with a second again."""
        self._wait_s = 0.0


class Worker:
    """The process, or none.

    Args:
        hang_s: without a beat of its event loop after which it is ended.

    Attributes:
        broke: whether native code has ever ended one, such as a decoder of pictures, or one hung that had begun, or the system ended one
            since memory had run out.
    """

    def __init__(self, hang_s: float) -> None:
        self._hang_s = hang_s
        self._process: subprocess.Popen[bytes] | None = None
        self._pulse: Pulse | None = None
        self._backoff = Backoff()
        self._since = 0.0
        self._killed = 0.0
        self.broke = False

    def look_after(self, command: tuple[int, dict[str, str]]) -> bool:
        """End it where it hangs, and start it where it does not run and it is time; return whether it broke or hung, as none of its kind before."""
        before = self.broke
        if (
            self._process is not None
            and self._pulse is not None
            and self._pulse.hangs()
            and self._process.poll() is None
        ):
            say(f"a worker (process {self._process.pid}) has answered nothing for {self._hang_s:g} s; it is killed")
            self._process.kill()
            self._process.wait()
            self._killed = math.inf  # for no want of memory
            self.broke = self.broke or self._pulse.has_begun
        if self._process is not None:
            killed = killed_for_memory()  # before it is known to be alive
            if self._process.poll() is None:
                self._killed = killed
            else:
                self._ended(self._process, killed > self._killed)
        if self._process is None and self._backoff.ready():
            self._start(*command)
        return self.broke and not before

    def _ended(self, process: "subprocess.Popen[bytes]", for_memory: bool) -> None:
        if time.monotonic() - self._since > STEADY_S:
            self._backoff.went_well()
        for_memory = for_memory and process.returncode == -signal.SIGKILL
        self.broke = self.broke or for_memory or process.returncode in CRASHES or process.returncode == CODE
        wait_s = self._backoff.failed()
        why = ", since memory had run out" if for_memory else ""
        say(f"a worker ended with code {process.returncode}{why}; another starts in {wait_s:.0f} s")
        if COUNTS in os.environ:
            mark_process_dead(process.pid)
        if process.stdin is not None:
            process.stdin.close()
        if self._pulse is not None:
            self._pulse.close()
        self._process = self._pulse = None

    def _start(self, handle: int, environment: dict[str, str]) -> None:
        self._since, self._killed = time.monotonic(), killed_for_memory()
        self._pulse = Pulse(self._hang_s, max(START_S, self._hang_s))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "components.serving.gateway.worker"], stdin=subprocess.PIPE,
            env={**environment, PULSE: str(self._pulse.ours)}, pass_fds=(handle, self._pulse.ours),
        )  # fmt: skip
        self._pulse.given()

    def let_go(self) -> None:
        """Ask it to answer what it has begun, and end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended, and end it when that takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(DRAIN_S + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def killed_for_memory() -> int:
    """Return how many processes of this machine the system has ended for want of memory, those of containers too; 0 where it does not tell."""
    try:
        found = re.search(r"^oom_kill (\d+)$", VMSTAT.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def say(text: str) -> None:
    """Write a line into the gateway's log, whose disk may be full."""
    log_line(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} keeper: {text}")
