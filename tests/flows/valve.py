"""A FIFO that holds a stage at its work: while it is full, the stage's next event waits, and so does the stage."""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

_F_SETPIPE_SZ = 1031


class Valve:
    """Shut when made; `open_until` lets events through. Give `path` to a stage as DIPTYCH_EVENTS."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._descriptor, _F_SETPIPE_SZ, 4096)  # one page, or dozens of events would fit in
        self._shut()

    def __enter__(self) -> "Valve":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        self.path.unlink()

    def open_until(
        self, wanted: Callable[[dict[str, Any]], bool], process: "subprocess.Popen[str]", timeout_s: float = 300.0
    ) -> dict[str, Any]:
        """Let events through until one is wanted, and hold the stage just after it; `process` is to live so long."""
        deadline, last = time.monotonic() + timeout_s, None
        while True:
            for event in self._drain():
                last = event
                if wanted(event):
                    self._shut()
                    return event
            self._shut()
            assert process.poll() is None, f"it ended before the event; the last one was {last}"
            assert time.monotonic() < deadline, f"no such event in {timeout_s} s; the last one was {last}"
            time.sleep(0.01)

    def open(self, process: "subprocess.Popen[str]", timeout_s: float = 300.0) -> None:
        """Let everything through until the process has ended."""
        deadline = time.monotonic() + timeout_s
        while process.poll() is None:
            self._drain()
            assert time.monotonic() < deadline, f"it runs on after {timeout_s} s"
            time.sleep(0.01)

    def _shut(self) -> None:
        try:
            while True:
                os.write(self._descriptor, b"\n")
        except BlockingIOError:
            pass

    def _drain(self) -> list[dict[str, Any]]:
        held = b""
        try:
            while True:
                held += os.read(self._descriptor, 65536)
        except BlockingIOError:
            pass
        return [json.loads(line) for line in held.decode().splitlines() if line]
