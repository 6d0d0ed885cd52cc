"""A key expires while a real pipeline is under way, and the run is asked for again with a new one: `make drill DRILL=expired_key`.

A person's own pictures at `debug`, fine-tuned, and a real server of MLflow with users, on which a training that is long enough for that draws its curves when the user's password is changed, with some points there and others to come. The run does all stages, cannot
register what they made, and says in one sentence what to set; asked again with the new password it computes nothing, and ends in the rows, weights and metrics of an undisturbed run,
with one version, whose curves have each step once. What an expired key of S3 does: `python -m tests.drills.s3_away --faults expired`.
Prints one JSON object as its last line; --keep writes it to docs/benchmarks/expired-key.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from components.registry.packaged import Packaged
from components.registry.store import open_store
from flows.page_apps import ARTIFACTS, USERS
from flows.processes import started
from flows.serving.down import down
from flows.stack.pages import users_ini
from flows.stack.place import USER
from tests.drills.kept import about, conclude
from tests.drills.mlflow_away import delivered, not_once
from tests.drills.stack import until
from tests.drills.undisturbed import differs, forget_results, own_copy, twice
from tests.mlflow_server import MlflowServer, mlflow_server
from tests.workspace import REPOSITORY, dvc, environment

KEPT_AT = REPOSITORY / "docs/benchmarks/expired-key.json"
OLD, NEW = "the-key-of-last-year", "the-key-of-this-year"
SAYS = "does not let us in, or not do that. Say who you are in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
RUN_WITHIN_S = 1800.0
STEPS = 1_500  # of a training, of which there are two


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    whence, began, detail, lost = about("expired_key"), time.monotonic(), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        root, undisturbed = own_copy(Path(folder))
        longer(root, undisturbed)
        ran = dvc(undisturbed, "repro")
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
        with server_with_users(Path(folder) / "mlflow") as server:
            try:
                detail, lost = drill(root, undisturbed, server)
            except Exception as err:  # whatever it is, it is told as what ended the drill
                traceback.print_exc()
                detail = {"fault": f"{type(err).__name__}: {err}"}
            finally:
                down(root)
    said = {
        "drill": "expired_key", "passed": "fault" not in detail and not lost, "lost": None if "fault" in detail else len(lost), "what_was_lost": lost,
        "seconds": round(time.monotonic() - began), "detail": detail,
    }  # fmt: skip
    conclude(said, whence, KEPT_AT if asked.keep else None)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/faults.md says of it."""
    of = said["detail"]
    return (
        f"`make drill DRILL=expired_key` changes the password at MLflow's server in a training, when {of['points_before']:,} of the {of['points']:,} points of the version's curves had come there: all {len(of['stages_done_before_it_was_said'])} stages were done, what could not be registered was said with the two "
        f"variables to set, and with the new key nothing was done again, rows, weights and metrics were those of an undisturbed run, and there was one version, whose curves had each of their points once "
        f"(`{said['command']}`, [answer](benchmarks/{KEPT_AT.name}), commit `{said['commit']}`, {said['machine']}, beside other work)."
    )


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


def drill(root: Path, undisturbed: Path, server: MlflowServer) -> tuple[dict[str, Any], list[str]]:
    """Run, let the key expire meanwhile, and run again; return what was said, and what is lost."""
    forget_results(root)
    shutil.rmtree(root / ".diptych/outcome")
    with_key(server, OLD)
    with begun(root, server, OLD, root.parent / "first.log") as first:
        says = (root.parent / "first.log").read_text
        until(lambda: sum(delivered(open_store(root)).values()) or first.poll() is not None, says, RUN_WITHIN_S)
        assert first.poll() is None, says()[-3000:]
        before = sum(delivered(open_store(root)).values())
        expire(root, server)
        assert first.poll() is None, "the run was over before the key was"
        first.wait(RUN_WITHIN_S)
    said = [line for line in says().splitlines() if SAYS in line]
    assert first.returncode, "it ended well, with a key that was good no more"
    assert said, says()[-3000:]
    made = made_at(root)
    with begun(root, server, NEW, root.parent / "second.log") as second:
        second.wait(RUN_WITHIN_S)
    says = (root.parent / "second.log").read_text
    lost = [] if second.returncode == 0 else [f"with the new key it says: {says()[-1000:]}"]
    again = [name for name, at in made_at(root).items() if at != made.get(name)]
    lost += [f"{name} was done again" for name in again]
    lost += differs(root, undisturbed)
    with_key(server, NEW)
    store, points = open_store(root), [*Packaged.read(root / "runs/clip/package", root).points()]
    versions = store.client.search_model_versions("name = 'clip'")
    assert 0 < before < len(points), f"{before} of {len(points)} points had come before the key expired"
    lost += [] if len(versions) == 1 else [f"there are {len(versions)} versions"]
    for version in versions:
        lost += not_once(points, delivered(store, str(version.run_id)))
    lost += twice(root)
    return {"said": said[-1].strip(), "stages_done_before_it_was_said": sorted(made), "done_again": again, "points_before": before, "points": len(points)}, lost  # fmt: skip


def longer(*roots: Path) -> None:
    """Have trainings of these workspaces take so long that some of their points come while others are still to be made."""
    for root in roots:
        params = yaml.safe_load((root / "params.yaml").read_text())
        params["overrides"]["training"] = {**params["overrides"].get("training", {}), "steps": STEPS}
        (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@contextmanager
def begun(root: Path, server: MlflowServer, key: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start `diptych run` by somebody who has a key; it is over when the block is."""
    ours = environment(
        MLFLOW_TRACKING_URI=server.url, MLFLOW_TRACKING_USERNAME=USER, MLFLOW_TRACKING_PASSWORD=key,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
    )  # fmt: skip
    with started([str(root / "infra/python"), "-m", "flows.cli", "run"], log, ours, root) as process:
        yield process


def with_key(server: MlflowServer, key: str) -> None:
    """Ask the server by this key from now on."""
    os.environ |= {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": key}


def expire(root: Path, server: MlflowServer) -> None:
    """Change the user's password, and return once the server does not take the old one any more."""
    from mlflow.server import get_app_client

    from components.contracts.errors import ConfigError

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
