"""Faults of the servers of one machine while real pipelines run: `make drill DRILL=stack`.

A workspace with a person's own pictures at `debug`, fine-tuned, on the servers of one machine, with Triton and gateway. S3 is away for a minute while
the first version is registered, whose files go there, and all of them have to be there afterwards. A worker is killed with the run that it has, once before
that has begun and once in its training: nobody is left who could say so, and the run has to count as crashed and wait for the next worker within
two minutes, although its deployment has one place, which the killed run had, and for which another one waits. Then PostgreSQL and Prefect's server
are killed in a training, which is held while they are: the run has to end as if nothing had been. Prefect's comes back while the training stands
still for longer than the lease of its place, which has to be renewed meanwhile, and which no other run may get. Nothing has been computed before
each of them, and in its end the rows, weights and metrics are those of an undisturbed run, and the registry has nothing twice. Prints one JSON object
as its last line; --keep writes it to docs/benchmarks/faults-stack.json.

    python -m tests.drills.stack --parts worker_killed_before_it_begins     # a short one
"""

import argparse
import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State

from components.contracts.sealed import read_sealed
from components.registry.champion import files_of
from components.registry.links import PACKAGE
from components.registry.runs import PACKAGE_DIGEST, find_run
from components.registry.store import open_store
from components.registry.versions import _COMPLETE, find_version
from components.stages.events import read_position
from components.stages.outcome import StageOutcome
from flows.serving.down import down
from flows.stack.seen import read_seen, use
from tests.drills.kept import about, conclude
from tests.drills.on_stack import on_stack, prefect_of, without_looks
from tests.drills.undisturbed import differs, forget_results, own_copy, twice
from tests.workspace import REPOSITORY

KEPT_AT = REPOSITORY / "docs/benchmarks/faults-stack.json"
OUTCOME = ".diptych/outcome/pretrain@clip"
PATIENCE_S, RUN_WITHIN_S = 300.0, 3600.0
AGAIN_WITHIN_S = 120.0  # from the end of a worker until its run counts as crashed, and waits for the next
LEASE_S = 300.0  # that a place is held for a run of which nothing is heard
STOPPED_S = LEASE_S + 60.0
AWAY_S = 60.0  # that S3 is away for
HELD_TRIES = 3  # to hold a training before its last step: at debug it is over within a second or two
WAITS = ("", "Scheduled", "Late", "AwaitingConcurrencySlot")  # states of a run that no worker has taken


def main() -> None:
    """Drill, print; the exit code is 0 where every run ended as it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS), help="of it (all)")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    parts = [name for name in PARTS if name in asked.parts]
    if asked.keep and parts != list(PARTS):
        parser.error("--keep is of all parts, or the page would tell of some as of all. Leave --parts out.")
    whence, began = about("stack"), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root, undisturbed = own_copy(Path(folder))
        drill = Drill(root=root, undisturbed=undisturbed)
        try:
            detail = on_stack(drill.root, lambda: drill.all(parts), without=["hooks"])
        finally:
            down(drill.root)
    passed = "fault" not in detail and not drill.lost and list(drill.done) == parts
    said = {
        "drill": "stack", "passed": passed, "lost": None if "fault" in detail else len(drill.lost), "what_was_lost": drill.lost,
        "seconds": round(time.monotonic() - began), "detail": {**drill.done, **detail},
    }  # fmt: skip
    conclude(said, whence, KEPT_AT if asked.keep else None)


@dataclass
class Drill:
    """Where it happens.

    Args:
        root: the workspace.
        undisturbed: one in which the same was run before, by DVC alone.
        asks: parameters of the runs that it asks for.
    """

    root: Path
    undisturbed: Path
    asks: dict[str, Any] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    _client: SyncPrefectClient = field(init=False, repr=False)

    def all(self, parts: Sequence[str]) -> dict[str, Any]:
        """Go through the parts, and keep what each found; AssertionError or TimeoutError where one does not end as it should."""
        use(self.root)
        with self.client():
            without_looks(self._client)
            if parts[:1] != [REGISTERS]:
                self.ended(self.begin())  # what is made once, and the first version, are there afterwards
            for name in parts:
                self.done[name] = PARTS[name](self)
                self.lost += [f"{name}: {one}" for one in (*differs(self.root, self.undisturbed), *twice(self.root))]
                print(json.dumps({name: self.done[name], "lost": self.lost}), flush=True)
        return {}

    @contextmanager
    def client(self) -> Iterator[None]:
        """Know the stack's Prefect while the block runs."""
        with prefect_of(self.root) as self._client:
            yield

    def anew(self) -> UUID:
        """Ask for a pipeline where nothing has been computed yet."""
        forget_results(self.root)
        for kind in ("json", "position"):
            (self.root / f"{OUTCOME}.{kind}").unlink(missing_ok=True)
        return self.begin()

    def begin(self) -> UUID:
        """Ask for a pipeline."""
        deployment = self._client.read_deployment_by_name("pipeline/manual").id
        return self._client.create_flow_run_from_deployment(deployment, parameters=self.asks).id

    def states(self, run: UUID) -> list[State]:
        """Return all states that a run had, in their order."""
        return sorted(self._client.read_flow_run_states(run), key=lambda one: one.timestamp)

    def state(self, run: UUID) -> str:
        """Return how a run is; empty where the server cannot say so now. AssertionError, with what it said, where it did not end well."""
        found: State | None = None
        with suppress(Exception):  # whatever it says while it is being started again
            found = self._client.read_flow_run(run).state
        assert found is None or found.name not in ("Failed", "Cancelled"), f"{found.name}: {found.message}"
        return (found.name or "") if found else ""

    def ended(self, *runs: UUID) -> None:
        """Wait until runs have completed."""
        until(
            lambda: all(self.state(run) == "Completed" for run in runs), lambda: [self.state(run) for run in runs],
            RUN_WITHIN_S, 0.5,
        )  # fmt: skip

    def held(self) -> tuple[UUID, psutil.Process]:
        """Ask for a pipeline where nothing has been computed yet; return its run, and its training, which stands still between two steps."""
        for _ in range(HELD_TRIES):
            run, found = self.anew(), list[psutil.Process]()

            def begun(run: UUID = run) -> bool:
                return bool(self.state(run)) and self.pretrain() is not None

            def stopped(found: list[psutil.Process] = found) -> bool:
                outcome = self.pretrain()
                if outcome is None or not (outcome.lives and self.trains()):
                    return outcome is not None and not outcome.lives
                with suppress(psutil.NoSuchProcess):
                    found[:] = [psutil.Process(outcome.pid)]
                    found[0].suspend()
                return True

            until(begun, self.pretrain, RUN_WITHIN_S)
            until(stopped, self.position, RUN_WITHIN_S, 0.01)
            if found:
                until(lambda found=found: not moves(found[0]), found[0].status)  # type: ignore[misc]
                if moves(found[0]) is False and self.trains():
                    return run, found[0]
                let_go(found[0])
            self.ended(run)
        raise AssertionError(f"the training was over {HELD_TRIES} times before it could be held")

    def pretrain(self) -> StageOutcome | None:
        """Return what is known of the stage that trains, since it was asked for; None where it has not begun."""
        return StageOutcome.read(self.root, "pretrain", "clip")

    def position(self) -> str:
        """Return where the training of this run stands; empty where it has not begun."""
        return read_position(self.root / f"{OUTCOME}.position") or ""

    def trains(self) -> bool:
        """Return whether the training has steps behind it, and before it."""
        found = re.fullmatch(r"training ([\d,]+) of ([\d,]+)", self.position())
        return found is not None and found[1] != found[2]

    def kill_worker(self) -> datetime:
        """Kill the worker of the pool `cpu` and all that it has started; return when."""
        kill_worker(self.root)
        return datetime.now(UTC)

    def crashed_and_again(self, run: UUID, killed: datetime) -> dict[str, int]:
        """Wait until a run that was killed counts as crashed and waits for the next worker; return after how many seconds each was."""
        until(
            lambda: len(after(self.states(run), killed)) >= 2, lambda: [one.name for one in self.states(run)],
            AGAIN_WITHIN_S + 30.0, 0.5,
        )  # fmt: skip
        crashed, again = after(self.states(run), killed)[:2]
        found = {"crashed_after_s": seconds(killed, crashed), "again_after_s": seconds(killed, again)}
        assert (crashed.name, again.name) == ("Crashed", "AwaitingRetry"), [one.name for one in self.states(run)]
        assert max(found.values()) <= AGAIN_WITHIN_S, found
        return found

    def away(self, name: str, for_s: float) -> int:
        """Kill a server, and each that is started in its place, for so long; return how many that were."""
        began, killed = time.monotonic(), set[int]()
        while time.monotonic() - began < for_s:
            seen = read_seen(self.root)
            for pid in [one.pid for one in (seen.services if seen else ()) if one.name == name]:
                if pid and pid not in killed:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            time.sleep(0.05)
        return len(killed)

    def while_it_registers(self) -> dict[str, Any]:
        """Have S3 away when the first file of the first version has come there; the run ends as if nothing had been, and all files are there."""
        run, store, package = self.anew(), open_store(self.root), self.root / "runs/clip/package"
        until(lambda: self.state(run) and package.exists(), lambda: self.state(run), RUN_WITHIN_S)
        digest, found = read_sealed(package)["digest"], list[str]()

        def comes() -> bool:
            its = find_run(store, PACKAGE_DIGEST, digest)
            found[:] = [its.info.run_id] if its else []
            return bool(found and store.client.list_artifacts(found[0], PACKAGE))

        until(comes, lambda: self.state(run), every_s=0.02)
        killed = datetime.now(UTC)
        starts = self.away("s3", AWAY_S)
        assert _COMPLETE not in store.client.get_run(found[0]).data.tags, "all files were there before S3 was away"
        self.ended(run)
        assert self._client.read_flow_run(run).run_count == 1, "it was done once"
        version = find_version(store, "clip", digest)
        assert version is not None, "it has no version"
        with tempfile.TemporaryDirectory() as elsewhere:
            files_of(version, Path(elsewhere), store)  # which holds each file against its sha256
        return {"away_s": AWAY_S, "killed_times": starts, "completed_after_s": seconds(killed, self.states(run)[-1])}

    def before_it_begins(self) -> dict[str, Any]:
        """Kill the worker as soon as it has taken a run."""
        run = self.anew()
        until(lambda: self.state(run) not in WAITS, lambda: self.state(run), every_s=0.02)
        killed = self.kill_worker()
        assert self._client.read_flow_run(run).run_count == 0, "it had begun before its worker was killed"
        found = self.crashed_and_again(run, killed)
        self.ended(run)
        return {**found, "completed_after_s": seconds(killed, self.states(run)[-1])}

    def while_it_trains(self) -> dict[str, Any]:
        """Kill the worker with the training of its run, for whose place another run waits."""
        run, training = self.held()
        waiting = self.begin()
        until(lambda: self.state(waiting) == "AwaitingConcurrencySlot", lambda: self.state(waiting))
        killed = self.kill_worker()
        until(lambda: moves(training) is None, training.status)
        found = self.crashed_and_again(run, killed)
        self.ended(run, waiting)
        both = [self.states(run), self.states(waiting)]
        assert not at_once(*both), (
            f"both ran at once: {[[(one.name, str(one.timestamp)) for one in its] for its in both]}"
        )
        return {**found, "both_completed_after_s": max(seconds(killed, its[-1]) for its in both)}

    def through(self, name: str, stopped_s: float = 0.0) -> dict[str, Any]:
        """Kill a server while a training is held, for so long or until the server is dead; the run ends as if nothing had been."""
        run, training = self.held()
        killed, others = datetime.now(UTC), list[UUID]()
        try:
            os.kill(service(self.root, name), signal.SIGKILL)
            if stopped_s:
                time.sleep(stopped_s)
                others.append(self.begin())
                until(lambda: self.state(others[0]) == "AwaitingConcurrencySlot", lambda: self.state(others[0]))
        finally:
            let_go(training)
        self.ended(run, *others)
        assert self._client.read_flow_run(run).run_count == 1, "it was done once"
        return {
            "completed_after_s": seconds(killed, self.states(run)[-1]),
            **({"stood_still_s": stopped_s} if stopped_s else {}),
        }


REGISTERS = "s3_away"
"""Comes first, since what is registered is registered once."""
PARTS: dict[str, Callable[[Drill], dict[str, Any]]] = {
    REGISTERS: Drill.while_it_registers, "worker_killed_before_it_begins": Drill.before_it_begins, "worker_killed": Drill.while_it_trains,
    "postgres_killed": lambda drill: drill.through("postgres"), "prefect_killed": lambda drill: drill.through("prefect", STOPPED_S),
}  # fmt: skip


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/stack.md says of what came of each part."""
    of = said["detail"]
    early, training, s3, still = (
        of[name] for name in ("worker_killed_before_it_begins", "worker_killed", REGISTERS, "prefect_killed")
    )
    return (
        f"S3 was away for {s3['away_s']:.0f} s, and all files of the version were there when its run completed, {s3['completed_after_s']} s after that had begun. The run of a worker that was killed before it had begun "
        f"counted as crashed, and waited for the next, after {early['again_after_s']} s, and completed after {early['completed_after_s']}; of one that was killed in its training after {training['again_after_s']} s, "
        f"and it and the run that waited for its place were done after {training['both_completed_after_s']}. PostgreSQL killed: done {of['postgres_killed']['completed_after_s']} s later. Prefect's server killed while the "
        f"training stood still for {still['stood_still_s']:.0f} s: done {still['completed_after_s']} s later, and nobody else got its place. Nothing was lost, and nothing is there twice: `{said['command']}` "
        f"([answer](benchmarks/{KEPT_AT.name})), commit `{said['commit']}`, {said['machine']}, beside other work."
    )


def kill_worker(root: Path) -> None:
    """Kill the worker of the pool `cpu`, then all that it has started: first of all, or it would say what became of them."""
    worker = psutil.Process(service(root, "worker-cpu"))
    for process in [worker, *worker.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def moves(process: psutil.Process) -> bool | None:
    """Return whether a process works, False for one that stands still, None for one that is gone."""
    try:
        status = process.status()
    except psutil.NoSuchProcess:
        return None
    return None if status == psutil.STATUS_ZOMBIE else status != psutil.STATUS_STOPPED


def let_go(process: psutil.Process) -> None:
    """Have a process that stands still go on, where it still is there."""
    with suppress(psutil.NoSuchProcess):
        process.resume()


def after(states: Sequence[State], moment: datetime) -> list[State]:
    """Return the states that came after a moment."""
    return [one for one in states if one.timestamp > moment]


def seconds(since: datetime, state: State) -> int:
    """Return after how many whole seconds a state came, the last one begun counted."""
    return -int(-(state.timestamp - since).total_seconds() // 1)


def at_once(one: Sequence[State], other: Sequence[State]) -> bool:
    """Return whether two runs ran at the same time, by all their states in order."""
    spans = [
        [(state.timestamp, later.timestamp) for state, later in pairwise(states) if state.is_running()]
        for states in (one, other)
    ]  # fmt: skip
    return any(begun < ended and started < stopped for begun, stopped in spans[0] for started, ended in spans[1])


def service(root: Path, name: str) -> int:
    """Return the process of a server that is well, once it is."""
    found: list[int] = []

    def well() -> bool:
        seen = read_seen(root)
        found[:] = [
            one.pid for one in (seen.services if seen else ()) if one.name == name and one.state == "well" and one.pid
        ]
        return bool(found)

    until(well, lambda: read_seen(root))
    return found[0]


def until(
    condition: Callable[[], object], seen: Callable[[], object], patience_s: float = PATIENCE_S, every_s: float = 0.1
) -> float:
    """Wait for a condition; return the seconds that it took, TimeoutError, with what was seen, after the patience."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience_s:
            raise TimeoutError(f"did not happen in {patience_s:.0f} s; seen last: {seen()}")
        time.sleep(every_s)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
