"""Night after night on the servers of one machine, and what grows by it: `make drill DRILL=nights`.

A small workspace with real stages, whose nightly deployment is run by the stack's worker so many times, with a few looks of the monitor after each at a model that is served; in a few of them something has changed.
Before and after each night all is counted that could grow: rows of every table, files and bytes of every folder, logs, temporary files,
processes, shared memory. What a quiet night may add is said here, in A_NIGHT, and nothing else may grow by anything. Then the rows are made
older than they may become, and have to go. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/nights.json.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from sqlalchemy import Connection, create_engine, text

from flows.page_apps import RUNS_KEPT_DAYS
from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway
from flows.stack.place import Place
from flows.stack.postgres import cluster_of
from flows.stack.seen import read_seen
from flows.telling.again import GIVEN_UP
from tests.components.serving.tiny_package import make_package
from tests.drills.kept import about, conclude
from tests.drills.on_stack import LOOKS, on_stack, prefect_of, without_looks
from tests.drills.stack import service, until
from tests.drills.undisturbed import alone
from tests.flows.conftest import make_toy
from tests.flows.rolled import REPOSITORY
from tests.flows.seed import set_seed

HELD = "automation_held_event"
"""What Prefect's server keeps of each run that a watchdog has heard of, and needs for minutes."""
KEPT_AT = REPOSITORY / "docs/benchmarks/nights.json"
MAPS = ("_fsm", "_vm", "pg_internal.init")
"""Of free room and of what all may see, which a table gets when it is first vacuumed; and what whoever connects leaves for those who come later."""
GLANCES = 8  # half a second apart, at what comes and goes by the second
MONITORED = 4  # looks of the monitor a night, of the 96 that a day has: what one adds is told by itself
CONFIRMED_S = 35.0  # Prefect's clients have their events confirmed each 30 s, and send those again that were not when a server comes back
SHARED = "/dev/shm/PostgreSQL."  # of every cluster of this machine
WARM = 3  # nights after which all that is made once is there
A_NIGHT = {
    # Rows of the night's own run, each twice what was counted: Prefect takes them away after RUNS_KEPT_DAYS, events after 7 days, what is held after half an hour.
    "rows prefect.flow_run": 2, "rows prefect.flow_run_state": 20, "rows prefect.task_run": 14,
    "rows prefect.task_run_state": 52, "rows prefect.events": 72, "rows prefect.event_resources": 520, "rows prefect.log": 30,
    "rows prefect.artifact": 6, f"rows prefect.{HELD}": 12,
    # These rows on disk, with their indexes; the room of those that go is used again.
    "bytes postgres": 1_000_000,
    "bytes data/logs": 32_000,  # each file is put aside at LOG_MB, and one of before is kept
    # Files that are written anew each night, with other times and seconds in them.
    "bytes workspace": 4_000, "bytes .diptych": 4_000, "bytes .dvc": 4_000, "bytes data": 4_000, "bytes data/s3": 16_000, "bytes data/prefect": 4_000,
}  # fmt: skip
"""What a quiet night may add, on the average; what is neither here nor in AT_MOST may not grow at all."""
A_LOOK = {
    "rows prefect.flow_run": 2, "rows prefect.flow_run_state": 10, "rows prefect.events": 24, "rows prefect.event_resources": 150, "rows prefect.log": 16,
    "rows prefect.artifact": 2, f"rows prefect.{HELD}": 9, "bytes postgres": 160_000, "bytes data/logs": 3_000,
}  # fmt: skip
"""What a look of the monitor may add, twice what was counted; Prefect takes it away as it does a night's."""
AT_MOST = {
    "bytes postgres, log ahead": 1_088 * 2**20,  # PostgreSQL's max_wal_size, and four files of it
    "rows prefect.automation_bucket": 20,  # windows of watchdogs, which close some seconds after the run that they are of
    "rows prefect.automation_event_follower": 20,  # events that came before those that they follow
}
"""What comes and goes, and how much of it there may ever be."""


def main() -> None:
    """Drill, print; the exit code is 0 where nothing grows that nothing ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=24)
    parser.add_argument(
        "--changed", type=int, default=3, help="nights, the last ones, before which the seed is changed (3)"
    )
    parser.add_argument("--to", type=Path, help="where the counts are written as JSON, after each night")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    if asked.nights - asked.changed < WARM + 2:
        parser.error(f"--nights has to be {WARM + 2} more than --changed at least: {WARM} make what is made once")
    whence, began, counts, ended = about("nights"), time.monotonic(), list[dict[str, int]](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = str(Path(folder) / "tmp")  # of all that is started: what is left there is counted
        (Path(folder) / "tmp").mkdir()
        root = place(Path(folder) / "toy")
        try:
            detail = on_stack(
                root, lambda: drill(root, asked.nights, asked.changed, counts, ended, asked.to), without=["hooks"]
            )
        finally:
            down(root)
    lost = [f"night {night}: {state}" for night, state in enumerate(ended, 1) if state != "Completed"]
    done = len(ended) == asked.nights and not lost and "fault" not in detail
    passed = done and not detail["grows"] and not detail["left_of_old_rows"]
    said = {
        "drill": "nights", "passed": passed, "lost": None if "fault" in detail else len(lost), "what_was_lost": lost,
        "seconds": round(time.monotonic() - began), "detail": detail,
    }  # fmt: skip
    conclude(said, whence, KEPT_AT if asked.keep else None)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/faults.md says of what a quiet night adds."""
    of = said["detail"]
    more: Mapping[str, float] = of["a_quiet_night_adds"]
    night = rows_of(more)
    states = night["flow_run_state"] + night["task_run_state"]
    looks = looked = ""
    if "a_look_adds" in of:  # as it is of runs that had looks
        look, looked = rows_of(of["a_look_adds"]), f" with {of['looks_a_night']} looks after each"
        looks = (
            f" A look of the monitor at a model that is served, of which a day has 96, adds a run with {look['flow_run_state']:.0f} states, "
            f"{look['events']:.0f} events with {look['event_resources']:.0f} names, {look['log']:.0f} lines of log and an artifact."
        )
    return (
        f"What a quiet night of `pipeline/nightly` adds on the servers of one machine: {night['events']:.0f} events with {night['event_resources']:.0f} names of what they are about, "
        f"{night['log']:.0f} lines of log, {night['artifact']:.0f} artifacts, a run with its {night['task_run']:.0f} tasks and {states:.0f} states, {night[HELD]:.0f} rows of what watchdogs held, "
        f"{more['bytes data/logs'] / 1000:.1f} kB in `data/logs`, whose files are put aside at 16 MB, and {more['bytes postgres'] / 1000:.0f} kB in PostgreSQL's files.{looks} No file, temporary file, process, "
        f"open file of the supervisor or shared memory is there that was not before; MLflow and DVC get nothing. {of['nights']} nights in a row{looked}, before the last {of['changed']} of which something had "
        f"changed, {of['seconds_a_quiet_night']:.0f} s each (`make drill DRILL=nights`): `{said['command'].partition(' --to')[0]}` ([answer](benchmarks/{KEPT_AT.name})), commit `{said['commit']}`, {said['machine']}, beside other work."
    )


def rows_of(added: Mapping[str, float]) -> dict[str, float]:
    """Return table of Prefect's -> rows that were added."""
    return {name.removeprefix("rows prefect."): one for name, one in added.items() if name.startswith("rows prefect.")}


def place(root: Path) -> Path:
    """Make a workspace that has the nightly deployment, and whose stages take no time."""
    root.mkdir()
    make_toy(root)
    (root / "flows").symlink_to(REPOSITORY / "flows")
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    alone()
    os.environ["PYTHONPATH"] = str(REPOSITORY)
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
    root: Path, nights: int, changed: int, counts: list[dict[str, int]], ended: list[str], to: Path | None
) -> dict[str, Any]:
    """Go through the nights; return what grew, what a night takes, and what is left of rows that are too old.

    Args:
        root: the workspace.
        nights, changed: how many there are, and before how many of them, the last ones, something changes.
        counts: gets what there is before the first night, and after each night and its looks.
        ended: gets how each night ended.
        to: where counts are written after each night.
    """
    its = Place.read(root)
    took: list[float] = []
    serve(root)
    with prefect_of(root) as client:
        nightly, look = (client.read_deployment_by_name(name).id for name in ("pipeline/nightly", LOOKS))
        without_looks(client)  # but for those that are asked for
        counts.append(counted(root, its))
        for night in range(nights):
            if night >= nights - changed:
                set_seed(root, 2 + night)
            began = time.monotonic()
            ended.append(ran(client, nightly))
            took.append(round(time.monotonic() - began, 1))
            settled(root, its)
            counts.append(counted(root, its))
            looked = [ran(client, look) for _ in range(MONITORED)]
            assert looked == ["Completed"] * MONITORED, looked
            settled(root, its)
            counts.append(counted(root, its))
            if to:
                to.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
            print(f"night {night + 1}: {took[-1]} s", flush=True)
    nightly_pairs, look_pairs = [*pairwise(counts)][::2], [*pairwise(counts)][1::2]
    quiet = slice(WARM, nights - changed)
    of_nights, of_looks = (
        grown(nightly_pairs[quiet]),
        grown(look_pairs[quiet], {name: MONITORED * one for name, one in A_LOOK.items()}),
    )
    return {
        "nights": nights, "changed": changed, "looks_a_night": MONITORED, "seconds_a_quiet_night": sorted(took[quiet])[len(took[quiet]) // 2],
        "grows": {**of_nights["grows"], **{f"{name}, by looks": one for name, one in of_looks["grows"].items()}},
        "a_quiet_night_adds": of_nights["adds"], "a_look_adds": {name: round(one / MONITORED, 1) for name, one in of_looks["adds"].items()},
        "a_changed_night_adds": grown(nightly_pairs[-1:], {})["adds"] if changed else {},
        "left_of_old_rows": old_rows_left(root, its),
    }  # fmt: skip


def serve(root: Path) -> None:
    """Serve a model that no run knows of, for the monitor to look at."""
    environment = root / ".venv-serving"
    environment.symlink_to(REPOSITORY / ".venv-serving")
    try:
        with tempfile.TemporaryDirectory() as folder:
            deploy(make_package(Path(folder) / "package"), root, "tiny@1")
        ensure_gateway(root)
    finally:
        environment.unlink()  # so that no run of these toys serves what it has made


def ran(client: SyncPrefectClient, deployment: UUID) -> str:
    """Return how a run of a deployment ended."""
    made = client.create_flow_run_from_deployment(deployment).id

    def state() -> str:
        found = client.read_flow_run(made).state
        return found.name if found else ""

    until(lambda: state() in ("Completed", "Failed", GIVEN_UP, "Cancelled"), state)
    return state()


def grown(
    pairs: Sequence[tuple[Mapping[str, int], Mapping[str, int]]], may: Mapping[str, float] = A_NIGHT
) -> dict[str, Any]:
    """Return what was added in the mean, and what of it is more than may be.

    Args:
        pairs: name -> how much there was, before and after each time.
        may: what may be added each time; what is not in it may not grow.
    """
    names = sorted({name for pair in pairs for one in pair for name in one})
    more = {
        name: sum(after.get(name, 0) - before.get(name, 0) for before, after in pairs) / len(pairs) for name in names
    }
    grows = {name: round(one, 1) for name, one in more.items() if name not in AT_MOST and one > may.get(name, 0)}
    grows |= {name: most for name in AT_MOST if (most := max(after.get(name, 0) for _, after in pairs)) > AT_MOST[name]}
    return {"grows": grows, "adds": {name: round(one, 1) for name, one in more.items() if one > 0}}


def counted(root: Path, its: Place) -> dict[str, int]:
    """Return name -> how much there is of all that could grow."""
    found = {
        f"rows {database}.{table}": count
        for database in ("prefect", "mlflow")
        for table, count in tables(its, database).items()
    }
    apart = [its.data / "logs", its.data / "s3", its.data / "prefect", cluster_of(its)]
    folders = {
        "workspace": (root, [its.data]), ".diptych": (root / ".diptych", [its.data]), ".dvc": (root / ".dvc", []), "data": (its.data, apart),
        "data/logs": (its.data / "logs", []), "data/s3": (its.data / "s3", []), "data/prefect": (its.data / "prefect", []),
    }  # fmt: skip
    for name, (folder, without) in folders.items():
        found |= sizes(name, [path for path in files_below(folder, without) if not path.name.endswith(".log.1")])
    cluster = cluster_of(its)
    found |= sizes("postgres", [path for path in files_below(cluster / "base", []) if not path.name.endswith(MAPS)])
    found["bytes postgres, log ahead"] = sizes("", files_below(cluster / "pg_wal", []))["bytes "]
    seen = read_seen(root)
    assert seen is not None
    keeper = psutil.Process(seen.process.pid)
    return found | least(lambda: passing(keeper))


def passing(keeper: psutil.Process) -> dict[str, int]:
    """Return name -> how much there is of what comes and goes by the second: a process that is about to end, the connection of a look."""
    names, ours = [], [keeper, *keeper.children(recursive=True)]
    for one in ours:
        with suppress(psutil.NoSuchProcess):
            names.append(one.name())
    others = {one.pid for one in psutil.process_iter(["name"]) if one.info["name"] == "postgres"} - {
        one.pid for one in ours
    }
    elsewhere = {path for pid in others for path in mapped(pid, SHARED)}
    return {
        "processes": sum("postgres" not in name for name in names), "open files of the supervisor": keeper.num_fds(),
        "temporary files": len(files_below(Path(os.environ["TMPDIR"]), [])),
        "shared memory of PostgreSQL": len({str(path) for path in Path(SHARED).parent.glob(f"{Path(SHARED).name}*")} - elsewhere),
    }  # fmt: skip


def mapped(pid: int, prefix: str) -> set[str]:
    """Return the files that a process has in its memory, of those whose paths begin so; none of one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    return {path for line in lines if (path := line[line.find("/") :]).startswith(prefix)}


def least(look: Callable[[], Mapping[str, int]], every_s: float = 0.5) -> dict[str, int]:
    """Return name -> the least that a few looks found."""
    found = dict(look())
    for _ in range(GLANCES - 1):
        time.sleep(every_s)
        found = {name: min(found[name], one) for name, one in look().items()}
    return found


def sizes(name: str, files: Sequence[Path]) -> dict[str, int]:
    """Return how many files there are, and how many bytes they have; one that goes meanwhile has none."""
    found = []
    for path in files:
        with suppress(FileNotFoundError):
            found.append(path.lstat().st_size)
    return {f"files {name}": len(found), f"bytes {name}": sum(found)}


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


_ENDED = "SELECT id FROM flow_run WHERE end_time IS NOT NULL"
OLD = {
    "flow_run": "end_time IS NOT NULL", **dict.fromkeys(("flow_run_state", "task_run", "log", "artifact"), f"flow_run_id IN ({_ENDED})"),
    "task_run_state": f"task_run_id IN (SELECT id FROM task_run WHERE flow_run_id IN ({_ENDED}))",
    **dict.fromkeys(("events", "event_resources", HELD), "1 = 1"),
}  # fmt: skip
"""Table -> which of its rows have to go once they are old: all of a run that has ended, and whatever was told or held."""


def old_rows_left(root: Path, its: Place) -> dict[str, int]:
    """Make all rows older than they may become, start Prefect anew, and return how many of just those do not go."""
    days = RUNS_KEPT_DAYS + 1
    engine = create_engine(its.database("prefect", "prefect", "psycopg2"))
    columns = (
        ("flow_run", "end_time"), ("events", "occurred"), ("event_resources", "occurred"), (HELD, "occurred"), (HELD, "updated"),
    )  # fmt: skip

    def left() -> dict[str, int]:
        with engine.connect() as connection:
            return still_there(connection, old)

    time.sleep(CONFIRMED_S)  # an event that had gone would be there again, as young as it is
    try:
        with engine.begin() as connection:
            old = old_rows(connection)
            for table, column in columns:
                connection.execute(text(f"UPDATE \"{table}\" SET {column} = {column} - interval '{days} days'"))
        pid = service(root, "prefect")
        os.kill(pid, 9)
        until(lambda: service(root, "prefect") != pid, lambda: read_seen(root))
        try:
            until(lambda: not left(), left)
        except TimeoutError:
            return left()
        return {}
    finally:
        engine.dispose()


def old_rows(connection: Connection) -> dict[str, list[str]]:
    """Return table -> the rows of OLD, by id."""
    return {
        table: [str(row) for row in connection.execute(text(f'SELECT id FROM "{table}" WHERE {which}')).scalars()]
        for table, which in OLD.items()
    }


def still_there(connection: Connection, rows: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return table -> how many of these rows it has; what is there besides, such as of runs that are scheduled since, is none of them."""
    now = {
        table: {str(row) for row in connection.execute(text(f'SELECT id FROM "{table}"')).scalars()} for table in rows
    }
    return {table: left for table, its in rows.items() if (left := len(now[table].intersection(its)))}


if __name__ == "__main__":
    main()
