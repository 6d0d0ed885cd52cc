"""What a watcher does about a champion that somebody sets, on a real store; serving is a record of this process."""

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.contracts.errors import Busy, CapabilityError, ConfigError, TransientError
from components.serving.endpoint import read_endpoint
from components.stages.lock import hold
from components.stages.place import private
from flows.serving.rollout import Rolled
from flows.webhooks.watch import MOST_S, Watcher, watch
from tests.empty_store import lay_empty_store
from tests.flows.handed_over import hand_over


class Rolling:
    """Serves the champion of a model as a record alone, unless a fault is to be met; remembers what it was asked."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.refused: set[str] = set()
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, root: Path, model: str) -> Rolled:
        self.asked.append(model)
        self.meanwhile()
        if self.fault is not None:
            raise self.fault
        client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
        label, now = f"{model}@{client.get_registered_model(model).aliases['champion']}", read_endpoint(root)
        if label in self.refused:
            client.set_registered_model_alias(model, "champion", str(int(label[-1]) - 1))
            return Rolled(
                outcome="refused", label=now.label if now else "", sentence=f"{label} is not served: it is worse."
            )
        if now is not None and now.label == label:
            return Rolled(outcome="already served", label=label, sentence=f"{label} is served already.")
        hand_over(root, label)
        return Rolled(outcome="served", label=label, sentence=f"{label} is served after 1 s.")


class World:
    """A workspace with versions 1 to 3 of clip, a watcher of it, and a clock that stands until it is set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now, self.said, self.roll = 0.0, [], Rolling()
        self.start()

    def start(self) -> None:
        self.watcher = Watcher(self.root, self.roll, self.said.append, every_s=5.0, clock=lambda: self.now)

    def set(self, version: int, model: str = "clip") -> None:
        MlflowClient(f"sqlite:///{self.root / 'mlflow.db'}").set_registered_model_alias(model, "champion", str(version))

    @property
    def served(self) -> str | None:
        found = read_endpoint(self.root)
        return found.label if found else None

    def look(self, times: int = 1, each_s: float = 5.0) -> None:
        for _ in range(times):
            self.now += each_s
            self.watcher.look()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = lay_empty_store(tmp_path_factory.mktemp("store"))
    client = MlflowClient(f"sqlite:///{path}")
    for model in ("clip", "siglip"):
        client.create_registered_model(model)
        for _ in range(3):
            client.create_model_version(model, str(path.parent))
    return path


@pytest.fixture
def world(toy: Path, store: Path) -> World:
    shutil.copy(store, toy)
    return World(toy)


def test_a_champion_that_is_set_is_served_once(world):
    world.look()
    world.set(1)
    world.look(3)
    assert world.served == "clip@1"
    assert world.roll.asked == ["clip"]
    assert world.said == ["clip@1 is served after 1 s."]
    world.set(2)
    world.look(3)
    assert world.served == "clip@2"
    assert len(world.roll.asked) == 2


def test_of_two_that_are_set_between_two_looks_the_last_is_served(world):
    world.look()
    world.set(1)
    world.set(3)
    world.look(3)
    assert world.served == "clip@3"
    assert len(world.roll.asked) == 1


def test_one_that_is_set_while_another_is_brought_up_is_served_next(world):
    world.look()
    world.set(1)
    world.roll.meanwhile = lambda: world.set(2) if len(world.roll.asked) == 1 else None
    world.look()
    world.look(2)
    assert world.served == "clip@2"
    world.look(5)
    assert len(world.roll.asked) <= 2


def test_what_somebody_stopped_stays_so_until_the_alias_moves(world):
    world.set(1)
    world.look(3)
    assert world.served is None
    assert world.roll.asked == []
    world.set(2)
    world.look()
    assert world.served == "clip@2"


def test_a_watcher_that_starts_late_catches_up_with_what_is_served(world):
    hand_over(world.root, "clip@1")
    world.set(2)
    world.look()
    assert world.served == "clip@2"


def test_one_that_starts_where_all_is_well_does_nothing(world):
    hand_over(world.root, "clip@1")
    world.set(1)
    world.look(3)
    assert world.roll.asked == []
    assert world.said == []


def test_a_refused_version_whose_alias_was_put_back_is_said_once(world):
    hand_over(world.root, "clip@1")
    world.set(1)
    world.look()
    world.roll.refused = {"clip@2"}
    world.set(2)
    world.look(20, each_s=1000)
    assert world.served == "clip@1"
    [said] = world.said
    assert said.startswith("clip@2 is not served: it is worse. It is not tried again until")
    assert len(world.roll.asked) == 2, "it, and the one that got the alias back"
    world.set(3)
    world.look()
    assert world.served == "clip@3"


def test_a_version_that_this_machine_cannot_serve_is_said_and_not_tried_again_until_the_alias_moves(world):
    world.look()
    world.roll.fault = CapabilityError("Triton does not run here.")
    world.set(2)
    world.look(20, each_s=1000)
    assert world.roll.asked == ["clip"]
    [said] = world.said
    assert said.startswith("clip@2 is not served: Triton does not run here. It is not tried again until")


def test_the_same_one_is_tried_again_once_the_alias_went_elsewhere_and_back(world):
    world.look()
    world.roll.fault = ConfigError("not this one.")
    world.set(2)
    world.look(2)
    world.roll.fault = None
    world.set(1)
    world.look(2)
    world.set(2)
    world.look(2)
    assert world.served == "clip@2"
    assert len(world.roll.asked) == 3


@pytest.mark.parametrize("fault", [TransientError("the line dropped."), Busy("another deploys."), ConnectionResetError(), KeyError("a bug")])  # fmt: skip
def test_a_fault_of_the_world_is_tried_again_after_longer_and_longer(world, fault):
    world.look()
    world.set(1)
    world.roll.fault = fault
    tried = []
    for _ in range(2000):
        before = len(world.roll.asked)
        world.look(each_s=1)
        if len(world.roll.asked) > before:
            tried.append(world.now)
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits[:7] == [5, 10, 20, 40, 80, 160, MOST_S]
    assert set(waits[7:]) == {MOST_S}
    assert len(world.said) == len(tried), "each try is said once"
    assert "Next try in 5 s." in world.said[0]
    world.roll.fault = None
    world.look(each_s=MOST_S)
    assert world.served == "clip@1"
    world.look(2, each_s=1)
    world.roll.fault = fault
    world.set(2)
    world.look(each_s=1)
    assert "Next try in 5 s." in world.said[-1], "it waits short again"


def test_another_version_does_not_wait_for_the_failures_of_the_one_before(world):
    world.look()
    world.set(1)
    world.roll.fault = TransientError("the line dropped.")
    world.look(100, each_s=20)
    world.roll.fault = None
    world.set(2)
    world.look(each_s=1)
    assert world.served == "clip@2"


def test_it_does_not_act_while_a_run_writes_here_and_acts_after(world):
    world.look()
    with hold(private(world.root, "locks") / "workspace.lock", "the workspace"):
        world.set(1)
        world.look(3)
        assert world.roll.asked == []
    world.look()
    assert world.served == "clip@1"


def test_the_champion_of_a_model_that_is_not_of_this_workspace_is_nobodys_until_it_is_packaged_here(world):
    world.look()
    world.set(1, "siglip")
    world.look(3)
    assert world.roll.asked == []
    (world.root / "runs/siglip/package").mkdir(parents=True)
    world.set(1)
    world.look(2)
    world.set(2, "siglip")
    world.look(2)
    assert world.roll.asked == ["clip", "siglip"]
    assert world.served == "siglip@2"


def test_a_registry_that_is_made_later_is_seen(toy, store):
    world = World(toy)
    world.look(2)
    assert not (toy / "mlflow.db").exists(), "looking makes none"
    shutil.copy(store, toy)
    world.set(1)
    world.look()
    assert world.served == "clip@1"


def test_a_registry_that_is_away_is_said_and_asked_again(world, monkeypatch):
    world.look()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    world.start()
    world.look(each_s=1)
    world.look(4, each_s=1)
    assert len(world.said) == 1, world.said
    assert "http://127.0.0.1:1 does not answer" in world.said[0]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    world.look(each_s=1)
    world.set(1)
    world.look()
    assert world.served == "clip@1"


def test_one_watches_a_workspace_at_a_time(world):
    with hold(private(world.root, "locks") / "watch.lock", "the registry"), pytest.raises(Busy, match=str(os.getpid())):
        watch(world.root, world.roll)


def test_how_often_it_looks_is_a_number_that_makes_sense(world):
    with pytest.raises(ConfigError, match=r"0\.1 to 3600"):
        watch(world.root, world.roll, 0)
