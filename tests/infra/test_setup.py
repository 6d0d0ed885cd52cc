"""Set-up says what it needs and what it found."""

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def test_a_python_that_is_too_old_is_named_with_what_is_needed(tmp_path: Path):
    root, path = tmp_path / "checkout", tmp_path / "bin"
    shutil.copytree(REPOSITORY / "infra", root / "infra")
    for name in ("pyproject.toml", "Makefile"):
        shutil.copy(REPOSITORY / name, root)
    path.mkdir()
    for name in ("sh", "dirname", "cat", "sha256sum", "make"):  # all that set-up calls before it looks for a Python
        (path / name).symlink_to(shutil.which(name) or name)
    old = path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18" && exit 0\nexit 1\n')
    old.chmod(0o755)
    for command in (["infra/setup.sh"], ["make", "run"], ["make", "test"]):
        said = subprocess.run(command, cwd=root, env={**os.environ, "PATH": str(path)}, capture_output=True, text=True)
        assert said.returncode != 0
        lines = [line for line in said.stderr.splitlines() if line.startswith("setup:")]
        assert len(lines) == 1, said.stderr
        assert "needs Python 3.11 or 3.12" in lines[0]
        assert "python3 is Python 3.9.18" in lines[0]
        assert "Traceback" not in said.stderr
        assert not (root / ".venv").exists()


def test_asked_to_check_it_makes_nothing(tmp_path: Path):
    shutil.copytree(REPOSITORY / "infra", tmp_path / "infra")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    said = subprocess.run(["infra/setup.sh", "check"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 1
    assert "run make setup" in said.stderr
    assert not (tmp_path / ".venv").exists()


def test_prefect_starts_in_the_environment_of_the_tests_as_soon_as_in_that_of_users():
    assert find_spec("jsonschema") is not None
    assert find_spec("rfc3987_syntax") is None, "jsonschema would import it, and that takes as long as Prefect itself"


PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "diptych"
version = "0"
dependencies = ["toy>=1"]

[project.optional-dependencies]
test = []
"""
BACKEND = """\
from pathlib import Path
from zipfile import ZipFile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "diptych-0-py3-none-any.whl"
    with ZipFile(Path(folder) / name, "w") as wheel:
        about = "diptych-0.dist-info/"
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\\nName: diptych\\nVersion: 0\\nRequires-Dist: toy>=1\\nProvides-Extra: test\\n")
        wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\\nGenerator: us\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(about + "entry_points.txt", "[console_scripts]\\ndiptych = json.tool:main\\n")
        wheel.writestr(about + "RECORD", "")
    return name
"""


@pytest.mark.parametrize(
    ("tool", "locked", "taken"),
    [("uv", "1.0", "1.0"), ("uv", "3.0", "2.0"), ("pip", "1.0", "1.0"), ("broken uv", "1.0", "1.0")],
)
def test_the_versions_are_those_that_were_tested_or_it_is_said_that_they_are_not(
    tool: str, locked: str, taken: str, tmp_path: Path
):
    root = checkout(tmp_path, locked, "1.0", "2.0")
    subprocess.run([sys.executable, "-m", "venv", root / ".venv"], check=True)
    packages = root / ".venv/lib" / Path(sysconfig.get_path("purelib")).parent.name / "site-packages"
    if tool == "uv":
        (packages / "uv").symlink_to(Path(sysconfig.get_path("purelib")) / "uv")
        (root / ".venv/bin/uv").symlink_to(Path(sysconfig.get_path("scripts")) / "uv")
    elif tool == "broken uv":  # such as one that does not get through a proxy
        (packages / "uv").mkdir()
        (packages / "uv/__main__.py").write_text("import sys\nsys.exit('--version' not in sys.argv)\n")

    def set_up(*asked: str) -> str:
        ran = subprocess.run(
            ["infra/setup.sh", *asked], cwd=root, env=from_wheels(tmp_path), capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stderr

    (root / "flows").mkdir()
    (root / "flows/cli.py").write_text("def main(): ...\n")
    said = set_up()
    assert list(root.glob("flows/__pycache__/cli.*.pyc")), "else each process would compile it, here"
    assert (tool == "pip") == ("No matching distribution found for uv" in said), said
    assert version_in(root / ".venv") == taken
    assert version_in(root / ".venv-serving") == "2.0"
    assert ("setup: uv could not install the versions of infra/locks/setup.txt" in said) == (
        tool == "broken uv" or taken != locked
    )
    assert ("setup: trying the newest that pyproject.toml allows" in said) == (taken != locked)
    set_up("check")
    if tool == "uv" and taken == locked:
        set_up("newest")
        assert version_in(root / ".venv") == "2.0", "from which locks are taken"
        set_up("test")
        assert version_in(root / ".venv") == "1.0"
    (root / "infra/locks/setup.txt").write_text("# nothing\n")
    assert subprocess.run(["infra/setup.sh", "check"], cwd=root, stderr=subprocess.DEVNULL).returncode == 1


def test_servings_environment_is_tried_again_where_it_failed_or_was_left_half_made(tmp_path: Path):
    root, environment = checkout(tmp_path, "1.0", "1.0"), from_wheels(tmp_path)  # what serving needs cannot be had

    def set_up(*asked: str) -> str:
        ran = subprocess.run(["infra/setup.sh", *asked], cwd=root, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stderr

    for _ in range(2):
        said = set_up()
        assert "the serving environment could not be installed" in said
        assert not (root / ".venv-serving").exists()
        assert set_up("check") == "", "the main job needs it not"
    assert "setup: .venv is as it should be" in said
    toy(tmp_path / "wheels", "2.0")
    assert "installing into .venv and" not in set_up()
    assert (version_in(root / ".venv-serving"), version_in(root / ".venv")) == ("2.0", "1.0")
    assert set_up() == "", "nothing is left to do"
    (half,) = (root / ".venv-serving").glob("lib/*/site-packages/toy-*.dist-info")
    shutil.rmtree(half)  # as of one that was killed
    (root / ".venv-serving/.diptych").unlink()
    set_up()
    assert version_in(root / ".venv-serving") == "2.0"
    shutil.rmtree(root / ".venv-serving")
    set_up()
    assert version_in(root / ".venv-serving") == "2.0"


def test_of_two_at_once_the_second_waits_and_finds_it_made(tmp_path: Path):
    root, environment = checkout(tmp_path, "1.0", "1.0", "2.0"), from_wheels(tmp_path)

    def begun() -> "subprocess.Popen[str]":
        return subprocess.Popen(["infra/setup.sh"], cwd=root, env=environment, stderr=subprocess.PIPE, text=True)

    lock = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as one that is under way
        two = [begun(), begun()]
        for one in two:
            assert one.stderr is not None
            assert one.stderr.readline() == "setup: another set-up of this checkout is under way; waiting for it\n"
        assert not (root / ".venv").exists()
    finally:
        os.close(lock)
    said = [one.communicate()[1] for one in two]
    assert [one.returncode for one in two] == [0, 0], said
    assert sorted("setup: installing into .venv and .venv-serving" in one for one in said) == [False, True]
    assert (version_in(root / ".venv-serving"), version_in(root / ".venv")) == ("2.0", "1.0")
    first = begun()
    assert (first.communicate()[1], first.returncode) == ("", 0)


def checkout(folder: Path, locked: str, *versions: str) -> Path:
    """Make a checkout whose project needs a toy, of which serving needs 2.0, and beside it wheels of these versions."""
    root, wheels = folder / "check out", folder / "wheels"
    shutil.copytree(REPOSITORY / "infra", root / "infra")
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "backend.py").write_text(BACKEND)
    (root / "infra/serving-requirements.txt").write_text("toy==2.0\n")
    (root / "infra/locks/setup.txt").write_text(f"# ours\ntoy=={locked} --hash=sha256:{'0' * 64}\n")
    wheels.mkdir()
    for version in versions:
        toy(wheels, version)
    return root


def from_wheels(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing can be had but the wheels of a checkout."""
    told = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    wheels = str(folder / "wheels")
    return told | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels, "UV_NO_INDEX": "1"}


def toy(folder: Path, version: str) -> None:
    """Write a wheel that has nothing in it."""
    about = f"toy-{version}.dist-info"
    with zipfile.ZipFile(folder / f"toy-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: toy\nVersion: {version}\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def version_in(environment: Path) -> str:
    """Return which toy is there."""
    (one,) = environment.glob("lib/*/site-packages/toy-*.dist-info")
    return one.name.removeprefix("toy-").removesuffix(".dist-info")
