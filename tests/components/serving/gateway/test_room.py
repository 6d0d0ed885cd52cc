"""What a worker may take of this machine, by what a container has of it and how many workers there are."""

from types import SimpleNamespace

import pytest

from components.serving.gateway import room
from components.serving.gateway.room import LEAST_MB, MOST_MB, Room, memory_mb, processors


@pytest.fixture
def machine(monkeypatch):
    """One of 16 processors and 64 GiB."""
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * 2**30))
    monkeypatch.setattr(room.os, "sched_getaffinity", lambda pid: set(range(16)))


@pytest.mark.parametrize(
    ("workers", "memory", "quota", "wanted"),
    [
        (1, None, None, Room(mb=MOST_MB, threads=16)),
        (1, "max", "max 100000", Room(mb=MOST_MB, threads=16)),
        (16, None, None, Room(mb=512, threads=1)),
        (1, 4 * 2**30, "250000 100000", Room(mb=512, threads=2)),
        (4, 2 * 2**30, "50000 100000", Room(mb=LEAST_MB, threads=1)),
        (32, 2**40, "9900000 100000", Room(mb=256, threads=1)),
    ],
)
def test_each_worker_has_its_part(machine, tmp_path, workers, memory, quota, wanted):
    for name, said in (("memory.max", memory), ("cpu.max", quota)):
        if said is not None:
            (tmp_path / name).write_text(f"{said}\n")
    assert Room.of(workers, tmp_path) == wanted


def test_where_there_is_no_container_it_is_the_machines(machine, tmp_path):
    assert (memory_mb(tmp_path), processors(tmp_path)) == (64 * 1024, 16)
