"""The servers that stand beside the gateway in serve.py, each on the same package: plain FastAPI, MLflow's pyfunc server, and infinity-emb."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.serving.encoders import PackageEncoders
from components.serving.package import Package
from flows.loopback import free_port
from flows.processes import started
from tests.benchmarks.environments import PEERS, ROOT, python_of

UP_S = 180.0
ALIKE = 1e-5
MODEL = "package"  # as infinity-emb calls it


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server that answers.

    Args:
        url: where.
        bodies: `text` and `image` -> the body of a request.
        pid: of its first process.
    """

    url: str
    bodies: Mapping[str, bytes]
    pid: int


@contextmanager
def fastapi(package: Path, text: str, picture: bytes, scratch: Path) -> Iterator[Peer]:
    """Start peers/fastapi_side.py; it ends with the block."""
    port = free_port()
    command = ["-m", "uvicorn", "--factory", "fastapi_side:app", "--port", str(port), "--log-level", "warning"]
    with started([sys.executable, *command], scratch / "fastapi.log", _environment(package), ROOT) as process:
        _wait(f"http://127.0.0.1:{port}/ping")
        bodies = {"text": body(texts=[text]), "image": body(images=[_coded(picture)])}
        yield Peer(url=f"http://127.0.0.1:{port}/embed", bodies=bodies, pid=process.pid)


@contextmanager
def mlflow(package: Path, text: str, picture: bytes, scratch: Path) -> Iterator[Peer]:
    """Start MLflow's server of peers/pyfunc_model.py; it ends with the block."""
    import mlflow as library

    library.pyfunc.save_model(scratch / "pyfunc", python_model=str(PEERS / "pyfunc_model.py"))
    port = free_port()
    command = ["-m", "mlflow", "models", "serve", "-m", str(scratch / "pyfunc"), "--env-manager", "local", "--port", str(port), "-w", "1"]  # fmt: skip
    with started([sys.executable, *command], scratch / "mlflow.log", _environment(package), ROOT) as process:
        _wait(f"http://127.0.0.1:{port}/ping")
        bodies = {
            what: body(dataframe_split={"columns": [what], "data": [[value]]})
            for what, value in (("text", text), ("image", _coded(picture)))
        }
        yield Peer(url=f"http://127.0.0.1:{port}/invocations", bodies=bodies, pid=process.pid)


@contextmanager
def infinity(package: Path, text: str, picture: bytes, scratch: Path) -> Iterator[Peer]:
    """Start infinity-emb on peers/infinity_model.py, in an environment of its own; it ends with the block."""
    python, port = python_of("infinity"), free_port()
    environment = {
        **_environment(package), "HF_HOME": str(scratch / "huggingface"), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1",
    }  # fmt: skip
    written = [python, PEERS / "infinity_model.py", package, scratch / "infinity"]
    subprocess.run(written, env={**os.environ, **environment}, check=True)
    command = [python.with_name("infinity_emb"), "v2", "--model-id", scratch / "infinity", "--served-model-name", MODEL, "--engine", "torch", "--device", "cpu"]  # fmt: skip
    command += ["--trust-remote-code", "--no-model-warmup", "--host", "127.0.0.1", "--port", port, "--log-level", "error"]  # fmt: skip
    with started([*map(str, command)], scratch / "infinity.log", environment, ROOT) as process:
        _wait(f"http://127.0.0.1:{port}/health")
        bodies = {
            "text": body(model=MODEL, input=[text]),
            "image": body(model=MODEL, modality="image", input=[f"data:image/png;base64,{_coded(picture)}"]),
        }
        peer = Peer(url=f"http://127.0.0.1:{port}/embeddings", bodies=bodies, pid=process.pid)
        encoders = PackageEncoders(Package.verify(package), threads=1)
        for what, row in (("text", encoders.embed_text([text])), ("image", encoders.embed_image([picture]))):
            if not np.allclose(_asked(peer, what)["data"][0]["embedding"], row[0], atol=ALIKE):
                raise SystemExit(
                    f"infinity-emb gives another vector of the {what} than the package: nothing is compared."
                )
        yield peer


STARTS = {"fastapi": fastapi, "mlflow": mlflow, "infinity": infinity}
CALLED = {"fastapi": "plain FastAPI", "mlflow": "MLflow pyfunc", "infinity": "infinity-emb"}


def body(**said: Any) -> bytes:
    """Return the body of a request."""
    return json.dumps(said).encode()


def _environment(package: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # MLflow starts uvicorn by name
    return {"PACKAGE": str(package), "PYTHONPATH": f"{ROOT}:{PEERS}", "OMP_NUM_THREADS": "1", "PATH": path}


def _asked(peer: Peer, what: str) -> dict[str, Any]:
    request = urllib.request.Request(peer.url, peer.bodies[what], {"content-type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=UP_S) as answer:
        said: dict[str, Any] = json.loads(answer.read())
        return said


def _coded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def _wait(url: str) -> None:
    deadline = time.monotonic() + UP_S
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
