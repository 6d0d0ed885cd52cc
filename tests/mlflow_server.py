"""A real MLflow server on loopback that hands artifacts on itself, as a server of a team does; it can be killed and started again."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.loopback import free_port
from flows.page_apps import ARTIFACTS, STORE
from tests.empty_store import lay_empty_store

READY_S = 120.0


class MlflowServer:
    """A server whose runs and files lie in one folder.

    Args:
        folder: for both; empty at first.
        port: on 127.0.0.1.
        artifacts: where files lie; in the folder unless given.
        environment: of the process, such as the keys of an S3 that the files lie in.
    """

    def __init__(self, folder: Path, port: int, artifacts: str = "", environment: dict[str, str] | None = None) -> None:
        self.folder, self.port, self.url = folder, port, f"http://127.0.0.1:{port}"
        self.artifacts = artifacts or f"file://{folder / 'artifacts'}"
        self.environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once it answers."""
        if not (self.folder / "mlflow.db").exists():
            lay_empty_store(self.folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW"))}
        environment |= {
            STORE: f"sqlite:///{self.folder / 'mlflow.db'}", ARTIFACTS: "mlflow-artifacts:/", "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": self.artifacts, "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **self.environment,
        }  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "uvicorn", "--factory", "flows.page_apps:mlflow_page", "--log-level", "warning",
                    "--host", "127.0.0.1", "--port", str(self.port), "--lifespan", "on",
                ],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while not self._answers():
            running = self._process.poll() is None and time.monotonic() < deadline
            assert running, f"no MLflow in {READY_S} s: {(self.folder / 'log').read_text()[-2000:]}"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a machine that loses its power does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def mlflow_server(
    folder: Path, artifacts: str = "", environment: dict[str, str] | None = None
) -> Iterator[MlflowServer]:
    """Run one, which has no run yet."""
    server = MlflowServer(folder, free_port(), artifacts, environment)
    try:
        server.start()
        yield server
    finally:
        server.kill()
