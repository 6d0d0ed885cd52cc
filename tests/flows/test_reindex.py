"""How an index that is embedded again is told of, and who may stop it; tests/flows/test_index.py does it on real servers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.deploying import Deploying
from components.contracts.errors import Busy, CapabilityError, Interrupted, StaleArtifact
from components.serving.endpoint import served_folder
from components.serving.indexes import (
    Borrowed,
    Record,
    borrow,
    borrowed,
    index_file,
    index_folder,
    names,
    read_record,
    write_record,
)
from components.serving.package import Package
from components.stages.lock import hold
from components.stages.place import private
from flows.serving.index import LOCK, Made, make
from flows.serving.reindex import Pace, own_indexes, way_back
from tests.components.serving.tiny_package import COLOURS, make_package, picture, write_manifest


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.doing: list[str] = []
        self.steps: list[tuple[str, str]] = []

    def goes_on(self, root: Path, doing: str) -> None:
        self.doing.append(doing)

    def step(self, root: Path, name: str, says: str) -> None:
        self.steps.append((name, says))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What is to be served."""
    return make_package(tmp_path / "package")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace that serves nothing, with an index of three pictures in the space of another package."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, colour in COLOURS.items():
        (pictures / f"{name}.png").write_bytes(picture(colour))
    root = tmp_path / "root"
    root.mkdir()
    package = Package.verify(make_package(tmp_path / "before", seed=1))
    make(root, "own", str(pictures), package, "tiny@1", 1, lambda *_, **__: None)
    return root


def switch(root: Path, package: Path, told: Told) -> None:
    with own_indexes(root, package, "tiny@2", Deploying(), told):
        assert index_file(root, "own", Package.verify(package).space).exists()  # before the switch


def test_it_is_said_how_far_how_fast_how_long_and_what_it_cost():
    clock, said = [0.0], []
    pace = Pace("own", 36.0, said.append, lambda: clock[0])
    clock[0] = 10.0
    pace("embed", 500, 1_500)
    clock[0] = 10.5
    pace("embed", 510, 1_500)  # less than a second later
    clock[0] = 40.0
    pace("embed", 1_100, 1_500)
    assert said == [
        "index own: 500 of 1,500 pictures, 50 pictures/s, 0:20 left, 0.10 USD",
        "index own: 1,100 of 1,500 pictures, 20 pictures/s, 0:20 left, 0.40 USD",
    ]
    clock[0] = 60.0
    record = Record(name="own", said="/pictures", digest="0", rows=1_500, made_at="")
    made = pace.made(Made(record=record, before=300, broken=2, rejected={}))
    assert made == "1,500 pictures in 60 s (300 of them were done before), 2 could not be decoded, 0.60 USD"


def test_without_a_price_no_cost_is_said():
    said: list[str] = []
    Pace("own", 0.0, said.append, lambda: 0.0)("embed", 1, 2)
    assert said == ["index own: 1 of 2 pictures"]


def test_an_index_is_made_for_another_space_once_and_what_nobody_serves_goes(root, package):
    told = Told()
    before = list(index_folder(root, "own").glob("*.parquet"))
    switch(root, package, told)
    assert [name for name, _ in told.steps] == ["index own"]
    assert told.steps[0][1].startswith("3 pictures in ")
    assert told.doing[0].startswith("index own: 3 of 3 pictures")
    assert not any(path.exists() for path in before)  # no version of that space is served, or was before
    again = Told()
    switch(root, package, again)
    assert (again.steps, again.doing) == ([], [])


def test_an_index_that_words_find_their_pictures_in_is_left_as_it_is(root, package):
    (before,) = index_folder(root, "own").glob("*.parquet")
    lent, space, told = Borrowed(space=before.stem, label="tiny@1"), Package.verify(package).space, Told()
    with own_indexes(root, package, "tiny@2", Deploying(), told, lent):
        assert borrowed(root, "own", space) == lent
    assert told.steps[0][1].startswith("left as it is: words find its pictures by the vectors of tiny@1")
    assert list(index_folder(root, "own").glob("*.parquet")) == [before]
    switch(root, package, Told())  # by somebody who wants vectors of its own
    assert borrowed(root, "own", space) is None


def test_one_without_such_vectors_is_embedded(root, package):
    told = Told()
    with own_indexes(root, package, "tiny@2", Deploying(), told, Borrowed(space="0" * 64, label="tiny@7")):
        assert index_file(root, "own", Package.verify(package).space).exists()
    assert told.steps[0][1].startswith("3 pictures in ")


def test_what_is_searched_instead_must_be_readable(root, package):
    space = Package.verify(package).space
    borrow(root, "own", space, Borrowed(space="0" * 64, label="tiny@7"))
    (marker,) = index_folder(root, "own").glob("*.borrows.json")
    marker.write_text("{")
    with pytest.raises(StaleArtifact, match="Make it again: diptych index PICTURES --name own"):
        borrowed(root, "own", space)


def test_pictures_that_changed_since_are_told_of(root, package):
    (Path(read_record(root, "own").said) / "red.png").unlink()
    told = Told()
    switch(root, package, told)
    assert "2 pictures in " in told.steps[0][1]
    assert told.steps[0][1].endswith("its pictures have changed since it was made")
    assert read_record(root, "own").rows == 2


def test_pictures_that_are_gone_are_no_fault_of_the_version(root, package):
    write_record(root, Record(name="own", said="/nowhere", digest="0", rows=3, made_at=""))
    with pytest.raises(CapabilityError, match="diptych index remove own"):
        switch(root, package, Told())
    assert len(list(index_folder(root, "own").glob("*.parquet"))) == 1  # what was searched still is


def test_a_graph_that_cannot_be_loaded_is_the_versions_own_fault(root, package):
    graph = package / "image_encoder.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    write_manifest(package)
    with pytest.raises(StaleArtifact, match="is no ONNX graph"):
        switch(root, package, Told())


def test_whoever_asks_for_the_way_back_stops_it_unless_he_was_killed(root, package):
    with way_back(root), pytest.raises(Interrupted, match="rollback was asked for"):
        switch(root, package, Told())
    assert list(served_folder(root).iterdir()) == []
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    (served_folder(root) / "way-back").write_text(str(ended.pid))
    switch(root, package, Told())


def test_nobody_makes_one_during_a_switch_to_another_space(root, package):
    with (
        own_indexes(root, package, "tiny@2", Deploying(), Told()),
        pytest.raises(Busy, match=str(os.getpid())),
        hold(private(root, "locks") / LOCK, "the indexes"),
    ):
        pass
    assert names(root) == ["own"]
