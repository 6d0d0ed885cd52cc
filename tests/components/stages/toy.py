"""Stages for the tests of the frame, run as real processes: python toy.py <what it does>."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from components.contracts.errors import DataError
from components.stages.code import write_code
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def write(stage: Stage) -> None:
    with stage.output("out/left", "out/right") as (left, right):
        (left / "a").write_text("left")
        stage.progress("part", 1, 2, loss=2.5)
        (right / "b").write_text("right")
        stage.progress("part", 2, 2)


def edited(stage: Stage) -> None:
    """Work during which somebody edits its code, and DVC hears of it."""
    Path("components/a.py").write_text("edited")
    write_code(Path())
    write(stage)


def broken(stage: Stage) -> None:
    with stage.output("out") as folder:
        (folder / "half").write_text("half")
        raise DataError("row 7 is broken. Mend it.")


def crash(stage: Stage) -> None:
    raise KeyError("surprise")


def flaky(stage: Stage) -> None:
    raise ConnectionResetError("the line dropped")


def segfault(stage: Stage) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def steps(stage: Stage) -> None:
    """Count to 5, keep the count, and go on from it."""
    kept = stage.resume_dir([Path("in")], {"steps": 5}) / "count"
    first = int(kept.read_text()) if kept.exists() else 0
    with stage.output("out") as folder:
        for step in range(first + 1, 6):
            kept.write_text(str(step))
            stage.progress("step", step, 5)
        (folder / "first").write_text(str(first))


def wait(stage: Stage) -> None:
    """Work that never ends, with two children."""
    if os.fork() == 0:
        time.sleep(600)
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    stage.progress("step", 1, 2)
    while True:
        time.sleep(600)


def deaf(stage: Stage) -> None:
    """Swallow the interruption once."""
    try:
        wait(stage)
    except Exception:
        stage.progress("step", 2, 2)


if __name__ == "__main__":
    sys.exit(run_stage("toy", globals()[sys.argv[1]], sys.argv[2:]))
