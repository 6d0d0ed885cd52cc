"""Chaos: faults at random moments, from a seed, while pipelines run and a client asks all the time: `make drill DRILL=soak`.

A workspace with a person's own pictures at `debug`, fine-tuned, on the servers of one machine, with Triton and gateway. Each run begins with nothing
computed or registered yet, so that it ends in a version, whose files go to S3, which is judged and gets the alias; meanwhile processes are killed, servers stop answering, files cannot grow; after each all servers are to be well again, and what is served to answer, by themselves. A run that says that it cannot go on is asked for
again, as a person would. Every run has the weights, the rows and the metrics of an undisturbed one, to the last bit, and one version, of which all files have their sha256; no run and no version is there
twice, and no answer was another one than the package gives. A fault that met no process is drawn again: it passes where as many were done as were
asked for. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/soak.json.

    python -m tests.drills.soak --runs 3 --faults 20     # a short one
"""

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit
from typing import Any

import httpx
import numpy as np
import psutil
from prefect.client.orchestration import SyncPrefectClient

from components.registry.store import open_store
from components.serving.endpoint import read_endpoint
from components.serving.record import read_gateway
from components.stages.outcome import StageOutcome
from flows.graph import stages_of
from flows.serving.down import down
from flows.stack.seen import read_seen, use
from flows.telling.again import GIVEN_UP
from tests.drills.kept import about, conclude
from tests.drills.on_stack import on_stack, prefect_of, without_looks
from tests.drills.stack import kill_worker, service
from tests.drills.undisturbed import damaged, differs, forget_registered, forget_results, own_copy, twice
from tests.workspace import REPOSITORY

KEPT_AT = REPOSITORY / "docs/benchmarks/soak.json"
SERVERS = ("prefect", "postgres", "s3", "mlflow")
TEXTS = ("a red square", "a blue circle", "something else")
STILL_S, WELL_WITHIN_S, RUN_WITHIN_S = 8.0, 300.0, 3600.0
TRIES = 100  # faults drawn in a row of which none met a process
IDLE = 0.1  # of the faults, at most, that may come when their run is over
SAME = 1e-5  # furthest that an answer may be from another of the same weights


def main() -> None:
    """Soak, print; the exit code is 0 where nothing was lost or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--pace", type=float, default=10.0, help="most seconds between the end of a fault and the next (10)"
    )
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    whence, began = about("soak"), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root, undisturbed = own_copy(Path(folder))
        soak = Soak(root=root, undisturbed=undisturbed, chance=random.Random(asked.seed), pace_s=asked.pace)

        def drilled() -> dict[str, Any]:
            use(root)
            with soak.client():
                return soak.all(asked.runs, asked.faults)

        try:
            found = on_stack(root, drilled, without=["hooks"])
        finally:
            down(root)
    said = {**soak.counts(), **found}
    passed = verdict(said, asked.faults)
    whole = {
        "drill": "soak", "passed": passed, "seconds": round(time.monotonic() - began), "seed": asked.seed, "asked": vars(asked) | {"keep": None}, **said,
    }  # fmt: skip
    conclude(whole, whence, KEPT_AT if asked.keep else None)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/faults.md says of a soak."""
    faults: Mapping[str, int] = said["faults"]
    often = sorted(faults.items(), key=lambda one: (-one[1], one[0]))
    hours, minutes = divmod(round(said["seconds"] / 60), 60)
    return (
        f"{said['fault_count']} faults over {said['runs']} runs of a whole pipeline at `debug`, drawn from a seed, {said['while_no_run_was_under_way'] or 'none'} of them after its run was over ({', '.join(f'{name} {count}' for name, count in often)}). "
        f"{said['registered']} times a version was registered, whose files went to S3. Lost, damaged, there twice, or other than an undisturbed run's to the last bit: {said['lost']} rows, weights, metrics, runs and versions. A client that asked all the time got {said['answered']:,} answers, {said['wrong']} of them wrong, and "
        f"{said['not_answered']:,} times none, while the gateway or Triton was being started again, which nobody asked for. {len(said['asked_again'])} times a run said that it could not go on, and was asked for again, as a person would. "
        f"Goodput {said['goodput']:.0%}: a run takes {said['undisturbed_s']} s undisturbed, and {sum(said['disturbed_s']) / said['runs']:.0f} s in the mean with {said['fault_count'] / said['runs']:.1f} faults, each of which waits until all is well after the one before "
        f"(`make drill DRILL=soak`): `{said['command']}` ([answer](benchmarks/{KEPT_AT.name})), commit `{said['commit']}`, {said['machine']}, beside other work, {hours} h {minutes:02d} min."
    )


@dataclass(kw_only=True)
class Soak:
    """One of them.

    Args:
        root: the workspace.
        undisturbed: one in which the same was run before, by DVC alone.
        chance: gives what happens, and when.
        pace_s: the most between two faults.
        registered: versions that runs ended in, whole.
        idle: faults that came when their run was over already, and met only what serves.
    """

    root: Path
    undisturbed: Path
    chance: random.Random
    pace_s: float
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    registered: int = 0
    idle: int = 0
    again: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    expected: dict[str, np.ndarray] = field(default_factory=dict)
    _client: SyncPrefectClient = field(init=False, repr=False)
    _rests: bool = field(default=False, init=False, repr=False)

    def all(self, runs: int, faults: int) -> dict[str, Any]:
        """Run once with nothing wrong, then so often with faults; return what is to be said."""
        without_looks(self._client)  # what a look finds begins runs, which would work on what is taken away here
        self._asked_for(lambda: None)
        self.expected = {text: patiently(lambda text=text: embedded(self.root, text)) for text in TEXTS}  # type: ignore[misc]
        assert all(one.size for one in self.expected.values()), "no answer before anything was wrong"
        self._forget()
        alone = self._asked_for(lambda: None)
        ended = threading.Event()
        asking = threading.Thread(target=self._ask, args=(ended,))
        asking.start()
        try:
            for number in range(runs):
                self._forget()
                left = (faults - self.faults.total()) // (runs - number)
                self.took_s.append(self._asked_for(lambda left=left: self._fault_within(left)))  # type: ignore[misc]
                self.lost += [f"run {number + 1}: {one}" for one in self._wrong()]
                print(f"run {number + 1}: {self.took_s[-1]:.0f} s, {json.dumps(self.counts())}", flush=True)
        finally:
            ended.set()
            asking.join()
        return {
            **self.counts(), "runs": runs, "registered": self.registered, "undisturbed_s": round(alone), "disturbed_s": [round(one) for one in self.took_s],
            "goodput": round(alone * runs / sum(self.took_s), 3),
        }  # fmt: skip

    def _forget(self) -> None:
        """Have nothing be computed or registered, once all is well."""
        forget_results(self.root)
        patiently(lambda: forget_registered(self.root))

    def _wrong(self) -> list[str]:
        """Return what of a run that is over is not as it should be, as far as the registry can be asked."""
        registered = patiently(lambda: (*twice(self.root), *damaged(self.root), *without_alias(self.root)))
        self.registered += not registered
        return [*differs(self.root, self.undisturbed), *registered]

    def counts(self) -> dict[str, Any]:
        """Return what was counted so far."""
        return {
            "faults": dict(sorted(self.faults.items())), "fault_count": self.faults.total(), "while_no_run_was_under_way": self.idle, "drawn_again": dict(sorted(self.missed.items())),
            "lost": len(self.lost), "what_was_lost": self.lost, "asked_again": self.again, "answered": self.answers["right"], "wrong": self.answers["wrong"], "not_answered": self.answers["failed"],
        }  # fmt: skip

    @contextmanager
    def client(self) -> Iterator[None]:
        """Know the stack's Prefect while the block runs."""
        with prefect_of(self.root) as self._client:
            yield

    def _asked_for(self, meanwhile: Callable[[], None]) -> float:
        """Have the pipeline run until it is done, asked for again where it said that it cannot be; return the seconds."""
        began, run, self._rests = time.monotonic(), self._begin(), False
        faults = threading.Thread(target=meanwhile, daemon=True)
        faults.start()
        crashed: float | None = None
        while (state := self._state(run)) != "Completed" or faults.is_alive():
            assert time.monotonic() - began < RUN_WITHIN_S, f"not done in {RUN_WITHIN_S:.0f} s; it is {state} now"
            crashed = (crashed or time.monotonic()) if state == "Crashed" else None
            if state in ("Failed", "Cancelled", GIVEN_UP) or (crashed and time.monotonic() - crashed > 60):
                self.again.append(f"{state}: {self._why(run)}".replace(str(self.root), "WORKSPACE")[:300])
                run, crashed = self._begin(), None
            elif state == "Completed":  # the rest of this run's faults come while nothing runs but what serves
                self._rests = True
                faults.join(1.0)
            time.sleep(0.5)
        return time.monotonic() - began

    def _begin(self) -> Any:
        return patiently(
            lambda: (
                self._client.create_flow_run_from_deployment(
                    self._client.read_deployment_by_name("pipeline/manual").id
                ).id
            )
        )

    def _state(self, run: Any) -> str:
        found = patiently(lambda: self._client.read_flow_run(run)).state
        return found.name if found else ""

    def _why(self, run: Any) -> str:
        found = patiently(lambda: self._client.read_flow_run(run)).state
        return str(found.message) if found else ""

    def _fault_within(self, count: int) -> None:
        """Do so many faults, one after the other, each when all is well again."""
        kinds: dict[str, Callable[[], None]] = {
            "stage killed": lambda: self._stage(lambda pid: os.kill(pid, signal.SIGKILL)),
            "stage terminated": lambda: self._stage(lambda pid: os.kill(pid, signal.SIGTERM)),
            "disk full": lambda: self._stage(lambda pid: prlimit(pid, RLIMIT_FSIZE, (4096, RLIM_INFINITY)) and None),
            "worker killed": lambda: kill_worker(self.root),
            "triton killed": lambda: self._serving(endpoint_pid),
            "gateway killed": lambda: self._serving(gateway_pid),
            **{f"{name} killed": lambda name=name: os.kill(service(self.root, name), signal.SIGKILL) for name in SERVERS},  # type: ignore[misc]
            **{f"{name} silent": lambda name=name: self._silent(name) for name in SERVERS},  # type: ignore[misc]
        }  # fmt: skip
        for _ in range(count):
            time.sleep(self.chance.uniform(0.0, self.pace_s))
            try:
                kind = drawn(kinds, self.chance, self.missed)
            except TimeoutError as err:  # a server that was to be killed has not been well for long
                self.lost.append(f"no fault could be done: {err}")
                return
            if kind is None:
                self.lost.append(f"{TRIES} faults in a row met no process")
                return
            self.faults[kind] += 1
            self.idle += self._rests
            deadline = time.monotonic() + WELL_WITHIN_S
            while not all(one.state == "well" for one in services(self.root)):
                if time.monotonic() > deadline:
                    self.lost.append(f"not all servers were well again after {kind}")
                    break
                time.sleep(0.5)
            if not self._answers_by(deadline):
                self.lost.append(f"nobody answered any more after {kind}")

    def _answers_by(self, deadline: float) -> bool:
        """Return whether what is served answers again, which it has to without anybody asking for it."""
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError, LookupError, OSError):
                embedded(self.root, TEXTS[0])
                if is_ready(self.root):
                    return True
            time.sleep(0.5)
        return False

    def _stage(self, do: Callable[[int], None]) -> None:
        """Do something to the stage that works now, or that begins within a while; ProcessLookupError where none does."""
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            for name, each in stages_of(self.root).items():
                outcome = StageOutcome.read(self.root, name, "clip" if each else None)
                if outcome is not None and outcome.lives:
                    return do(outcome.pid)
            time.sleep(0.1)
        raise ProcessLookupError

    def _serving(self, pid: Callable[[Path], int]) -> None:
        os.kill(pid(self.root), signal.SIGKILL)

    def _silent(self, name: str) -> None:
        """Let a server say nothing for a while, as when its machine has no time for it."""
        server = psutil.Process(service(self.root, name))
        family = [server, *server.children(recursive=True)]
        server.suspend()
        for process in family[1:]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(STILL_S)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _ask(self, ended: threading.Event) -> None:
        """Ask until all is over, and hold every answer against what the same weights answered before."""
        while not ended.is_set():
            for text, expected in self.expected.items():
                try:
                    found = embedded(self.root, text)
                except (httpx.HTTPError, LookupError, OSError):
                    self.answers["failed"] += 1
                    ended.wait(0.5)
                    continue
                right = found.shape == expected.shape and float(np.abs(found - expected).max()) <= SAME
                self.answers["right" if right else "wrong"] += 1
            ended.wait(0.1)


def without_alias(root: Path) -> list[str]:
    """Return what is wrong with the versions: there is to be one, and it is the champion."""
    store = open_store(root)
    versions = store.client.search_model_versions("name = 'clip'")
    champions = [one.aliases for one in store.client.search_registered_models("name = 'clip'")]
    fits = len(versions) == 1 and champions == [{"champion": str(versions[0].version)}]
    return [] if fits else [f"there are {len(versions)} versions, and the aliases are {champions}"]


def verdict(said: Mapping[str, Any], faults: int) -> bool:
    """Return whether as many faults were done as were asked for, each counted, nearly all while a run was under way, and nothing was lost or answered wrongly in them."""
    done = sum(said["faults"].values()) == said["fault_count"] == faults
    met = said["while_no_run_was_under_way"] <= IDLE * faults
    return "fault" not in said and done and met and said["answered"] > 0 and said["lost"] == 0 and said["wrong"] == 0


def drawn(kinds: Mapping[str, Callable[[], None]], chance: random.Random, missed: Counter[str]) -> str | None:
    """Do a fault of a kind that chance gives, another one where its process had ended by itself just now; return which, None where none met any.

    Args:
        kinds: what each does; ProcessLookupError or NoSuchProcess where there is nothing to do it to.
        missed: counts those.
    """
    for _ in range(TRIES):
        kind = chance.choice(sorted(kinds))
        try:
            kinds[kind]()
        except (ProcessLookupError, psutil.NoSuchProcess):
            missed[kind] += 1
        else:
            return kind
    return None


def patiently(ask: Callable[[], Any]) -> Any:
    """Return what a server says, once it does: it may be down just now."""
    deadline = time.monotonic() + WELL_WITHIN_S
    while True:
        try:
            return ask()
        except Exception as err:  # whatever it says while it is being started again
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer for {WELL_WITHIN_S:.0f} s: {err}") from err
            time.sleep(0.5)


def services(root: Path) -> tuple[Any, ...]:
    """Return the servers as their supervisor sees them."""
    seen = read_seen(root)
    return seen.services if seen else ()


def is_ready(root: Path) -> bool:
    """Return whether Triton answers through the gateway, which may make vectors without it."""
    gateway = read_gateway(root)
    return gateway is not None and httpx.get(f"{gateway.url}readyz", timeout=30).status_code == 200


def embedded(root: Path, text: str) -> np.ndarray:
    """Return what is answered now; LookupError where nobody could. What is no answer at all has no numbers, so it equals none."""
    gateway = read_gateway(root)
    if gateway is None:
        raise LookupError("no gateway runs")
    answer = httpx.post(f"{gateway.url}v1/embeddings", json={"input": [text]}, timeout=30)
    if answer.status_code != 200:
        raise LookupError(answer.text[:200])
    try:
        return np.asarray(answer.json()["data"][0]["embedding"], np.float32)
    except (ValueError, KeyError, IndexError, TypeError):
        return np.empty(0, np.float32)


def endpoint_pid(root: Path) -> int:
    """Return Triton's process; ProcessLookupError where none runs."""
    endpoint = read_endpoint(root)
    if endpoint is None or not endpoint.process.is_alive():
        raise ProcessLookupError
    return endpoint.process.pid


def gateway_pid(root: Path) -> int:
    """Return the process of the gateway's keeper; ProcessLookupError where none runs."""
    gateway = read_gateway(root)
    if gateway is None:
        raise ProcessLookupError
    return gateway.process.pid


if __name__ == "__main__":
    main()
