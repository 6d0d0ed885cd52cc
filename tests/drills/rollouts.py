"""What can go wrong between an alias and the endpoint, on real processes: `make drill DRILL=server_killed_mid_load`.

Each drill has a workspace with a registry, a Triton server that serves `tiny@1` and a gateway before it, and clients that ask all the time. In each the
old version answers until the new one does, what happened is told by `diptych status`, and a second try succeeds.
"""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.registry.store import Store, open_store
from components.registry.versions import ModelVersion, by_alias
from components.serving.endpoint import read_endpoint
from components.serving.process import running
from components.serving.sweep import SERVER, workspace_prefix
from components.serving.timeline import read_timeline
from flows.serving.gateway import ensure_gateway
from flows.serving.rollback import rollback
from flows.serving.rollout import Rolled, rollout
from flows.status import deploy_stands
from tests.drills.traffic import FAILED, asked_all_the_time
from tests.flows.rolled import LARGE, REPOSITORY, flip_a_byte, make_place, make_version

LEAST_ASKED = 2_000
WITHIN_S = 300.0


@dataclass(kw_only=True)
class Place:
    """Where a drill happens.

    Args:
        root: of the workspace.
        store: its registry.
        made: versions so far.
    """

    root: Path
    store: Store
    made: int = 0

    @classmethod
    def serving(cls, root: Path) -> "Place":
        """Return one in which the first version is served."""
        place = cls(root=make_place(root), store=open_store(root))
        place.rules(step_s=0.5)
        place.ask(place.version())
        assert place.roll().outcome == "served"
        ensure_gateway(root)
        return place

    def version(self, spoil: str = "") -> ModelVersion:
        """Return a new version that is better than those before."""
        self.made += 1
        return make_version(
            self.root, self.store, seed=100 + self.made, right=min(60, 14 + 14 * self.made), spoil=spoil
        )

    def ask(self, version: ModelVersion) -> None:
        """Set the alias, and sign for it, as a person does who wants it served whatever was measured."""
        self.store.client.set_model_version_tag(version.name, version.version, "diptych.verdict", "approved")
        self.store.client.set_registered_model_alias(version.name, "champion", version.version)

    def roll(self) -> Rolled:
        """Do what the alias asks for."""
        return rollout(self.root, "tiny", self.store)

    def rules(self, **deploy: object) -> None:
        """Change section `deploy` of params.yaml."""
        params = yaml.safe_load((self.root / "params.yaml").read_text())
        (self.root / "params.yaml").write_text(yaml.safe_dump({**params, "deploy": {**params["deploy"], **deploy}}))

    def command(self, *arguments: str, limit: int | None = None) -> "subprocess.Popen[str]":
        """Start `diptych`, whose files may have `limit` bytes."""

        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        return subprocess.Popen(
            [sys.executable, "-u", "-m", "flows.cli", *arguments], cwd=self.root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, preexec_fn=limited,
        )  # fmt: skip

    @property
    def served(self) -> str:
        """Return what all requests go to."""
        endpoint = read_endpoint(self.root)
        return endpoint.label if endpoint else ""

    @property
    def champion(self) -> str:
        """Return who has the alias."""
        version = by_alias(self.store, "tiny", "champion")
        return version.label if version else ""

    def refuses(self, version: ModelVersion) -> str:
        """Ask for a version that must not be served; return why it is not."""
        before = self.served
        self.ask(version)
        rolled = self.roll()
        assert rolled.outcome == "refused", rolled.sentence
        assert (self.served, self.champion) == (before, before)
        assert version.label in (deploy_stands(self.root) or "")
        return rolled.sentence

    def succeeds(self) -> None:
        """Try again with a version that may be served."""
        version = self.version()
        self.ask(version)
        assert self.roll().label == version.label == self.served


def wait(what: Callable[[], object]) -> None:
    """Return once it is so."""
    deadline = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline, f"it did not come to be within {WITHIN_S:g} s"
        time.sleep(0.02)


def deploy_under_load(place: Place) -> str:
    """A deploy, one that fails, and a rollback, while eight clients ask."""
    with asked_all_the_time(place.root) as counts:
        place.succeeds()
        place.refuses(place.version("nan"))
        rollback(place.root, "a drill")
        while sum(counts.values()) < LEAST_ASKED:
            time.sleep(0.1)
    assert counts[FAILED] == 0, counts
    return f"{sum(counts.values()):,} requests, none failed"


def corrupt_package(place: Place) -> str:
    """One byte of what the registry keeps is another one."""
    version = place.version()
    place.version()  # the workspace has another package now
    flip_a_byte(place.root, version)
    return place.refuses(version)


def wrong_signature(place: Place) -> str:
    """Another key signed it than the one that is trusted."""
    from components.registry.signatures import own_key, public_key

    version = place.version()
    (place.root / "team.pub").write_bytes(public_key(own_key(place.root / "elsewhere")))
    place.rules(keys=["team.pub"])
    says = place.refuses(version)
    place.rules(keys=[])
    return says


def nan_weights(place: Place) -> str:
    """An encoder gives no numbers."""
    return place.refuses(place.version("nan"))


def wrong_dimension(place: Place) -> str:
    """An index is of vectors of another width."""
    return place.refuses(place.version("wide"))


def onnx_that_does_not_load(place: Place) -> str:
    """A graph is cut short."""
    return place.refuses(place.version("graph"))


def server_killed_mid_load(place: Place) -> str:
    """The new server is killed while it loads its models."""
    version = place.version()
    place.ask(version)
    before, old = place.served, {one.pid for one in running(SERVER, workspace_prefix(place.root), [])}
    deploying = place.command("deploy", "tiny")

    def new() -> list[int]:
        return [one.pid for one in running(SERVER, workspace_prefix(place.root), []) if one.pid not in old]

    wait(new)
    for pid in new():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    said, _ = deploying.communicate()
    assert deploying.returncode == 1, said
    assert (place.served, place.champion) == (before, before), said
    return said.strip().splitlines()[-1]


def disk_full(place: Place) -> str:
    """The index of the new server cannot be written whole."""
    version = place.version("large")
    place.ask(version)
    before = place.served
    deploying = place.command("deploy", "tiny", limit=LARGE // 2)
    said, _ = deploying.communicate()
    assert deploying.returncode == 1, said
    assert (place.served, place.champion) == (before, version.label), said  # the world failed, so it is still asked for
    rolled = place.roll()
    assert (rolled.outcome, place.served) == ("served", version.label)
    return said.strip().splitlines()[-1]


def two_aliases_at_once(place: Place) -> str:
    """Somebody sets the alias, and another one within a second: the last is served."""
    one, other = place.version(), place.version()
    watcher = place.command("watch", "--every", "0.2")
    try:
        place.ask(one)
        time.sleep(0.5)
        place.ask(other)
        wait(lambda: place.served == other.label)
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.communicate()
    assert place.champion == other.label
    return f"{other.label} is served, not {one.label}"


def registry_locked_at_each_step(place: Place) -> str:
    """The registry answers nobody from each step of a deploy to its end of a deploy; all of it is told in the end."""
    said = []
    for step in ("files", "signature", "parity", "canary 25%", "served"):
        version = place.version()
        place.ask(version)
        with _locked_after(place, version.label, step):
            try:
                said.append(f"{step}: {place.roll().outcome}")
            except Exception as err:
                said.append(f"{step}: {type(err).__name__}")
        rolled = place.roll()
        timeline = read_timeline(place.root)
        assert (place.served, place.champion) == (version.label, version.label), (step, rolled.sentence)
        assert timeline is not None
        assert timeline.recorded
    return "; ".join(said)


@contextmanager
def _locked_after(place: Place, label: str, step: str) -> Iterator[None]:
    """Take the registry's database, once a deploy has come to a step, until the block ends."""
    over = threading.Event()

    def lock() -> None:
        while not over.is_set():
            timeline = read_timeline(place.root)
            if timeline is not None and timeline.label == label and any(one["step"] == step for one in timeline.steps):
                break
            time.sleep(0.01)
        with sqlite3.connect(place.root / "mlflow.db", isolation_level=None, timeout=30) as database:
            database.execute("BEGIN EXCLUSIVE")
            over.wait(WITHIN_S)
            database.execute("ROLLBACK")

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


DRILLS: dict[str, Callable[[Place], str]] = {
    drill.__name__: drill
    for drill in (
        deploy_under_load, corrupt_package, wrong_signature, nan_weights, wrong_dimension, onnx_that_does_not_load,
        server_killed_mid_load, disk_full, two_aliases_at_once, registry_locked_at_each_step,
    )
}  # fmt: skip
