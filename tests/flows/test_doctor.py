"""What the doctor says: of packages, which are held against pyproject.toml, not a note that they were once installed; and of the machine around them."""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from flows import machine
from flows.claims import Claims
from flows.machine import has_gpu, keeps_time
from flows.stack import doctor
from flows.stack.doctor import Finding, examined
from flows.stack.place import Place
from flows.stack.restoring import MARK
from flows.stack.standing import lines, standing

NOW = "doubtful" if keeps_time() is False else "well"  # of the clock of this machine

REPOSITORY = Path(__file__).parents[2]


def packages(root: Path) -> Finding:
    (found,) = [one for one in examined(root) if one.about == "packages"]
    return found


def asks(root: Path, *for_: str) -> Path:
    lines = "\n".join(f'    "{one}",' for one in for_)
    (root / "pyproject.toml").write_text(f"[project]\ndependencies = [\n{lines}\n]\n")
    return root


def test_this_repository_has_what_it_asks_for():
    assert packages(REPOSITORY).state == "well", packages(REPOSITORY).says


@pytest.mark.parametrize(("line", "says"), [
    ("no-such-package-of-ours>=1", "no-such-package-of-ours is not installed"), ("numpy<1", f"numpy is {version('numpy')}, and <1 is asked for"),
])  # fmt: skip
def test_one_that_is_missing_or_of_another_version_is_said_with_what_mends_it(tmp_path, line, says):
    found = packages(asks(tmp_path, "prefect>=3", line))
    assert (found.state, found.says) == ("wrong", f"{says}: make setup")


def test_what_is_for_other_machines_alone_is_not_missed(tmp_path):
    assert packages(asks(tmp_path, "no-such-package-of-ours; sys_platform == 'amiga'")).state == "well"


def test_a_version_that_images_do_not_have_is_told_and_is_well(tmp_path):
    (tmp_path / "infra/locks").mkdir(parents=True)
    lock = tmp_path / "infra/locks" / ("cuda.txt" if has_gpu() else "cpu.txt")
    lock.write_text("# by hand\nprefect==3.0.0 --hash=sha256:0\n")
    found = packages(asks(tmp_path, "prefect>=3", "numpy>=1"))
    assert found.state == "well"
    assert f"of other versions than images have: prefect {version('prefect')} (3.0.0)" in found.says
    lock.write_text(f"prefect=={version('prefect')} --hash=sha256:0\n")
    assert packages(tmp_path).says == "2 are as pyproject.toml asks"


def test_a_version_is_found_by_whichever_way_a_name_is_written(tmp_path):
    (tmp_path / "infra/locks").mkdir(parents=True)
    lock = tmp_path / "infra/locks" / ("cuda.txt" if has_gpu() else "cpu.txt")
    lock.write_text("# package==version\n\nruamel-yaml==0.1 --hash=sha256:0\n")
    found = packages(asks(tmp_path, "ruamel.yaml"))
    assert found.says.endswith(f"of other versions than images have: ruamel.yaml {version('ruamel.yaml')} (0.1)")


@pytest.mark.parametrize(("text", "state", "says"), [
    ("[tool.ruff]\n", "doubtful", "has no [project] dependencies"), ("[project]\nname = 'theirs'\n", "doubtful", "has no [project] dependencies"),
    ("[project\n", "wrong", "cannot be read"), ("project = 3\n", "wrong", "cannot be read"),
    ("[project]\ndependencies = 'numpy'\n", "wrong", "dependencies is no list"), ("[project]\ndependencies = ['>=3']\n", "wrong", "cannot be read"),
])  # fmt: skip
def test_a_pyproject_that_says_nothing_of_packages_is_found_among_all_else(tmp_path, text, state, says):
    (tmp_path / "pyproject.toml").write_text(text)
    found = {one.about: one for one in examined(tmp_path)}
    assert found["packages"].state == state
    assert says in found["packages"].says
    assert {"python", "disk", "memory", "clock", "servers"} <= set(found)


def test_a_mark_of_a_restore_that_cannot_be_read_is_told_beside_all_else(tmp_path):
    with closing(Claims()) as claims:
        place = Place.of(tmp_path, None, claims)
    (place.data / MARK).write_text("{")
    (found,) = [one for one in examined(tmp_path) if one.about == "restore"]
    assert found.state == "wrong"
    assert f"{place.data / MARK} cannot be read" in found.says
    assert lines(tmp_path)[-1] == f"restore  {found.says}"
    assert standing(tmp_path)["restoring"] == found.says


def test_a_place_that_cannot_be_read_is_told_beside_all_else(tmp_path):
    with closing(Claims()) as claims:
        place = Place.of(tmp_path, None, claims)
    place.keys.write_text("{")
    found = {one.about: one for one in examined(tmp_path)}
    assert f"{place.keys} cannot be read" in found["ports"].says
    assert found["ports"].state == "wrong"
    assert {"python", "packages", "disk", "memory", "clock", "servers"} <= set(found)


def test_an_environment_of_triton_that_was_left_half_made_is_told_with_what_mends_it(tmp_path):
    assert "there is no .venv-serving/bin/python" in one_found(tmp_path, "triton").says
    folder = tmp_path / ".venv-serving/bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)  # which has no Triton
    half = one_found(tmp_path, "triton")
    assert half.state == "doubtful"
    assert ".venv-serving has no nvidia-pytriton" in half.says
    assert half.says.endswith(": make setup")


def one_found(root: Path, about: str) -> Finding:
    (one,) = [one for one in examined(root) if one.about == about]
    return one


def test_a_port_that_somebody_else_has_taken_is_named_and_no_fault(tmp_path):
    with closing(Claims()) as claims:
        place = Place.of(tmp_path, None, claims)
    assert one_found(tmp_path, "ports").state == "well"
    with socket.socket() as other:
        other.bind(("127.0.0.1", place.ports["mlflow"]))
        other.listen()
        ports = one_found(tmp_path, "ports")
    assert ports.state == "doubtful"
    assert ports.says == f"taken by others: {place.ports['mlflow']} (mlflow); the next diptych up chooses others"


def test_little_room_on_a_disk_is_told_with_what_mends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_DISK_GB", 0)
    assert one_found(tmp_path, "disk").says.endswith(f"GB are free at {tmp_path}")
    monkeypatch.setattr(doctor, "LEAST_DISK_GB", 10**9)
    disk = one_found(tmp_path, "disk")
    assert disk.state in ("doubtful", "wrong")
    assert f"GB are free at {tmp_path}; dvc gc -w takes away versions of data that nothing uses" in disk.says


def test_little_memory_is_told_with_who_needs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_MEMORY_GB", 0)
    assert (one_found(tmp_path, "memory").state, ";" in one_found(tmp_path, "memory").says) == ("well", False)
    monkeypatch.setattr(doctor, "LEAST_MEMORY_GB", 10**9)
    memory = one_found(tmp_path, "memory")
    assert memory.state == "doubtful"
    assert memory.says.endswith("GB are free; the servers take up to 3, and a training what diptych estimate says")


def device(bus: Path, vendor: str, its: str) -> None:
    """Lay out a device as Linux shows what is on the PCI bus."""
    folder = bus / f"0000:0{len([*bus.glob('*')])}:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "class").write_text(f"{its}\n")


@pytest.mark.parametrize(("vendor", "its", "is_gpu"), [
    ("0x10de", "0x030200", True), ("0x10de", "0x030000", True), ("0x10de", "0x040300", False), ("0x1002", "0x030000", False),
], ids=["computes", "draws", "sound", "another's"])  # fmt: skip
def test_a_gpu_that_no_driver_shows_is_found_by_the_bus(tmp_path, monkeypatch, vendor, its, is_gpu):
    device(tmp_path / "bus", "0x8086", "0x060000")
    device(tmp_path / "bus", vendor, its)
    monkeypatch.setattr(machine, "PCI", tmp_path / "bus")
    monkeypatch.setattr(machine, "DRIVER", tmp_path / "nvidiactl")
    gpu = one_found(tmp_path, "gpu")
    assert (gpu.state == "doubtful", "no driver shows it" in gpu.says) == (is_gpu, is_gpu)
    (tmp_path / "nvidiactl").touch()
    assert "no driver" not in one_found(tmp_path, "gpu").says


def test_a_file_of_tomorrow_says_that_the_clock_went_back(tmp_path):
    (tmp_path / "params.yaml").touch()
    assert one_found(tmp_path, "clock").state == NOW
    later = time.time() + 30 * 60
    os.utime(tmp_path / "params.yaml", (later, later))
    clock = one_found(tmp_path, "clock")
    assert (clock.state, clock.says.startswith("a file of the workspace is of 30 minutes from now")) == ("wrong", True)


@pytest.mark.parametrize(
    ("kernel", "state"), [(0, "well"), (1, "well"), (4, "well"), (5, "doubtful"), (-1, "well"), (None, "well")]
)
def test_a_clock_that_nobody_keeps_right_is_something_to_know_of(tmp_path, monkeypatch, kernel, state):
    """As ntp_gettime of C's library says it: 5 is TIME_ERROR, the others are leap seconds to come or gone; -1 is none of them."""
    assert machine._ntp_state() in (None, -1, 0, 1, 2, 3, 4, 5), "what this machine says"
    monkeypatch.setattr(machine, "_ntp_state", lambda: kernel)
    clock = one_found(tmp_path, "clock")
    assert clock.state == state
    assert clock.says.startswith(time.strftime("%Y-%m-%d", time.gmtime()))
    assert ("nobody keeps it right" in clock.says) == (state == "doubtful")


@contextmanager
def mlflow_whose_clock_is(ahead_s: float) -> Iterator[str]:
    """Answer as a server does whose clock is so far ahead; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + ahead_s)

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(("ahead_s", "says"), [(1000, "ahead"), (-1000, "behind"), (20, "")])
def test_a_server_whose_clock_differs_is_told_with_how_much(tmp_path, monkeypatch, ahead_s, says):
    with mlflow_whose_clock_is(ahead_s) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        clock = one_found(tmp_path, "clock")
    assert clock.state == ("wrong" if says else NOW)
    assert not says or clock.says in [
        f"MLflow's server is {s} s {says}; webhooks and S3 refuse 300: set both clocks" for s in range(998, 1003)
    ]
