"""One process that looks at pictures, and the line to it.

It is a program of its own (components/data/sight.py), neither forked, which would copy whatever threads and locks there are, nor
spawned by multiprocessing, which would import all that we have.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing import Pipe
from typing import Generic, TypeVar

from components.contracts.errors import TransientError
from components.data.sight import FAILED, READY, Fatal, Sight

_ENDS_S = 10.0
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS})

Found = TypeVar("Found")


class Lost(Exception):
    """A process ended before its work did."""


class Looker(Generic[Found]):
    """One process, started at once.

    Args:
        sight: what it finds.
        patience_s: seconds after which it is ended, if it takes nothing, or says nothing.
    """

    def __init__(self, sight: Sight[Found], patience_s: float) -> None:
        self.sight, self.patience_s = sight, patience_s
        self.line, theirs = Pipe()
        self._begun = self._given_up = False
        module, *words = sight.program
        where = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109 -- as text
        # Ctrl-C reaches it too, and is ours to handle: what is blocked now stays so in the new process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(theirs.fileno()), *words],
                pass_fds=[theirs.fileno()], env=os.environ | {"PYTHONPATH": where}, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    def ask(self, pictures: Sequence[bytes]) -> None:
        """Send pictures; Lost when the process is no more, or takes nothing for so long that it is ended."""
        timer = threading.Timer(self.patience_s, self.give_up)
        timer.daemon = True
        timer.start()
        try:
            self.line.send(pictures)
        except (BrokenPipeError, ConnectionResetError) as err:
            raise Lost from err
        finally:
            timer.cancel()

    def answer(self) -> list[Found] | None:
        """Take what it says: what it saw, or None when it says that it has begun. Lost when it ended instead."""
        try:
            said = self.line.recv_bytes()
        except (EOFError, ConnectionResetError) as err:
            raise Lost from err
        if not self._begun and said == READY:
            self._begun = True
            return None
        return [self.sight.from_json(one) for one in json.loads(said)]

    def look(self, data: bytes) -> Found:
        """Return what it sees of one picture; Lost when that ends it, or takes so long that it is ended."""
        self.ask([data])
        while True:
            if not self.line.poll(self.patience_s):
                self.give_up()
            if (found := self.answer()) is not None:
                return found[0]

    def give_up(self) -> None:
        """End it because it says nothing; whoever listens to it finds it lost."""
        self._given_up = True
        self.process.kill()

    def fatal(self) -> Fatal:
        """Return what the picture that a lost one looked at has done to it; TransientError where it was none of its doing."""
        code = self._code()
        if not self._begun:
            raise self._failed(f"did not begin (exit code {code})")
        if self._given_up:
            return Fatal(
                reason="too_slow", detail=f"looking at it came to no end within {self.patience_s:g} s, and was given up"
            )
        if code == -signal.SIGPROF:
            return Fatal(reason="too_slow", detail="looking at it took more CPU time than any sound picture does")
        if -code in _CRASHES:
            name = signal.Signals(-code).name
            return Fatal(reason="undecodable", detail=f"it crashes the decoder, whose process ended by {name}")
        if code >= 0 and code != FAILED:
            return Fatal(
                reason="undecodable", detail=f"its decoder ended the process that looked at it, with code {code}"
            )
        raise self._failed(f"was ended by {signal.Signals(-code).name}" if code < 0 else "had a fault of its own")

    def _code(self) -> int:
        """Return the exit code of one that was lost: minus a signal, where that ended it."""
        self.line.close()
        try:
            return self.process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:  # it hung up and lives, which no program of ours does
            self.process.kill()
            return self.process.wait()

    def _failed(self, what: str) -> TransientError:
        return TransientError(
            f"a process that looks at pictures {what} before its work was done. Mostly the machine had no memory left for it. "
            "Run again (ingest goes on from what is whole); if it happens again, free some memory, or let fewer of them work at once: "
            "there is one for each core that the command may use, so put `taskset -c 0` in front of it."
        )

    def end(self) -> None:
        """End it; it keeps nothing that could be half done."""
        self.line.close()
        self.process.kill()
        self.process.wait()
