"""Keeps serving alive: the gateway's workers, and the server behind them. `python -m components.serving.keeper ROOT MARK`

A worker that ends is started again, and so is one whose event loop has stood still for `hang_s`; a Triton server that has stopped answering, in which a dead Python process makes no difference to
what it says of itself, gets a fresh one beside it on the same repository, and goes. Both wait longer each time they fail in a row. So does one that stands beside the champion, as long as its process
lives; one that has ended gets no requests any more, and one with a lease, a canary, is left to whoever watches it. Whoever comes in the
place of a worker that broke or hung leaves encoders, and the pictures that are sent, to Triton: what broke it may be sent again.
"""

import os
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from components.contracts.errors import Busy, DiptychError, TransientError
from components.serving.endpoint import Endpoint, served_folder
from components.serving.gateway.settings import APART, BEGAN, COUNTS, SOCKET, VARIABLE, Settings
from components.serving.kept_worker import Backoff, Worker, say
from components.serving.lock import KEEPER, serving_lock
from components.serving.record import Gateway, settings_file, write_gateway
from components.serving.routes import read_routes, write_beside
from components.serving.search.searcher import prepare
from components.serving.sweep import sweep
from components.serving.triton import BROKEN_DRAIN_S, fault_of, restart

LOOK_EVERY_S = 0.2
# A large encoder takes long over what it is probed with: a server that answers is probed again at the first look at which that is a fiftieth of the time or less, or after RESTS_S.
PROBED_SHARE, RESTS_S = 0.02, 20.0
PROBE_EVERY_S = 5.0
PROBE_S = 10.0  # that a loaded server may take to answer
SLOW_PROBES = (
    3  # in a row that a server does not answer in time before it counts as dead; one that fails is dead at once
)


@dataclass(slots=True)
class Watched:
    """How a server fares.

    Args:
        healing: how long to wait until it is started again.
        slow: probes in a row that it did not answer in time.
        takes_s: seconds that a probe takes: the shortest, which is without what else is asked meanwhile.
        rests_until: as `time.monotonic` has it, when it is probed again; whether its process lives is looked at all the same.
    """

    healing: Backoff = field(default_factory=Backoff)
    slow: int = 0
    takes_s: float = float("inf")
    rests_until: float = float("-inf")

    def answered(self, now: float, took_s: float) -> None:
        """Note that it answered a probe of the look that began then, as `time.monotonic` has it, in so many seconds."""
        self.takes_s = min(self.takes_s, took_s)
        self.rests_until = now + min(self.takes_s / PROBED_SHARE, RESTS_S) - LOOK_EVERY_S  # a look may be as early
        self.healing.went_well()


class Keeper:
    """The loop.

    Args:
        root: of the workspace.
        settings: of its gateway.
        listening: the socket that all workers share.
    """

    def __init__(self, root: Path, settings: Settings, listening: socket.socket) -> None:
        self._root = root
        self._settings = settings
        self._socket = listening
        self._workers: list[Worker] = [Worker(settings.hang_s) for _ in range(settings.workers)]
        self._watched: dict[str, Watched] = {}
        self._probe_at = time.monotonic() + PROBE_EVERY_S
        self._stopping = False
        self._probing = threading.Thread()

    def run(self) -> None:
        """Keep all alive until TERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self._stopping:
                for worker in self._workers:
                    if worker.look_after(self._command(worker)) and self._settings.in_process:
                        say(
                            "whoever comes in its place leaves pictures and encoders to Triton, until the gateway is started anew: diptych serve --in-process"
                        )
                if time.monotonic() >= self._probe_at and not self._probing.is_alive():
                    self._probing = threading.Thread(target=self._probe)  # workers are looked after meanwhile
                    self._probing.start()
                    self._probe_at = time.monotonic() + PROBE_EVERY_S
                time.sleep(LOOK_EVERY_S)
        finally:
            if self._probing.is_alive():
                self._probing.join()
            self._socket.close()  # the workers close theirs: who asks anew is refused at once, and waits for nobody
            for worker in self._workers:
                worker.let_go()
            for worker in self._workers:
                worker.wait()

    def _command(self, worker: Worker) -> tuple[int, dict[str, str]]:
        handle = self._socket.fileno()
        apart = {APART: "1"} if worker.broke else {}
        return handle, {**os.environ, VARIABLE: str(settings_file(self._root)), SOCKET: str(handle), **apart}

    def _probe(self) -> None:
        """Look after the servers; whatever goes wrong is written down and tried again."""
        try:
            routes = read_routes(self._root)
            if routes.over() or any(not one.endpoint.process.is_alive() for one in routes.beside):
                self._forget()
                routes = read_routes(self._root)
            own = [one.endpoint for one in routes.beside if one.until is None]  # who gave another its lease judges it
            endpoints = [*([routes.main] if routes.main else []), *own]
            self._watched = {one.package_digest: self._watched.get(one.package_digest, Watched()) for one in endpoints}
        except Busy:
            return  # a deploy is under way, and looks after the servers itself
        except Exception as err:  # whatever it is, workers have to be kept
            say(f"nobody knows which servers there are ({_told(err)}); the next look is in {PROBE_EVERY_S:.0f} s")
            return
        now = time.monotonic()
        for endpoint in endpoints:
            self._look(endpoint, self._watched[endpoint.package_digest], now)

    def _look(self, endpoint: Endpoint, watched: "Watched", now: float) -> None:
        if now < watched.rests_until and endpoint.process.is_alive():
            return
        watched.rests_until = now  # whoever comes in the place of one that fails is asked at once
        try:
            began = time.monotonic()
            fault = fault_of(endpoint, PROBE_S)
            watched.slow = watched.slow + 1 if isinstance(fault, TransientError) else 0
            if fault is None:
                watched.answered(now, time.monotonic() - began)
            elif (not watched.slow or watched.slow >= SLOW_PROBES) and watched.healing.ready():
                self._heal(endpoint, str(fault))
                watched.slow = 0
        except Busy:
            pass  # as above
        except Exception as err:  # whatever it is, workers and the other servers have to be kept
            say(
                f"the server was not mended ({_told(err)}); the next try is in {watched.healing.failed():.0f} s at the soonest"
            )

    def _forget(self) -> None:
        with serving_lock(self._root, KEEPER):
            routes = read_routes(self._root)
            over = routes.over()
            left = [one for one in routes.beside if one not in over and one.endpoint.process.is_alive()]
            for one in routes.beside:
                if one not in left:
                    why = "nobody watches over it any more" if one in over else "has ended"
                    say(f"{one.endpoint.label}, beside the champion, {why}; it gets no requests")
            write_beside(self._root, left)
            sweep(self._root, keep=read_routes(self._root).endpoints)

    def _heal(self, broken: Endpoint, why: str) -> None:
        say(f"{broken.label} (process {broken.process.pid}) does not answer: {why} Starting another.")
        with serving_lock(self._root, KEEPER):
            routes = read_routes(self._root)
            if broken not in routes.endpoints:
                return
            with restart(self._root, broken) as candidate:
                prepare(candidate.endpoint.repository, self._root)
                if broken == routes.main:
                    candidate.hand_over()
                else:
                    candidate.take_place_of(broken)
            sweep(self._root, keep=read_routes(self._root).endpoints, drain_s=BROKEN_DRAIN_S)
        say(f"{broken.label} answers again (process {candidate.endpoint.process.pid})")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True


def _told(err: Exception) -> str:
    return str(err) if isinstance(err, DiptychError | OSError) else traceback.format_exc()


def main(arguments: list[str]) -> int:
    """Keep the gateway of a workspace; the socket is our standard input."""
    root = Path(arguments[0])
    settings = Settings.read(settings_file(root))
    listening = socket.socket(fileno=os.dup(0))
    with open(os.devnull) as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    if settings.workers > 1:
        counts = served_folder(root) / "counts"
        shutil.rmtree(counts, ignore_errors=True)
        counts.mkdir(mode=0o700)
        os.environ |= {COUNTS: str(counts), BEGAN: str(time.time())}
    host, port = listening.getsockname()[:2]
    write_gateway(root, Gateway.of_this_process(f"{host}:{port}"))
    Keeper(root, settings, listening).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
