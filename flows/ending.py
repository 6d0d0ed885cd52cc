"""How a command ends before it is done: by a signal, or because nobody reads what it says any more."""

import json
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """TERM or HUP, as what Ctrl-C raises: everything on the way out cleans up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Raise Terminated; a handler of signals."""
    raise Terminated(number)


def stopped(root: Path | None, began: float, err: KeyboardInterrupt) -> int:
    """Say in one sentence where it stopped, which the stage has written down; return the exit code, 128 + signal.

    Args:
        root: of the workspace; None where there was none yet.
        began: when the command did, in seconds since 1970.
    """
    number = err.number if isinstance(err, Terminated) else signal.SIGINT
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)  # it is over; the rest is one sentence
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    print(f"diptych: stopped by {name}{_where(root, began) if root is not None else ''}.", file=sys.stderr)
    return 128 + number


def _where(root: Path, began: float) -> str:
    """Return in which stage, and what the next run does; empty where no stage was stopped, as where one goes on for somebody else."""
    from components.stages.outcome import StageOutcome

    found = list[StageOutcome]()
    for path in (root / ".diptych" / "outcome").glob("*.json"):
        with suppress(ValueError, TypeError, OSError):  # of one that was written on a full disk
            if path.stat().st_mtime >= began:
                found.append(StageOutcome(**json.loads(path.read_text())))
    last = next((one for one in reversed(found) if one.state in ("interrupted", "running") and not one.lives), None)
    if last is None:
        return ""
    at = f" at {last.position}" if last.position else ""
    return f" in {last.address}{at}; the next run {'goes on from there' if last.resumes else 'starts it again'}"


def nobody_reads() -> bool:
    """Return whether whoever read standard output has gone, as `head` does; what is left to say goes nowhere then."""
    try:
        handle = sys.stdout.fileno()
    except OSError:  # it is no file, as in a test
        return False
    looks = select.poll()
    looks.register(handle, 0)
    if not any(found & (select.POLLERR | select.POLLHUP) for _, found in looks.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), handle)
    return True
