"""A key expires while a run is under way, and the run is asked for again with a new one: `make drill DRILL=expired_key`.

A small workspace with real stages, and a real server of MLflow with users. While a stage works, the user's password is changed at the server. The run
does all stages, cannot register what they made, and says in one sentence what to set; asked again with the new password it computes nothing,
and ends with one version, which the first run's work is. What an expired key of S3 does: `python -m tests.drills.s3_away --faults expired`.
Prints one JSON object as its last line.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.registry.store import open_store
from flows.page_apps import ARTIFACTS, USERS
from flows.processes import started
from flows.stack.pages import users_ini
from flows.stack.place import USER
from tests.drills.nights import place
from tests.drills.stack import until
from tests.drills.undisturbed import twice
from tests.mlflow_server import MlflowServer, mlflow_server

OLD, NEW = "the-key-of-last-year", "the-key-of-this-year"
SAYS = "does not let us in, or not do that. Say who you are in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
RUN = """\
from pathlib import Path
from components.contracts.errors import DiptychError
from flows.orchestrator import prefect_server
with prefect_server(Path.cwd()):
    from flows.pipeline import pipeline
    try:
        pipeline("clip")
    except DiptychError as err:
        raise SystemExit(str(err))
"""


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost."""
    began, detail, lost = time.monotonic(), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        root = place(Path(folder) / "toy")
        with server_with_users(Path(folder) / "mlflow") as server:
            try:
                detail, lost = drill(root, server)
            except Exception as err:  # whatever it is, it is told as what ended the drill
                traceback.print_exc()
                detail = {"fault": f"{type(err).__name__}: {err}"}
    passed = "fault" not in detail and not lost
    print(json.dumps({
        "drill": "expired_key", "passed": passed, "lost": None if "fault" in detail else len(lost), "what_was_lost": lost,
        "seconds": round(time.monotonic() - began), "detail": detail,
    }))  # fmt: skip
    sys.exit(not passed)


@contextmanager
def server_with_users(folder: Path) -> Iterator[MlflowServer]:
    """Run a server of MLflow that asks who one is, whose user has the old key."""
    folder.mkdir()
    users = folder / "users.ini"
    users.write_text(users_ini(f"sqlite:///{folder / 'users.db'}"))
    environment = {
        USERS: str(users), ARTIFACTS: f"file://{folder / 'artifacts'}", "MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32,
        "MLFLOW_AUTH_ADMIN_USERNAME": USER, "MLFLOW_AUTH_ADMIN_PASSWORD": OLD,
    }  # fmt: skip
    with mlflow_server(folder, environment=environment) as server:
        yield server


def drill(root: Path, server: MlflowServer) -> tuple[dict[str, Any], list[str]]:
    """Run, let the key expire meanwhile, and run again; return what was said, and what is lost."""
    position = root / ".diptych/outcome/count@clip.position"
    (root / "hold").touch()
    with begun(root, server, OLD, root / "first.log") as first:
        until(lambda: position.exists() or first.poll() is not None, (root / "first.log").read_text)
        assert first.poll() is None, (root / "first.log").read_text()[-3000:]
        expire(root, server)
        (root / "hold").unlink()
        first.wait(600)
    said = [line for line in (root / "first.log").read_text().splitlines() if SAYS in line]
    assert first.returncode, "it ended well, with a key that was good no more"
    assert said, (root / "first.log").read_text()[-3000:]
    made = made_at(root)
    with begun(root, server, NEW, root / "second.log") as second:
        second.wait(600)
    lost = [] if second.returncode == 0 else [f"with the new key it says: {(root / 'second.log').read_text()[-1000:]}"]
    again = [name for name, at in made_at(root).items() if at != made.get(name)]
    lost += [f"{name} was done again" for name in again]
    with_key(server, NEW)
    versions = open_store(root).client.search_model_versions("name = 'clip'")
    lost += [] if len(versions) == 1 else [f"there are {len(versions)} versions"]
    lost += twice(root)
    return {"said": said[-1].strip(), "stages_done_before_it_was_said": sorted(made), "done_again": again}, lost


@contextmanager
def begun(root: Path, server: MlflowServer, key: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a run of the pipeline by somebody who has a key; it is over when the block is."""
    ours = {
        "MLFLOW_TRACKING_URI": server.url, "MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": key,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }  # fmt: skip
    with started([sys.executable, "-c", RUN], log, ours, root) as process:
        yield process


def with_key(server: MlflowServer, key: str) -> None:
    """Ask the server by this key from now on."""
    os.environ |= {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": key}


def expire(root: Path, server: MlflowServer) -> None:
    """Change the user's password, and return once the server does not take the old one any more."""
    from mlflow.server import get_app_client

    from components.contracts.errors import ConfigError

    with_key(server, OLD)
    get_app_client("basic-auth", tracking_uri=server.url).update_user_password(USER, NEW, current_password=OLD)

    def refused() -> bool:
        try:
            open_store(root)
        except ConfigError:
            return True
        return False

    until(refused, lambda: "the old key is still taken", every_s=1.0)


def made_at(root: Path) -> dict[str, int]:
    """Return when each stage that has ended well did last, in nanoseconds, by its address."""
    found = (root / ".diptych/outcome").glob("*.json")
    return {one.stem: one.stat().st_mtime_ns for one in found if json.loads(one.read_text()).get("state") == "ran"}


if __name__ == "__main__":
    main()
