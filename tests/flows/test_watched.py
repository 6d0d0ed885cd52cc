"""`diptych watch` as a person uses it: real registry, Triton and gateway; somebody sets aliases, the page answers so or says why not."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components.registry.store import open_store
from components.registry.versions import by_alias
from components.serving.endpoint import read_endpoint
from components.stages.lock import hold
from components.stages.place import private
from flows.serving.gateway import ensure_gateway
from flows.serving.rollout import LOCK, bring, rollout, served_label
from tests.flows.rolled import REPOSITORY, ask, make_version, served_place
from tests.workspace import environment

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Iterator[Path]:
    """A workspace whose versions are deployed at once."""
    with served_place(tmp_path_factory.mktemp("watched"), canary=[]) as root:
        (root / "data").mkdir()
        (root / "data/untrained.txt").touch()
        yield root


@contextmanager
def watching(root: Path, until) -> Iterator[Path]:
    """Yield what a watcher says, once it watches."""
    said = root.parent / "watch.txt"
    with said.open("wb") as output:
        command = [sys.executable, "-u", "-m", "flows.cli", "watch", "--every", "0.5"]
        variables = environment(PYTHONPATH=str(REPOSITORY))
        watcher = subprocess.Popen(command, cwd=root, env=variables, stdout=output, stderr=output)
    try:
        until(lambda: "Ctrl-C stops it" in said.read_text(), said.read_text)
        yield said
        watcher.send_signal(signal.SIGTERM)
        assert watcher.wait(60) == 128 + signal.SIGTERM, said.read_text()
    finally:
        watcher.kill()
        watcher.wait()


def test_an_alias_that_somebody_sets_is_served_or_put_back_with_a_sentence(root, until):
    store = open_store(root)

    def champion() -> str:
        return str(store.client.get_registered_model("tiny").aliases["champion"])

    def answering() -> str:
        answer = httpx.post(f"{url}v1/embeddings", json={"input": ["a red square"]}, timeout=20)
        return str(answer.json()["model"])

    first = make_version(root, store, seed=1, right=20)
    ask(store, first)
    rollout(root, "tiny", store)
    url = ensure_gateway(root).url
    assert answering() == first.label
    better = make_version(root, store, seed=2, right=40)
    ask(store, better)  # while nobody watches: it is caught up with
    with watching(root, until) as said:
        until(lambda: answering() == better.label, said.read_text, 120)
        worse = make_version(root, store, seed=3, right=10)
        ask(store, worse)
        until(lambda: champion() == better.version, said.read_text, 120)
        until(lambda: f"{worse.label} is not served" in said.read_text(), said.read_text)
        assert answering() == better.label
    assert "retrieval.pair.mean_recall is not better" in said.read_text()
    assert said.read_text().count("is not served") == 1
    assert answering() == better.label, "what is served outlives the watcher"


def test_a_run_waits_for_whoever_deploys_and_then_finds_it_done(root):
    store = open_store(root)
    version = make_version(root, store, seed=5, right=55)
    store.client.set_registered_model_alias(version.name, "champion", version.version)
    assert rollout(root, "tiny", store).label == version.label
    served = read_endpoint(root)
    with ThreadPoolExecutor(1) as pool:
        with hold(private(root, "locks") / LOCK, "the endpoint"):
            brought = pool.submit(bring, root, version, store)
            with pytest.raises(TimeoutError):
                brought.result(timeout=1.0)
        assert brought.result(timeout=60).label == version.label
    assert read_endpoint(root) == served


def test_a_run_serves_who_has_the_alias_by_now_and_not_who_had_it_when_it_judged(root):
    store = open_store(root)
    judged = by_alias(store, "tiny", "champion")
    later = make_version(root, store, seed=6, right=70)
    ask(store, later)
    assert bring(root, judged, store).label == served_label(root) == later.label
    ask(store, make_version(root, store, seed=7, right=10))  # it is refused, and who had the alias has it again
    assert bring(root, later, store).label == served_label(root) == later.label
    assert by_alias(store, "tiny", "champion").version == later.version
