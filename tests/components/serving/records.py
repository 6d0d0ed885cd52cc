"""A record of a server that nobody started, for what reads records and asks no server."""

import os
from pathlib import Path

from components.serving.endpoint import Endpoint
from components.serving.process import ProcessId


def drawn(root: Path, instance: str) -> Endpoint:
    """Return what a server of that name would have left, in this process."""
    return Endpoint(
        http="127.0.0.1:1", grpc="127.0.0.1:2", metrics="127.0.0.1:3", package_digest=instance * 8, space="s" * 64, label=f"drawn@{instance}",
        process=ProcessId.of(os.getpid()), instance=instance, repository=root / instance, log=root / "log", key_file=root / "key", shm_prefix="x",
        started_at="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
