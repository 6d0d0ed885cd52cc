"""Keeps the servers of a machine alive, until TERM: `python -m flows.stack.supervisor ROOT DATA [WITHOUT ...]`.

A server that ends, or does not answer for a while, is started again; each try in a row waits longer. Whoever needs another starts after it.
They end in the other order, and with us, however we end; but for the gateway, which serves on without us.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from components.contracts.errors import DiptychError
from components.contracts.log_line import log_line
from components.serving.keeper import Backoff
from components.serving.process import ProcessId
from components.stages.lock import hold
from components.stages.place import private
from flows.claims import Claims
from flows.loopback import stranger_at
from flows.processes import GRACE_S, started
from flows.stack import metrics
from flows.stack.gateway_kept import keep_gateway
from flows.stack.place import SETTINGS, Place, record_file, write_private
from flows.stack.restoring import with_restored_passwords
from flows.stack.service import Service
from flows.stack.services import services

STARTS_WITHIN_S = 180.0
DEAF_S = 30.0  # that a server may not answer before it is started again
LOOK_EVERY_S, LOOK_STARTING_EVERY_S = 1.0, 0.25
ASK_STARTING_EVERY_S, ASK_EVERY_S = 0.25, 10.0
STEADY_S = 60.0  # after which an end counts as the first
ENDS_WITHIN_S = 60.0
WRITE_AGAIN_S = 10.0  # after which how the servers are is written down again, where there was no room for it
LOG_MB = 16
_THEIRS = ("AWS_", "PG", "MLFLOW_", "PREFECT_")
State = Literal["waits", "starts", "well", "deaf", "failed", "stopped"]


class Kept:
    """One server and how it is, in a thread of its own.

    Args:
        service: what it is.
        place: where it keeps its log.
        stopping: set when all shall end.
        told: set when something about it has changed.
        client: the environment of whoever uses the others.
    """

    def __init__(
        self, service: Service, place: Place, stopping: threading.Event, told: threading.Event, client: Mapping[str, str]
    ) -> None:  # fmt: skip
        self.service, self._place, self._stopping, self._told, self._client = service, place, stopping, told, client
        self.before: list[Kept] = []
        self.behind: list[Kept] = []
        self.is_well, self.ended = threading.Event(), threading.Event()
        self.state: State = "waits"
        self.why, self.starts, self.since = "", 0, _now()
        self.pid: int | None = None
        self._backoff = Backoff()
        self._thread = threading.Thread(target=self._run, name=service.name)

    def start(self) -> None:
        """Begin to keep it."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def as_json(self) -> dict[str, Any]:
        """Return what is known of it."""
        its = self.service
        return {
            "name": its.name, "what": its.what, "address": its.address, "state": self.state, "why": self.why, "since": self.since,
            "pid": self.pid, "starts": self.starts, "log": str(self._place.log(its.name)), "metrics": its.metrics, "version": its.version,
        }  # fmt: skip

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._backoff.ready() or not all(one.is_well.is_set() for one in self.before):
                    self._stopping.wait(LOOK_STARTING_EVERY_S)
                    continue
                began = time.monotonic()
                try:
                    self._once()
                except Exception as err:  # whatever it is, the others have to be kept
                    known = isinstance(err, DiptychError | OSError | subprocess.SubprocessError)
                    self._says("failed", str(err) if known else traceback.format_exc())
                if self._stopping.is_set():
                    break
                if time.monotonic() - began > STEADY_S:
                    self._backoff.went_well()
                say(f"{self.service.name} {self.why}; it is started again in {self._backoff.failed():.0f} s")
        finally:
            self.is_well.clear()
            self._says("stopped", "")
            self.ended.set()

    def _once(self) -> None:
        """Start it, and look after it until it ends, is deaf, or all shall end."""
        its, log = self.service, self._place.log(self.service.name)
        self.starts += 1
        its.prepare()
        environment = {**(self._client if its.ours else {}), **its.environment}
        with started(its.command, log, environment, its.folder) as process:
            self.pid = process.pid
            self._says("starts", "")
            try:
                self._look_after(process)
            finally:
                self.is_well.clear()
                self.pid = None
                for other in self.behind if self._stopping.is_set() else ():
                    other.ended.wait()  # who needs it may end in its own time
                process.send_signal(its.ends_by)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(ENDS_WITHIN_S)

    def _look_after(self, process: "subprocess.Popen[bytes]") -> None:
        heard, ask_at = time.monotonic(), 0.0
        while not self._stopping.wait(LOOK_EVERY_S if self.is_well.is_set() else LOOK_STARTING_EVERY_S):
            if process.poll() is not None:
                return self._says("failed", f"ended with code {process.returncode}: {self._last()}")
            if time.monotonic() < ask_at:
                continue
            fault = self.service.fault()
            if fault is None and not self.is_well.is_set():
                fault = stranger_at(self.service.address, process) or self._set_up()
            if fault is None:
                heard = time.monotonic()
                self.is_well.set()
                self._says("well", "")
            elif time.monotonic() - heard > (DEAF_S if self.is_well.is_set() else STARTS_WITHIN_S):
                return self._says("failed", f"does not answer ({fault}): {self._last()}")
            else:
                self._says("deaf" if self.is_well.is_set() else "starts", fault)
            ask_at = time.monotonic() + (ASK_EVERY_S if self.state == "well" else ASK_STARTING_EVERY_S)
            put_aside(self._place.log(self.service.name))
        return None

    def _set_up(self) -> str | None:
        try:
            self.service.set_up()
        except Exception as err:  # it may need a moment more; what does not mend itself ends with the time for starting
            return f"it cannot be set up: {err}"
        return None

    def _last(self) -> str:
        with self._place.log(self.service.name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4_096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return " / ".join(lines[-2:])[-500:]

    def _says(self, state: State, why: str) -> None:
        if (state, why) != (self.state, self.why):
            if state != self.state:
                self.since = _now()
            self.state, self.why = state, why
            self._told.set()


def supervise(
    place: Place, kept: Sequence[Kept], stopping: threading.Event, told: threading.Event, without: Sequence[str], answered_at: str = ""
) -> None:  # fmt: skip
    """Keep all of them, and write down how they are, until `stopping` is set; `answered_at` is where Prometheus is answered."""
    by_name = {one.service.name: one for one in kept}
    for one in kept:
        one.before = [by_name[name] for name in one.service.after]
        for other in one.before:
            other.behind.append(one)
    for one in kept:
        one.start()
    told.set()
    is_written = True
    try:
        while not stopping.is_set():
            if told.wait(60.0 if is_written else WRITE_AGAIN_S) or not is_written:
                told.clear()
                is_written = _write(place, kept, without, answered_at)
            put_aside(place.log("supervisor"))
    finally:
        stopping.set()
        for one in kept:
            one.join()


def ends_within_s(all_of_them: Sequence[Service]) -> float:
    """Return in how many seconds all have ended at most: who is needed by others waits for them, and each may be busy, then slow to end, then be killed."""

    def one(its: Service) -> float:
        behind = max((one(other) for other in all_of_them if its.name in other.after), default=0.0)
        return max(its.busy_s, behind) + ENDS_WITHIN_S + GRACE_S

    return max(one(its) for its in all_of_them)


def _write(place: Place, kept: Sequence[Kept], without: Sequence[str], answered_at: str) -> bool:
    """Write down how the servers are; False where that cannot be now."""
    said = {
        "process": asdict(ProcessId.of(os.getpid())), "data": str(place.data), "without": sorted(without),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "services": [one.as_json() for one in kept], "metrics": answered_at, "ends_within_s": ends_within_s([one.service for one in kept]),
    }  # fmt: skip
    try:
        write_private(record_file(place.root), json.dumps(said, indent=2) + "\n")
    except OSError as err:  # a disk that is full ends no server
        say(f"how the servers are could not be written down: {err}")
        return False
    return True


def put_aside(log: Path) -> None:
    """Keep a log of more than LOG_MB as the one of before, and begin anew; who writes into it goes on doing so."""
    partial = log.with_suffix(".log.part")
    try:
        if log.stat().st_size > LOG_MB * 2**20:
            shutil.copyfile(log, partial)
            partial.replace(log.with_suffix(".log.1"))
            os.truncate(log, 0)
    except OSError:  # no room for the copy, which would take what there is
        partial.unlink(missing_ok=True)


def say(text: str) -> None:
    """Write a line into the supervisor's log, whose disk may be full."""
    log_line(f"{_now()} {text}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _answered(place: Place, kept: Sequence[Kept]) -> str:
    """Answer Prometheus, and return where; empty where that cannot be, which ends no server."""
    try:
        metrics.answer(place, lambda: [one.as_json() for one in kept])
    except OSError as err:
        say(f"Prometheus cannot be answered: {err}")
        return ""
    return metrics.address(place)


def main(arguments: list[str]) -> int:
    """Keep the servers of a workspace."""
    root = Path(arguments[0])
    claims = Claims()  # as long as we live: a server that is down for a moment finds its port again
    place = Place.of(root, Path(arguments[1]), claims)
    stopping, told = threading.Event(), threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    here = "127.0.0.1,localhost"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = (
        f"{os.environ.get('NO_PROXY', os.environ.get('no_proxy', ''))},{here}".lstrip(",")
    )
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(_THEIRS) and name not in SETTINGS]:
        del os.environ[name]  # what is meant for clients in the shell that we were started from would mislead a server
    with (
        hold(private(root, "locks") / "stack.lock", f"the servers of {root}"),
        hold(place.data / "lock", f"the data in {place.data}"),
    ):
        place = with_restored_passwords(place)
        client = {**before, **place.environment(), "PREFECT_HOME": str(place.data / "prefect"), "OMP_NUM_THREADS": "1"}
        kept = [Kept(service, place, stopping, told, client) for service in services(place, arguments[2:])]
        gateway = threading.Thread(target=keep_gateway, args=(root, stopping, say), name="gateway")
        if "triton" not in arguments[2:]:
            gateway.start()
        try:
            supervise(place, kept, stopping, told, arguments[2:], _answered(place, kept))
        finally:
            stopping.set()
            if gateway.ident is not None:
                gateway.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
