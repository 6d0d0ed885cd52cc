"""The hardened command line of one server.

Loopback only; every API that loads models, maps memory, writes files or traces asks for a key; and models are loaded
once, at the start (model control "none"), so that even with the key nobody can upload code. The key is in the command
line, where other users of the machine can read it: it is the second lock, not the first.
"""

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from components.serving.environment import ServingEnvironment

HOST = "127.0.0.1"
KEY_HEADER = "triton-admin"
RESTRICTED = "model-repository,shared-memory,logging,trace"
DRAIN_S = 30
STUB_START_S = 120  # a loaded machine may take long to import a model's packages; Triton's own limit is 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where one server listens."""

    http: int
    grpc: int
    metrics: int


def free_ports() -> Ports:
    """Return three ports that are free now; whoever starts a server must be ready to lose the race and try again."""
    with ExitStack() as stack:  # held together, so that they differ
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind((HOST, 0))
        http, grpc, metrics = (each.getsockname()[1] for each in sockets)
    return Ports(http=http, grpc=grpc, metrics=metrics)


def server_command(
    environment: ServingEnvironment, repository: Path, backends: Path, ports: Ports, key: str, shm_prefix: str
) -> list[str]:
    """Return the command; `shm_prefix` also tells our servers and their stubs from anybody else's."""
    return [
        str(environment.server),
        f"--model-repository={repository}",
        "--model-control-mode=none",
        "--exit-on-error=true",
        "--strict-readiness=false",
        "--disable-auto-complete-config",
        f"--backend-directory={backends}",
        *(
            f"--backend-config={backend},{setting}"
            for backend in ("python", "onnxruntime")
            for setting in (f"shm-region-prefix-name={shm_prefix}", f"stub-timeout-seconds={STUB_START_S}")
        ),
        f"--http-address={HOST}",
        f"--http-port={ports.http}",
        f"--http-restricted-api={RESTRICTED}:{KEY_HEADER}={key}",
        f"--grpc-address={HOST}",
        f"--grpc-port={ports.grpc}",
        f"--grpc-restricted-protocol={RESTRICTED}:{KEY_HEADER}={key}",
        f"--metrics-address={HOST}",
        f"--metrics-port={ports.metrics}",
        "--allow-gpu-metrics=false",
        f"--exit-timeout-secs={DRAIN_S}",
    ]
