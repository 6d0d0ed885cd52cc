"""Folders that look like /sys/fs/cgroup, of v2, v1 and both, and what is left to a process that is in them."""

import os
import subprocess
from pathlib import Path

import pytest

from components.data import processes
from components.data.cgroups import Cgroups
from components.data.processes import cores
from components.serving.environment import ServingEnvironment

REPOSITORY = Path(__file__).parents[3]
V1 = "4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n"
V1_NONE = {
    "memory/memory.limit_in_bytes": "9223372036854771712",
    "cpu/cpu.cfs_quota_us": "-1",
    "cpu/cpu.cfs_period_us": "100000",
}
V1_OWN = {
    "memory/docker/ab/memory.limit_in_bytes": "3000", "memory/docker/ab/memory.usage_in_bytes": "2500",
    "memory/docker/ab/memory.stat": "inactive_file 1\nother 9\ntotal_inactive_file 200",
    "cpu/docker/ab/cpu.cfs_quota_us": "150000", "cpu/docker/ab/cpu.cfs_period_us": "100000",
}  # fmt: skip
SLICES = {
    "a.slice/b.slice/c.service/cpu.max": "400000 100000", "a.slice/b.slice/cpu.max": "max 100000", "a.slice/cpu.max": "200000 100000",
    "a.slice/b.slice/c.service/memory.max": "9000", "a.slice/b.slice/c.service/memory.current": "1000",
    "a.slice/b.slice/memory.max": "8000", "a.slice/b.slice/memory.current": "7900", "a.slice/b.slice/memory.stat": "anon 7\ninactive_file 50",
    "a.slice/memory.max": "max", "a.slice/memory.current": "7900",
}  # fmt: skip
CASES = {
    "none": (None, {}, (None, None, None)),
    "v2, a container": ("0::/\n", {"cpu.max": "50000 100000", "memory.max": "900", "memory.current": "1000"}, (0.5, 900, 0)),
    "v2, no limit": ("0::/\n", {"cpu.max": "max 100000", "memory.max": "max", "memory.current": "1000"}, (None, None, None)),
    "v2, the machine's path": ("0::/docker/ab\n", {"cpu.max": "250000 100000", "memory.max": "900"}, (2.5, 900, None)),
    "v2, out of sight": ("0::/../other\n", {"cpu.max": "250000 100000"}, (2.5, None, None)),
    "v2, in slices": ("0::/a.slice/b.slice/c.service\n", SLICES, (2.0, 8000, 150)),
    "v2, beside a slice": ("0::/d.service\n", SLICES, (None, None, None)),
    "v1, its own": (V1, V1_NONE | V1_OWN, (1.5, 3000, 700)),
    "v1, a container": (V1, {path.replace("docker/ab/", ""): said for path, said in V1_OWN.items()}, (1.5, 3000, 700)),
    "v1, of another": ("4:memory:/x\n2:cpu,cpuacct:/x\n", V1_OWN, (None, None, None)),
    "both": (V1 + "0::/docker/ab\n", V1_OWN | {"unified/docker/ab/cgroup.procs": "1"}, (1.5, 3000, 700)),
    "nobody says which": (None, {"cpu.max": "150000 100000", "memory/memory.limit_in_bytes": "3000"}, (1.5, 3000, None)),
}  # fmt: skip


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    own, files, wanted = CASES[request.param]
    for path, said in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{said}\n")
    if own is not None:
        (tmp_path / "self").write_text(own)
    return Cgroups(tmp_path, tmp_path / "self"), wanted


def test_the_least_along_the_way_counts(case):
    its, wanted = case
    assert (its.processors(), its.memory_bytes(), its.free_bytes()) == wanted


def test_cores_are_those_of_the_part_and_the_backend_counts_alike(case, monkeypatch):
    its, (part, *_) = case
    ours = len(os.sched_getaffinity(0))
    assert cores(its) == (ours if part is None else min(ours, max(1, round(part))))
    code = (  # it runs where the server does, with what only a server has
        "import os, sys, types; sys.modules['triton_python_backend_utils'] = types.ModuleType('triton'); import model; from pathlib import Path;"
        "os.sched_getaffinity = lambda pid: set(range(16));"
        f"print(model.processors(Path({str(its.root)!r}), Path({str(its.own)!r})))"
    )
    backend = REPOSITORY / "components/serving/backends/onnxruntime"
    found = subprocess.check_output(
        [str(ServingEnvironment.find(REPOSITORY).python), "-c", code], cwd=backend, text=True
    )
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda pid: set(range(16)))
    assert int(found) == cores(its)


def test_what_this_machine_says_can_be_read():
    its = Cgroups()
    assert (its.processors() or 1) > 0
    assert (its.memory_bytes() or 1) > 0
    assert (its.free_bytes() or 0) >= 0
