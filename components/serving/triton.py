"""Start a real tritonserver, say how it fares, stop it.

with serving_lock(root), start(root, package, label="clip@3") as candidate:  # leaving the block ends it ...
    check_parity(candidate.client(), package, pictures, texts)
    candidate.hand_over()                                                    # ... unless it was handed over
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.contracts.errors import DiptychError, StaleArtifact
from components.serving.candidate import Candidate, PortTaken
from components.serving.command import DRAIN_S, Ports, free_ports
from components.serving.endpoint import Endpoint, read_endpoint, served_folder, stop_endpoint
from components.serving.errors import ServerFailed
from components.serving.health import probe
from components.serving.package import Package
from components.serving.routes import read_routes, write_beside
from components.serving.staging import Staged, stage, stage_again
from components.serving.sweep import sweep
from components.serving.triton_client import TritonClient

READY_S = 120
STATUS_S = 10
PORT_TRIES = 5
BROKEN_DRAIN_S = 3.0  # a server that does not answer is not worth waiting for


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How serving fares in a workspace.

    Args:
        state: "serving": it answered just now; "dead": a record is there, but the server does not answer;
            "nothing": nothing was handed over, or it was stopped.
        endpoint: what was handed over last.
        reason: why it is dead, "" otherwise.
    """

    state: Literal["serving", "dead", "nothing"]
    endpoint: Endpoint | None = None
    reason: str = ""


def start(
    root: Path, package: Package, *, label: str, timeout_s: float = READY_S, ports: Callable[[], Ports] = free_ports
) -> Candidate:
    """Write the repository, start a server on it and return when it has answered real inferences. Hold the lock.

    Raises CapabilityError where Triton cannot run, ServerFailed with the last log lines when the server ends or
    answers badly, TransientError when it does not answer in `timeout_s` seconds. Nothing of it runs on then.
    """
    return _started(root, lambda: stage(root, package), label, timeout_s, ports)


def restart(root: Path, endpoint: Endpoint, *, timeout_s: float = READY_S) -> Candidate:
    """Start another server on the very repository of one that has stopped answering, whose package may be gone. Hold the lock.

    Errors as of `start`.
    """
    return _started(root, lambda: stage_again(root, endpoint), endpoint.label, timeout_s, free_ports)


def _started(
    root: Path, staging: Callable[[], Staged], label: str, timeout_s: float, ports: Callable[[], Ports]
) -> Candidate:
    try:
        staged = staging()
        for _ in range(PORT_TRIES):
            candidate = Candidate.launch(root, staged, ports(), label)
            try:
                candidate.await_answer(timeout_s)
                return candidate
            except PortTaken:
                candidate.end()
            except BaseException:
                candidate.end()
                raise
        raise ServerFailed(f"Other programs took the server's ports {PORT_TRIES} times in a row. Try again.")
    except BaseException:
        sweep(root, keep=read_routes(root).endpoints)
        raise


def status(root: Path, timeout_s: float = STATUS_S) -> Status:
    """Ask the server, if there is one, for real inferences; each may take `timeout_s` seconds."""
    endpoint = read_endpoint(root)
    if endpoint is None:
        return Status(state="nothing")
    fault = fault_of(endpoint, timeout_s)
    if fault is not None:
        return Status(state="dead", endpoint=endpoint, reason=str(fault))
    return Status(state="serving", endpoint=endpoint)


def fault_of(endpoint: Endpoint, timeout_s: float = STATUS_S) -> DiptychError | None:
    """Return why a server does not answer real inferences, each in `timeout_s` seconds; None where it does.

    TransientError where it may only be slow.
    """
    if not endpoint.process.is_alive():
        return ServerFailed(f"Its process {endpoint.process.pid} has ended.")
    try:
        with TritonClient(endpoint.http, timeout_s=timeout_s) as client:
            probe(client)
    except DiptychError as err:
        return err
    return None


def stop(root: Path) -> int:
    """End every server of the workspace, handed over or not, and what it left but for the files of what was served, so that it can go on. Hold the lock.

    Returns how many were running.
    """
    try:
        healthy = status(root, BROKEN_DRAIN_S).state == "serving"
        stop_endpoint(root)
    except StaleArtifact:  # nobody knows what the record said; it goes now
        healthy = False
        (served_folder(root) / "server.json").unlink(missing_ok=True)
    write_beside(root, ())
    return sweep(root, drain_s=DRAIN_S if healthy else BROKEN_DRAIN_S)
