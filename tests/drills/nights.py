"""Night after night on the servers of one machine, and what grows by it: `make drill DRILL=nights`.

A small workspace with real stages, whose nightly deployment is run by the stack's worker so many times; in a few of them something has changed.
Before and after each night all is counted that could grow: rows of every table, files and bytes of every folder, logs, temporary files,
processes, shared memory. Then the rows are made older than they may become, and have to go. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from sqlalchemy import create_engine, text

from flows.page_apps import RUNS_KEPT_DAYS
from flows.stack.place import USER, Place
from flows.stack.prefect_set_up import HELD
from flows.stack.seen import read_seen
from tests.drills.on_stack import on_stack
from tests.drills.stack import service, until
from tests.flows.conftest import make_toy
from tests.flows.rolled import REPOSITORY
from tests.flows.seed import set_seed

MAY_GROW = ("data/logs",)  # each file up to flows.stack.supervisor.LOG_MB, of which one of before is kept
WARM = 3  # nights after which all that is made once is there


def main() -> None:
    """Drill, print; the exit code is 0 where nothing grows that nothing ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=24)
    parser.add_argument(
        "--changed", type=int, default=3, help="nights, the last ones, before which the seed is changed (3)"
    )
    parser.add_argument("--to", type=Path, help="where the counts are written as JSON, after each night")
    asked = parser.parse_args()
    began, counts = time.monotonic(), list[dict[str, int]]()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = str(Path(folder) / "tmp")  # of all that is started: what is left there is counted
        (Path(folder) / "tmp").mkdir()
        root = place(Path(folder) / "toy")
        detail = on_stack(root, lambda: drill(root, asked.nights, asked.changed, counts, asked.to))
    passed = "fault" not in detail and not detail["grows"] and not detail["left_of_old_rows"]
    said = {
        "drill": "nights",
        "passed": passed,
        "lost": 0,
        "seconds": round(time.monotonic() - began),
        "detail": detail,
    }
    print(json.dumps(said))
    sys.exit(not passed)


def place(root: Path) -> Path:
    """Make a workspace that has the nightly deployment, and whose stages take no time."""
    root.mkdir()
    make_toy(root)
    (root / "flows").symlink_to(REPOSITORY / "flows")
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    for name in [name for name in os.environ if name.startswith(("DIPTYCH_", "DVC_", "MLFLOW_", "PREFECT_"))]:
        del os.environ[name]
    os.environ |= {"PYTHONPATH": str(REPOSITORY), "DVC_NO_ANALYTICS": "1", "DIPTYCH_PYTHON": sys.executable}
    git = [
        "git",
        "-c",
        "user.name=drill",
        "-c",
        "user.email=drill@localhost",
        "-c",
        "maintenance.auto=false",
        "-C",
        str(root),
    ]
    for command in (["add", "-A"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *command], check=True)
    return root


def drill(
    root: Path, nights: int, changed: int, counts: list[dict[str, int]], to: Path | None = None
) -> dict[str, Any]:
    """Go through the nights; return what grew, what a night takes, and what is left of rows that are too old."""
    its = Place.read(root)
    ours = {PREFECT_API_URL: f"{its.url('prefect')}/api", PREFECT_API_AUTH_STRING: f"{USER}:{its.passwords['prefect']}"}
    took: list[float] = []
    with temporary_settings(ours), get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("pipeline/nightly").id
        counts.append(counted(root, its))
        for night in range(nights):
            if night >= nights - changed:
                set_seed(root, 2 + night)
            began = time.monotonic()
            made = client.create_flow_run_from_deployment(deployment)

            def state() -> str:
                found = client.read_flow_run(made.id).state  # noqa: B023  # asked within this night
                return found.name if found else ""

            until(lambda: state() in ("Completed", "Failed", "Crashed", "Cancelled"), state)
            assert state() == "Completed", client.read_flow_run(made.id).state
            took.append(round(time.monotonic() - began, 1))
            settled(root, its)
            counts.append(counted(root, its))
            if to:
                to.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
            print(f"night {night + 1}: {took[-1]} s", flush=True)
    quiet = counts[WARM : nights - changed + 1]
    more = {name: (quiet[-1].get(name, 0) - quiet[0].get(name, 0)) / (len(quiet) - 1) for name in quiet[-1]}
    rows = {name: round(grown, 1) for name, grown in more.items() if name.startswith("rows ") and grown > 0}
    grows = {
        name: round(grown, 1) for name, grown in more.items()
        if grown > 0 and not name.startswith(("rows ", "bytes ")) and name.removeprefix("files ") not in MAY_GROW
    }  # fmt: skip
    return {
        "nights": nights, "changed": changed, "seconds_a_quiet_night": sorted(took[WARM : nights - changed])[len(took[WARM : nights - changed]) // 2],
        "grows": grows, "rows_a_quiet_night": rows,
        "bytes_a_quiet_night": {name: round(grown) for name, grown in more.items() if name.startswith("bytes ") and grown > 0},
        "a_changed_night_adds": {
            name: counts[-1][name] - counts[-2][name] for name in counts[-1] if changed and counts[-1][name] > counts[-2].get(name, 0)
        },
        "left_of_old_rows": old_rows_left(root, its, counts[0]),
    }  # fmt: skip


def counted(root: Path, its: Place) -> dict[str, int]:
    """Return name -> how much there is of all that could grow."""
    found = {
        f"rows {database}.{table}": count
        for database in ("prefect", "mlflow")
        for table, count in tables(its, database).items()
    }
    folders = {
        "workspace": root, "data": its.data, "data/logs": its.data / "logs", "data/s3": its.data / "s3", "data/prefect": its.data / "prefect",
        ".diptych": root / ".diptych", ".dvc": root / ".dvc",
    }  # fmt: skip
    for name, folder in folders.items():
        inner = (
            [its.data]
            if name in ("workspace", ".diptych")
            else [its.data / "logs", its.data / "s3", its.data / "prefect"]
            if name == "data"
            else []
        )
        sizes = [path.lstat().st_size for path in files_below(folder, inner)]
        found |= {f"files {name}": len(sizes), f"bytes {name}": sum(sizes)}
    seen = read_seen(root)
    assert seen is not None
    keeper = psutil.Process(seen.process.pid)
    family = [keeper, *keeper.children(recursive=True)]
    found["processes"] = len([one for one in family if one.is_running() and "postgres" not in one.name()])
    found["open files of the supervisor"] = keeper.num_fds()
    found["temporary files"] = len(files_below(Path(os.environ["TMPDIR"]), []))
    found["shared memory of PostgreSQL"] = len(list(Path("/dev/shm").glob("PostgreSQL.*")))
    return found


def files_below(folder: Path, without: list[Path]) -> list[Path]:
    """Return the files of a folder; nothing that is linked to."""
    found = []
    for path, folders, names in os.walk(folder):
        here = Path(path)
        folders[:] = [name for name in folders if here / name not in without and not (here / name).is_symlink()]
        found += [here / name for name in names]
    return [path for path in found if path.exists() or path.is_symlink()]


def tables(its: Place, database: str) -> dict[str, int]:
    """Return table -> rows."""
    engine = create_engine(its.database(database, database, "psycopg2"))
    try:
        with engine.connect() as connection:
            names = (
                connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
            )
            return {
                str(name): int(connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one())
                for name in names
            }
    finally:
        engine.dispose()


def settled(root: Path, its: Place) -> None:
    """Wait until what a run said last has been written: its events come a moment after it."""
    last: Mapping[str, int] = {}

    def same() -> bool:
        nonlocal last
        now = tables(its, "prefect")
        if now == last:
            return True
        last = now
        time.sleep(1.5)
        return False

    until(same, lambda: last)


def old_rows_left(root: Path, its: Place, before: Mapping[str, int]) -> dict[str, int]:
    """Make all rows older than they may become, start Prefect anew, and return the rows beyond those of the beginning that do not go."""
    days = RUNS_KEPT_DAYS + 1
    engine = create_engine(its.database("prefect", "prefect", "psycopg2"))
    with engine.begin() as connection:
        for table, column in (
            ("flow_run", "end_time"),
            ("events", "occurred"),
            ("event_resources", "occurred"),
            (HELD, "occurred"),
        ):
            connection.execute(text(f"UPDATE \"{table}\" SET {column} = {column} - interval '{days} days'"))
    engine.dispose()
    pid = service(root, "prefect")
    os.kill(pid, 9)
    until(lambda: service(root, "prefect") != pid, lambda: read_seen(root))
    watched = (
        "flow_run",
        "flow_run_state",
        "task_run",
        "task_run_state",
        "log",
        "artifact",
        "events",
        "event_resources",
        HELD,
    )

    def left() -> dict[str, int]:
        now = tables(its, "prefect")
        # what the restart says of itself, and runs that are scheduled ahead, are new
        slack = {"flow_run": 150, "flow_run_state": 150, "events": 600, "event_resources": 3000}
        return {
            name: now[name]
            for name in watched
            if now[name] > before.get(f"rows prefect.{name}", 0) + slack.get(name, 0)
        }

    try:
        until(lambda: not left(), left)
    except TimeoutError:
        return left()
    return {}


if __name__ == "__main__":
    main()
