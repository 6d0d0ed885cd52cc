"""What the doctor says of packages: each is held against pyproject.toml, not a note that they were once installed; and that it says all else too."""

from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from flows.claims import Claims
from flows.machine import has_gpu
from flows.stack.doctor import Finding, examined
from flows.stack.place import Place
from flows.stack.restoring import MARK
from flows.stack.standing import lines, standing

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
