"""Indexes of one's own, made by the command and moved with the model to another space, on a real registry, Triton and gateway."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components.contracts.errors import CapabilityError, ConfigError
from components.registry.store import open_store
from components.serving.endpoint import read_endpoint
from components.serving.indexes import index_file, spaces_of
from components.serving.timeline import read_timeline
from flows.cli import main
from flows.serving.gateway import ensure_gateway
from flows.serving.index import index, list_indexes
from flows.serving.rollback import rollback
from flows.serving.rollout import rollout
from flows.status import deploy_stands
from tests.components.serving.tiny_package import COLOURS, picture
from tests.drills.traffic import asked_all_the_time
from tests.flows.rolled import REPOSITORY, ask, make_place, make_version, served_place

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    with served_place(tmp_path_factory.mktemp("indexed"), step_s=0.3, price_per_hour=3600.0) as root:
        yield root


@pytest.fixture(scope="module")
def store(root):
    return open_store(root)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in COLOURS.items():
        (folder / f"{name}.png").write_bytes(picture(colour))
        (folder / f"{name}.txt").write_text(f"a {name} square")
    return folder


@pytest.fixture(scope="module")
def first(root, store, pictures):
    """The first champion, served, with a gateway before it."""
    version = make_version(root, store, seed=1, right=20)
    ask(store, version)
    assert rollout(root, "tiny", store).label == "tiny@1"
    ensure_gateway(root)
    return version


def diptych(root: Path, *said: str) -> int:
    here = Path.cwd()
    os.chdir(root)
    try:
        return main(list(said))
    finally:
        os.chdir(here)


def nearest(root: Path, words: str, model: str = "") -> tuple[str, str, float]:
    """Return who answered, the name of the nearest picture of the index `own`, and their cosine."""
    body = {"query": words, "mode": "vector", "top_k": 1, "index": "own", "model": model}
    answer = httpx.post(f"{ensure_gateway(root).url}v1/search", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    (hit,) = answer.json()["hits"]
    return answer.json()["model"], hit["name"], hit["score"]


@contextmanager
def own_asked_all_the_time(root: Path) -> Iterator[set[tuple[str, str, bool]]]:
    """Ask the index `own` while the block runs; yield who answered, what was found, and whether it is as near as it is in one space."""
    found: set[tuple[str, str, bool]] = set()
    ended = threading.Event()

    def client() -> None:
        while not ended.is_set():
            try:
                label, name, score = nearest(root, "a green square")
                found.add((label, name, score > 0.99))
            except (AssertionError, httpx.HTTPError) as err:
                found.add(("", str(err), False))

    thread = threading.Thread(target=client)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def test_where_nothing_is_served_no_index_is_made(tmp_path, pictures, capsys):
    assert diptych(make_place(tmp_path), "index", str(pictures)) == 1
    assert "no model is served here" in capsys.readouterr().err
    assert not (tmp_path / ".diptych/index").exists()


def test_a_folder_becomes_an_index_that_the_gateway_searches(root, first, pictures, capsys):
    assert diptych(root, "index", str(pictures), "--json") == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert (made["name"], made["rows"], made["model"], made["space"]) == ("own", 3, "tiny@1", read_endpoint(root).space)
    assert nearest(root, "a green square")[:2] == ("tiny@1", "green.png")
    assert diptych(root, "index", "list") == 0
    assert capsys.readouterr().out.startswith(f"own  3 pictures of {pictures}")


def test_a_version_of_another_space_takes_the_index_along_and_nobody_is_dropped(root, store, first):
    better = make_version(root, store, seed=2, right=40)
    ask(store, better)
    with asked_all_the_time(root, clients=4) as counts, own_asked_all_the_time(root) as found:
        rolled = rollout(root, "tiny", store)
        while (better.label, "green.png", True) not in found:
            time.sleep(0.05)
    assert found == {
        (label, "green.png", True) for label in (first.label, better.label)
    }  # never by the other's vectors
    assert (rolled.outcome, rolled.label) == ("served", better.label), rolled.sentence
    assert counts["failed"] == 0
    steps = {one["step"]: one["says"] for one in rolled.timeline.steps}
    assert list(steps)[:4] == ["files", "signature", "index own", "parity"]
    assert steps["index own"].startswith("3 pictures in ")
    assert steps["index own"].endswith(" USD")
    assert len(spaces_of(root, "own")) == 2  # the way back needs the old one


def test_back_and_forth_each_version_has_its_own_and_nothing_is_embedded_again(root, store, first):
    before = {space: index_file(root, "own", space).stat().st_mtime_ns for space in spaces_of(root, "own")}
    rollback(root)
    assert nearest(root, "a blue square")[:2] == ("tiny@1", "blue.png")
    assert nearest(root, "a blue square")[2] > 0.99
    rollback(root)
    assert nearest(root, "a blue square")[:2] == ("tiny@2", "blue.png")
    assert {space: index_file(root, "own", space).stat().st_mtime_ns for space in before} == before


def test_pictures_that_are_gone_stop_the_switch_and_a_second_try_succeeds(root, store, first, pictures):
    third = make_version(root, store, seed=3, right=50)
    ask(store, third)
    aside = pictures.rename(pictures.with_name("aside"))
    with pytest.raises(CapabilityError, match="index own cannot be made for tiny@3"):
        rollout(root, "tiny", store)
    assert nearest(root, "a red square")[:2] == ("tiny@2", "red.png")
    aside.rename(pictures)
    first_space = min(spaces_of(root, "own"), key=lambda one: index_file(root, "own", one).stat().st_mtime_ns)
    assert rollout(root, "tiny", store).label == "tiny@3"
    assert nearest(root, "a red square")[:2] == ("tiny@3", "red.png")
    assert first_space not in spaces_of(root, "own")  # its version's files have gone too


def test_one_that_is_killed_while_it_embeds_says_how_far_it_was_and_goes_on(root, store, first, tmp_path, capsys):
    many = tmp_path / "many"
    many.mkdir()
    for at in range(4_000):
        (many / f"{at:05d}.png").write_bytes(picture((at % 256, at // 256, 90), 8))
    assert diptych(root, "index", str(many), "--name", "many") == 0
    capsys.readouterr()
    fourth = make_version(root, store, seed=4, right=60)
    ask(store, fourth)
    command = [sys.executable, "-m", "flows.cli", "deploy", "tiny"]
    index = root / ".diptych/index/many"
    with subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}) as killed:
        said = ""
        while not list(index.glob("*.new.parquet.parts/000000.parquet")):
            assert killed.poll() is None
            said = deploy_stands(root) or said
            time.sleep(0.02)
        said = deploy_stands(root) or said
        killed.send_signal(signal.SIGKILL)
    assert "tiny@4 is being deployed (index many: " in said
    assert "of 4,000 pictures" in said
    assert nearest(root, "a red square")[0] == "tiny@3"
    rolled = rollout(root, "tiny", store)
    assert rolled.label == "tiny@4", rolled.sentence
    (says,) = [one["says"] for one in read_timeline(root).steps if one["step"] == "index many"]
    assert "(2,048 of them were done before)" in says


def test_a_version_beside_gets_vectors_of_its_own_and_what_is_made_then_is_for_both(root, first, pictures, capsys):
    assert diptych(root, "serve", "--beside", "tiny@2") == 0
    assert "index own: 3 pictures in " in capsys.readouterr().err
    url = ensure_gateway(root).url
    assert "tiny@2" in [one["id"] for one in httpx.get(f"{url}v1/models", timeout=20).json()["data"]]
    served = {nearest(root, "a green square", model)[:2] for model in ("tiny@4", "tiny@2")}
    assert served == {("tiny@4", "green.png"), ("tiny@2", "green.png")}
    assert diptych(root, "index", str(pictures), "--json") == 0
    assert [one["model"] for one in json.loads(capsys.readouterr().out)] == ["tiny@2", "tiny@4"]
    assert diptych(root, "serve", "--alone") == 0


def test_an_index_that_is_removed_is_not_searched_any_more(root, first, capsys):
    assert diptych(root, "index", "remove", "many") == 0
    assert "The index many is gone" in capsys.readouterr().out
    assert [one["name"] for one in json.loads(list_indexes(root, as_json=True))] == ["own"]
    with pytest.raises(ConfigError, match="cannot name an index"):
        index(root, ".", root, "package", as_json=False)
