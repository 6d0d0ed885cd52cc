"""What stands around Prefect and MLflow: workers that run flows in the workspace, and the receiver of webhooks."""

import socket
import sys
from importlib.metadata import version

from flows.loopback import HOST
from flows.mlflow_users import JOBS
from flows.stack.place import Place
from flows.stack.service import Service, answers
from flows.telling.automations import BEAT_S

LOOKS_S = 5  # each: who asks for a run waits half of it on average; Prefect has 10
MOST = 64  # runs of a worker without a GPU; its queues let fewer through


def worker(place: Place, pool: str) -> Service:
    """Return what runs the flows of a pool, in the workspace: on a GPU one at a time, else as many as their queues let through."""
    name = f"worker-{pool}"
    port = place.ports[name]
    return Service(
        name=name, what=f"worker of the pool {pool}, Prefect", version=version("prefect"), address=f"http://{HOST}:{port}",
        command=(
            sys.executable, "-u", "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", f"{socket.gethostname()}-{pool}",
            "--limit", "1" if pool == "gpu" else str(MOST), "--with-healthcheck",
        ), folder=place.root, after=("prefect",), ours=True, fault=answers(f"http://{HOST}:{port}/health"),
        environment={
            "PREFECT_WORKER_WEBSERVER_HOST": HOST, "PREFECT_WORKER_WEBSERVER_PORT": str(port), "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(BEAT_S),
            "PREFECT_WORKER_QUERY_SECONDS": str(LOOKS_S),
            "MLFLOW_TRACKING_USERNAME": JOBS, "MLFLOW_TRACKING_PASSWORD": place.passwords["mlflow-jobs"],
        },
    )  # fmt: skip


def hooks(place: Place) -> Service:
    """Return the receiver of MLflow's webhooks."""
    return Service(
        name="hooks", what="receiver of webhooks, Diptych", version=version("diptych"), address=place.url("hooks"),
        command=(
            sys.executable, "-u", "-m", "flows.cli", "hooks", "--port", str(place.ports["hooks"]), "--tell-only",
        ), folder=place.root,
        after=("prefect", "mlflow"), ours=True, fault=answers(f"{place.url('hooks')}/healthz"),
    )  # fmt: skip
