"""Children that go with their parent, whatever ended it."""

import multiprocessing
import os
import re
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from components.data.cgroups import Cgroups
from components.data.processes import cores, end_with_parent
from tests.gone import gone

FORK = multiprocessing.get_context("fork")


def child(into: Connection) -> None:
    end_with_parent()
    into.send(psutil.Process().pid)
    while True:
        signal.pause()


def parent(into: Connection) -> None:
    for _ in range(2):
        FORK.Process(target=child, args=(into,)).start()
    while True:
        signal.pause()


def test_a_killed_parents_children_leave(until):
    out, into = FORK.Pipe(duplex=False)
    started = FORK.Process(target=parent, args=(into,))
    started.start()
    children = [psutil.Process(out.recv()) for _ in range(2)]
    started.kill()
    started.join()
    until(lambda: all(map(gone, children)), lambda: children)


@pytest.fixture
def started() -> Iterator[BaseProcess]:
    out, into = FORK.Pipe(duplex=False)
    process = FORK.Process(target=child, args=(into,))
    process.start()
    out.recv()
    yield process
    process.kill()
    process.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_process_ends_it(started, number):
    psutil.Process(started.pid).send_signal(number)
    started.join()
    assert started.exitcode == -number


def test_ctrl_c_is_the_parents_to_handle(started):
    (ignored,) = re.findall(r"SigIgn:\s+(\w+)", Path(f"/proc/{started.pid}/status").read_text())
    assert int(ignored, 16) >> (signal.SIGINT - 1) & 1


def test_only_the_cores_that_we_may_use_are_counted():
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert cores(Cgroups(Path("/nowhere"), Path("/nowhere"))) == 1
    finally:
        os.sched_setaffinity(0, mine)
    assert cores(Cgroups(Path("/nowhere"), Path("/nowhere"))) == len(mine)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8), ("", 8), ("x y", 8)],
)
def test_of_a_container_its_part_of_the_cores_is_counted(tmp_path, monkeypatch, said, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    (tmp_path / "cpu.max").write_text(said)
    assert cores(Cgroups(tmp_path, tmp_path / "nowhere")) == wanted
