"""What keeps the servers of a machine, where its own disk is full."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from components.contracts.errors import DiptychError
from flows.stack import supervisor
from flows.stack.place import Place, record_file
from flows.stack.seen import read_seen
from flows.stack.service import Service, nothing
from flows.stack.supervisor import Kept, supervise

FULL = Path("/dev/full")


@pytest.fixture
def place(tmp_path):
    made = Place(root=tmp_path, data=tmp_path / "data", ports={}, passwords={})
    for folder in (made.log("one").parent, record_file(tmp_path).parent):
        folder.mkdir(parents=True)
    return made


def kept(
    place: Place,
    *,
    command: Sequence[str],
    stopping: threading.Event,
    told: threading.Event,
    prepare: Callable[[], None] = nothing,
) -> Kept:
    service = Service(
        name="one", what="One", address="", command=tuple(command), folder=place.root, fault=lambda: None, prepare=prepare
    )  # fmt: skip
    return Kept(service, place, stopping, told, {})


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in a minute")


def test_a_server_that_ends_is_started_again_though_there_is_no_room_to_say_so(place, monkeypatch):
    stopping, told = threading.Event(), threading.Event()
    one = kept(place, command=(sys.executable, "-c", "raise SystemExit(3)"), stopping=stopping, told=told)
    full = FULL.open("w")
    monkeypatch.setattr(sys, "stdout", full)
    one.start()
    try:
        until(lambda: one.starts >= 2)
        assert one.state != "stopped"
    finally:
        stopping.set()
        one.join()
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):  # what is left in it has nowhere to go
            full.close()


def test_one_that_cannot_even_be_prepared_was_tried_as_often_as_it_was(place):
    """`up` gives up after the third time, and says why, as of one that ends."""
    stopping, told = threading.Event(), threading.Event()

    def no_room() -> None:
        raise DiptychError("initdb failed: no room")

    one = kept(place, command=(sys.executable,), stopping=stopping, told=told, prepare=no_room)
    one.start()
    try:
        until(lambda: one.starts > 2)
        assert (one.state, one.why, one.pid) == ("failed", "initdb failed: no room", None)
    finally:
        stopping.set()
        one.join()


def test_how_servers_are_is_written_down_once_there_is_room_again(place, monkeypatch):
    stopping, told, write = threading.Event(), threading.Event(), supervisor.write_private
    refused: list[Path] = []

    def no_room(path: Path, text: str) -> None:
        if len(refused) < 2 or '"well"' not in text:  # the last news come while there is none
            refused.append(path)
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(supervisor, "write_private", no_room)
    monkeypatch.setattr(supervisor, "WRITE_AGAIN_S", 0.1)
    monkeypatch.setattr(supervisor, "stranger_at", lambda address, process: None)
    one = kept(place, command=(sys.executable, "-c", "import time; time.sleep(600)"), stopping=stopping, told=told)
    keeper = threading.Thread(target=supervise, args=(place, [one], stopping, told, []))
    keeper.start()
    try:
        until(lambda: (seen := read_seen(place.root)) is not None and seen.services[0].state == "well")
        assert len(refused) >= 2
    finally:
        stopping.set()
        told.set()
        keeper.join()
    assert record_file(place.root).exists(), "whoever ended it, as a reboot does, did not say that it is to stay so"
