"""The disk of the servers is full while a real pipeline is under way: `make drill DRILL=server_disk`.

PostgreSQL, S3, Prefect and MLflow of one machine have their data on a disk of their own, which is filled to the last byte: once while the first version is registered, whose files go there, and once while a training of a person's own
pictures draws its curves, in which PostgreSQL writes until it gives up. Each run either completes by itself once there is room, if need be by the watchdog of runs that crashed, or ends saying why, and the same asked again completes; all servers are well again by themselves, what was there before is
there, rows, weights and metrics are those of an undisturbed run, nothing is there twice, and all files of the version have their sha256. The workspace is on another disk: for that one, `DRILL=full_disk`. Root alone can
run it, who may mount a disk. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/server-disk.json.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State

from components.registry.store import open_store
from components.registry.versions import _COMPLETE
from flows.serving.down import down
from flows.stack.place import Place
from flows.stack.postgres import AS_ROOT, admin, cluster_of
from flows.stack.seen import read_seen, use
from flows.telling.again import GIVEN_UP
from tests.drills.disk import full, mount, mounted, need_root
from tests.drills.kept import about, conclude
from tests.drills.on_stack import on_stack, prefect_of, without_looks
from tests.drills.stack import AGAIN_WITHIN_S, RUN_WITHIN_S, Drill, let_go, until
from tests.drills.undisturbed import damaged, differs, own_copy, twice
from tests.workspace import REPOSITORY

KEPT_AT = REPOSITORY / "docs/benchmarks/server-disk.json"
SIZE = "3g"
WRITTEN = 500  # files of 16 MB at most
ENDS = ("Completed", "Failed", "Crashed", GIVEN_UP, "Cancelled")
WELL_WITHIN_S = 300.0


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="that the disk is full for, each time (60)")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    need_root("the servers")
    whence, began, found, lost = about("server_disk"), time.monotonic(), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        root, undisturbed = own_copy(Path(folder))
        with disk_for(root, Path(folder) / "disk") as disk:
            drill = Drill(root=root, undisturbed=undisturbed)
            try:
                ended = on_stack(
                    root, lambda: through(drill, disk, asked.seconds, found, lost), ["hooks", "triton"], disk / "data"
                )
            finally:
                down(root)
    passed = "fault" not in ended and not lost
    said = {
        "drill": "server_disk", "passed": passed, "lost": None if "fault" in ended else len(lost), "what_was_lost": lost,
        "full_s": asked.seconds, "seconds": round(time.monotonic() - began), "detail": {**found, **ended},
    }  # fmt: skip
    conclude(said, whence, KEPT_AT if asked.keep else None)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/faults.md says of it."""

    def told(name: str) -> str:
        of = said["detail"][name]
        again = (
            f"{' and '.join(of['not_well_then'])} {'was' if len(of['not_well_then']) == 1 else 'were'} not well when that was over, and all were {of['all_well_after_s']} s after there was room"
            if of["not_well_then"]
            else "all servers were well when that was over"
        )
        ended = (
            "completed by itself"
            if of["ended_by_itself"]
            else f"ended, saying why (`{of['said']}`), and completed when it was asked for again"
        )
        return f"{again}, and the run {ended}"

    return (
        f"`make drill DRILL=server_disk` fills the disk of PostgreSQL, S3, Prefect and MLflow to the last byte for {said['full_s']:.0f} s. From the package of a first version on, which is registered next: {told('registering')}. From within a training on, in which PostgreSQL writes until it gives up: "
        f"{told('training')}. Rows, weights and metrics were those of an undisturbed run, nothing was there twice, all files of the version had their sha256, and nobody had to start a server (`{said['command']}`, "
        f"[answer](benchmarks/{KEPT_AT.name}), commit `{said['commit']}`, {said['machine']}, beside other work)."
    )


@contextmanager
def disk_for(root: Path, at: Path) -> Iterator[Path]:
    """Mount a disk for all that the servers keep while the block runs, also for PostgreSQL, which root runs elsewhere."""
    elsewhere = cluster_of(Place(root=root, data=(at / "data").resolve(), ports={}, passwords={})).parent
    assert elsewhere.parent == AS_ROOT
    with mounted(at, SIZE):
        for folder in (at / "postgres", elsewhere):
            folder.mkdir(mode=0o711, parents=True)
        mount("--bind", str(at / "postgres"), str(elsewhere))
        try:
            yield at
        finally:
            subprocess.run(["umount", str(elsewhere)], check=True)
            elsewhere.rmdir()


def through(drill: Drill, disk: Path, full_s: float, found: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    """Have the disk full in a training, and while the first version is registered; what is found and lost is put there."""
    use(drill.root)
    with drill.client(), prefect_of(drill.root) as client:
        without_looks(client)
        for name, begins in {"registering": registering, "training": training}.items():
            run, go_on = begins(drill)
            began = time.monotonic()
            with full(disk) as ballast:
                go_on()
                until_over = time.monotonic() + full_s
                if name == "training":
                    write_until_it_gives_up(drill.root)
                time.sleep(max(0.0, until_over - time.monotonic()))
                wrong = sorted(one.name for one in services(drill) if one.state != "well")
                assert name != "registering" or not is_registered(drill.root), (
                    "it was registered while the disk was full"
                )
            full_for_s = time.monotonic() - began
            assert full_for_s < full_s + 30, f"the disk was full for {full_for_s:.0f} s"
            well = until(lambda: all_well(drill), lambda: services(drill), WELL_WITHIN_S)
            state, says = ended(client, run)
            found[name] = {
                "ballast_mb": ballast // 2**20, "not_well_then": wrong, "all_well_after_s": round(well), "ended_by_itself": state == "Completed",
                "said": says,
            }  # fmt: skip
            if state != "Completed":
                lost += [f"{name}: it ended as {state} and said nothing"] * (not says)
                drill.ended(drill.begin())
            after = (*differs(drill.root, drill.undisturbed), *twice(drill.root), *damaged(drill.root))
            lost += [f"{name}: {one}" for one in after]
            print(json.dumps({name: found[name], "lost": lost}), flush=True)
    return {}


def write_until_it_gives_up(root: Path) -> None:
    """Have PostgreSQL write ahead, file after file: what it had made for that is soon full, and for the next there is no room."""
    with (
        suppress(psycopg2.Error),
        closing(psycopg2.connect(**admin(Place.read(root)), dbname="postgres")) as connection,
    ):
        connection.autocommit = True
        with connection.cursor() as its:
            for _ in range(WRITTEN):
                its.execute("select pg_logical_emit_message(false, 'drill', 'full'), pg_switch_wal()")


def is_registered(root: Path) -> bool:
    """Return whether all files of a version are in the registry, as far as it can be asked now: once, since the disk is full for as long as that takes."""
    with pytest.MonkeyPatch.context() as patch, suppress(Exception):  # whatever it says on a full disk
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
        store = open_store(root)
        return any(_COMPLETE in run.data.tags for run in store.client.search_runs([store.experiment]))
    return False


def registering(drill: Drill) -> tuple[UUID, Callable[[], None]]:
    """Return a run that is about to register the first version."""
    run, package = drill.anew(), drill.root / "runs/clip/package/manifest.json"
    until(lambda: drill.state(run) and package.exists(), lambda: drill.state(run), RUN_WITHIN_S, 0.02)
    return run, lambda: None


def training(drill: Drill) -> tuple[UUID, Callable[[], None]]:
    """Return a run whose training stands still, and what has it go on."""
    run, process = drill.held()
    return run, lambda: let_go(process)


def services(drill: Drill) -> list[Any]:
    """Return how each server is."""
    seen = read_seen(drill.root)
    return list(seen.services) if seen else []


def all_well(drill: Drill) -> bool:
    """Return whether all are well, by themselves."""
    return bool(found := services(drill)) and all(one.state == "well" for one in found)


def ended(client: SyncPrefectClient, run: UUID) -> tuple[str, str]:
    """Wait until a run has ended; return how, and what it says of it. One that crashed has, once no watchdog has had it wait for a worker again."""
    found: list[State] = []
    crashed_at = 0.0

    def over() -> bool:
        nonlocal crashed_at
        with suppress(Exception):  # whatever it says while it is being started again
            found[:] = [one for one in [client.read_flow_run(run).state] if one]
        if not found or found[0].name != "Crashed":
            crashed_at = 0.0
            return bool(found) and found[0].name in ENDS
        crashed_at = crashed_at or time.monotonic()
        return time.monotonic() - crashed_at > AGAIN_WITHIN_S

    until(over, lambda: found, RUN_WITHIN_S, 1.0)
    return found[0].name or "", found[0].message or ""


if __name__ == "__main__":
    main()
