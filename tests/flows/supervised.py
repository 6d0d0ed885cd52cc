"""A supervisor as far as its record says, which is a process that lives: for whoever asks how the servers of a workspace are, and starts none."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from components.serving.process import ProcessId
from flows.stack.place import record_file, write_private

ENDS_SLOWLY = """\
import signal, sys, time
def slowly(number, frame):
    time.sleep(1)
    sys.exit()
signal.signal(signal.SIGTERM, slowly)
print("listens", flush=True)
while True:
    signal.pause()
"""


@contextmanager
def supervised(root: Path, without: Sequence[str] = (), **said: object) -> Iterator[None]:
    """Have a process that takes a second to end say that it is the supervisor of a workspace."""
    with subprocess.Popen([sys.executable, "-c", ENDS_SLOWLY], stdout=subprocess.PIPE) as its:
        assert its.stdout is not None
        its.stdout.readline()
        record = {
            "process": asdict(ProcessId.of(its.pid)),
            "data": str(root),
            "without": [*without],
            "services": [],
            **said,
        }
        record_file(root).parent.mkdir(parents=True)
        write_private(record_file(root), json.dumps(record))
        try:
            yield
        finally:
            its.send_signal(signal.SIGKILL)
