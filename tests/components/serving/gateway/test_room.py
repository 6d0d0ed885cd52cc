"""What a worker may take of this machine, by what a container has of it and how many workers there are."""

from types import SimpleNamespace

import pytest

from components.data import processes
from components.data.cgroups import Cgroups
from components.serving.gateway import room
from components.serving.gateway.room import LEAST_MB, MOST_MB, Room, free_mb, memory_mb


@pytest.fixture
def machine(monkeypatch):
    """One of 16 processors and 64 GiB."""
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * 2**30, available=2**30))
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda pid: set(range(16)))


def of(folder):
    """Those of a container that sees its own as the root."""
    return Cgroups(folder, folder / "nowhere")


@pytest.mark.parametrize(
    ("workers", "memory", "quota", "wanted"),
    [
        (1, None, None, Room(mb=MOST_MB, threads=16)),
        (1, "max", "max 100000", Room(mb=MOST_MB, threads=16)),
        (16, None, None, Room(mb=512, threads=1)),
        (1, 4 * 2**30, "250000 100000", Room(mb=512, threads=2)),
        (4, 2 * 2**30, "50000 100000", Room(mb=LEAST_MB, threads=1)),
        (3, 64 * 2**30, "400000 100000", Room(mb=MOST_MB, threads=2)),
        (32, 2**40, "9900000 100000", Room(mb=256, threads=1)),
    ],
)
def test_each_worker_has_its_part(machine, tmp_path, workers, memory, quota, wanted):
    for name, said in (("memory.max", memory), ("cpu.max", quota)):
        if said is not None:
            (tmp_path / name).write_text(f"{said}\n")
    assert Room.of(workers, of(tmp_path)) == wanted


@pytest.mark.parametrize(
    ("said", "free"),
    [
        ({}, 1024),
        ({"memory.max": "max", "memory.current": 5 * 2**20}, 1024),
        ({"memory.max": 300 * 2**20, "memory.current": 200 * 2**20}, 100),
        ({"memory.max": 300 * 2**20, "memory.current": 200 * 2**20, "memory.stat": f"anon 7\ninactive_file {50 * 2**20}"}, 150),
        ({"memory.max": 300 * 2**20, "memory.current": 301 * 2**20}, 0),
        ({"memory.max": 2**40, "memory.current": 2**20}, 1024),
    ],
)  # fmt: skip
def test_what_is_free_is_what_the_container_has_left(machine, tmp_path, said, free):
    for name, its in said.items():
        (tmp_path / name).write_text(f"{its}\n")
    assert free_mb(of(tmp_path)) == free


def test_where_there_is_no_container_it_is_the_machines(machine, tmp_path):
    assert (memory_mb(of(tmp_path)), Room.of(1, of(tmp_path)).threads) == (64 * 1024, 16)


def test_a_unit_of_systemd_has_what_its_slices_leave_it(machine, tmp_path):
    unit = tmp_path / "user.slice/gateway.service"
    unit.mkdir(parents=True)
    (tmp_path / "self").write_text("0::/user.slice/gateway.service\n")
    (unit / "memory.max").write_text("max\n")
    (unit.parent / "memory.max").write_text(f"{4 * 2**30}\n")
    (unit.parent / "cpu.max").write_text("300000 100000\n")
    assert Room.of(1, Cgroups(tmp_path, tmp_path / "self")) == Room(mb=512, threads=3)
