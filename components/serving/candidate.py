"""A server on trial: it runs and answers, but nobody is sent to it yet.

Until it is handed over a guard process holds it, so whatever ends us, SIGKILL included, ends it too.
"""

import re
import subprocess
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from components.serving import guard
from components.serving.command import HOST, Ports, server_command
from components.serving.endpoint import Endpoint, write_endpoint
from components.serving.errors import NeverReady, ServerFailed
from components.serving.health import probe
from components.serving.process import ProcessId
from components.serving.routes import Beside, read_routes, write_beside
from components.serving.staging import Staged
from components.serving.sweep import sweep
from components.serving.triton_client import TritonClient

POLL_S = 0.05
LOG_LINES = 12
CHATTER = re.compile(r"[IW]\d{4} |[|+]")


class PortTaken(ServerFailed):
    """Somebody took a port between our looking and the server's binding."""


class Candidate:
    """A context manager: leaving the block ends the server, unless it was handed over."""

    def __init__(self, root: Path, endpoint: Endpoint, held_by: "subprocess.Popen[bytes]") -> None:
        self.endpoint = endpoint
        self._root = root
        self._guard = held_by
        self._handed_over = False

    @classmethod
    def launch(cls, root: Path, staged: Staged, ports: Ports, label: str) -> "Candidate":
        """Start the server; it does not answer yet. ServerFailed when it cannot be started at all."""
        environment, home = staged.environment, staged.home
        command = server_command(environment, staged.repository, staged.backends, ports, staged.key, staged.shm_prefix)
        with staged.log.open("wb") as log:
            held_by = subprocess.Popen(
                [environment.python, "-I", "-S", guard.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=home,
                env=environment.variables(),
                start_new_session=True,
                umask=0o077,
            )
        assert held_by.stdout is not None
        try:
            process = ProcessId.of(int(held_by.stdout.readline()))
        except (ValueError, ProcessLookupError) as err:
            release(held_by)
            raise failed("The server did not start", staged.log) from err
        endpoint = Endpoint(
            http=f"{HOST}:{ports.http}",
            grpc=f"{HOST}:{ports.grpc}",
            metrics=f"{HOST}:{ports.metrics}",
            package_digest=staged.package_digest,
            space=staged.space,
            label=label,
            process=process,
            instance=home.name,
            repository=staged.repository,
            log=staged.log,
            key_file=staged.key_file,
            shm_prefix=staged.shm_prefix,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return cls(root, endpoint, held_by)

    def await_answer(self, timeout_s: float) -> None:
        """Return when real inferences are answered.

        Raises PortTaken, ServerFailed when it ended or answers badly, NeverReady after `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not self._listens():  # whoever else has a port would answer in its place
            try:
                code = self._guard.wait(POLL_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                raise NeverReady(
                    f"The server did not load its models within {timeout_s:g} s. {tail(self.endpoint.log)}"
                ) from None
            if "already in use" in tail(self.endpoint.log):
                raise PortTaken("A port was taken before the server could bind it.")
            raise failed(f"The server ended with code {code} while it started", self.endpoint.log)
        with TritonClient(self.endpoint.http, timeout_s=max(1.0, deadline - time.monotonic())) as client:
            probe(client)

    def _listens(self) -> bool:
        """Return whether the server itself, and on loopback, has bound every port it was given; the last is metrics."""
        addresses = (self.endpoint.http, self.endpoint.grpc, self.endpoint.metrics)
        wanted = {(HOST, int(address.rpartition(":")[2])) for address in addresses}
        return wanted <= self.endpoint.process.listens_on()

    def client(self) -> TritonClient:
        """Return a new connection to it."""
        return TritonClient(self.endpoint.http)

    def hand_over(self) -> None:
        """Let it outlive us, and record it as the one that is served. ServerFailed when it has just ended.

        In this order, so that whoever is killed in between leaves the old record and the old server as they were;
        the next sweep finds the new one.
        """
        self._let_go()
        write_endpoint(self._root, self.endpoint)
        self._handed_over = True

    def stand_beside(self, share: float, shadow: bool, until: float | None = None) -> None:
        """Let it outlive us beside the one that is served, with a share of its requests, 0 to 1, or as its shadow, as long as `until`.

        Errors as of `hand_over`.
        """
        self._let_go()
        beside = Beside(endpoint=self.endpoint, share=share, shadow=shadow, until=until)
        write_beside(self._root, (*read_routes(self._root).beside, beside))
        self._handed_over = True

    def take_place_of(self, broken: Endpoint) -> None:
        """Let it outlive us in the place of a server beside the one that is served, with its share. Hold the lock. Errors as of `hand_over`."""
        self._let_go()
        beside = read_routes(self._root).beside
        write_beside(
            self._root, [replace(one, endpoint=self.endpoint) if one.endpoint == broken else one for one in beside]
        )
        self._handed_over = True

    def _let_go(self) -> None:
        try:
            self._guard.communicate(guard.KEEP, timeout=guard.GRACE_S)
        except BrokenPipeError:
            self._guard.wait(guard.GRACE_S)  # it has gone with the server, as its exit code tells
        if self._guard.returncode != 0 or not self.endpoint.process.is_alive():
            raise failed("The server ended before it was handed over", self.endpoint.log)

    def end(self) -> None:
        """End the server, but leave its folder for another try."""
        release(self._guard)

    def __enter__(self) -> "Candidate":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._handed_over:
            self.end()
            sweep(self._root, keep=read_routes(self._root).endpoints)


def release(held_by: "subprocess.Popen[bytes]") -> None:
    """Let go of the guard without `keep`: it ends the server, and then itself."""
    for pipe in (held_by.stdin, held_by.stdout):
        if pipe is not None:
            pipe.close()
    held_by.wait(2 * guard.GRACE_S)


def failed(what: str, log: Path) -> ServerFailed:
    """Return the error with the end of the log in it, since the log goes with the server."""
    return ServerFailed(f"{what}. {tail(log)}")


def tail(log: Path) -> str:
    """Return the last lines of a log that are no information, warning or table, as a sentence to append."""
    with log.open(encoding="utf-8", errors="replace") as file:
        lines = list(deque((line.rstrip() for line in file if line.strip() and not CHATTER.match(line)), LOG_LINES))
    return "It printed no error." if not lines else "The last errors it printed:\n  " + "\n  ".join(lines)
