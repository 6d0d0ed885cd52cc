"""What is to be found of a picture, and the process that finds it for somebody who must outlive whatever the picture does.

Such a process runs a module of ours, `python -m MODULE DESCRIPTOR …`, which calls `answer`: it takes lists of pictures from a line,
answers each with what it found, and ends with the line. It answers in JSON: whoever started it trusts no objects from a
process that has hostile pictures in its hands. A picture that takes too much ends it, see CPU_S and MEMORY_BYTES.
"""

import json
import os
import resource
import signal
import sys
import traceback
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, TypeVar

from components.data.processes import leave_with_line

CPU_S = 30.0  # of CPU time, for one picture; the largest that are taken need one or two
MEMORY_BYTES = 2 * 2**30  # on top of what the process has when it begins; the largest pictures need half of it
FAILED = 70  # sysexits.h, EX_SOFTWARE: a fault of ours, and not the picture's
READY = b"ready"

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fatal:
    """How a picture ended the process that looked at it.

    Args:
        reason: `undecodable` or `too_slow`, of REASONS.
        detail: the same as a sentence.
    """

    reason: str
    detail: str


class Sight(ABC, Generic[Found]):
    """One kind of look at a picture, here or in a process of its own; the same bytes give the same, wherever it is."""

    @property
    @abstractmethod
    def program(self) -> Sequence[str]:
        """The module that is run in a process of its own, and what it is told after the descriptor."""

    @abstractmethod
    def see(self, data: bytes) -> Found:
        """Return what is found of encoded bytes; never fails, whatever they are."""

    @abstractmethod
    def lost(self, data: bytes, fatal: Fatal) -> Found:
        """Return what is known of a picture that ended the process that looked at it."""

    @abstractmethod
    def to_json(self, found: Found) -> Any:
        """Return what is found as plain JSON values."""

    @abstractmethod
    def from_json(self, said: Any) -> Found:
        """Return what such values say."""


def answer(descriptor: int, sight: Sight[Any], cpu_s: float = CPU_S) -> None:
    """Answer what comes through the line until it ends, on either side of an answer."""
    leave_with_line(descriptor)
    warnings.filterwarnings("ignore", module=r"PIL\b")  # of odd metadata, by the hundred; what matters has a reason
    _limit()
    line = Connection(descriptor)
    try:
        line.send_bytes(READY)
        while True:
            pictures: list[bytes] = line.recv()
            line.send_bytes(json.dumps([sight.to_json(_seen(sight, data, cpu_s)) for data in pictures]).encode())
    except (EOFError, ConnectionResetError, BrokenPipeError):
        return
    except Exception:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
        os._exit(FAILED)


def _seen(sight: Sight[Found], data: bytes, cpu_s: float) -> Found:
    """Look at one picture. The clock counts the process's own seconds, and its alarm, of which nobody hears in C, ends it."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        return sight.see(data)
    except MemoryError:
        detail = f"looking at it takes more than {MEMORY_BYTES / 2**30:g} GB of memory"
        return sight.lost(data, Fatal(reason="undecodable", detail=detail))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit() -> None:
    """Let the process have so much more memory, and leave no file behind when it crashes."""
    data_pages = int(Path("/proc/self/statm").read_text().split()[5])
    most = data_pages * resource.getpagesize() + MEMORY_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
