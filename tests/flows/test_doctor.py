"""What the doctor says of packages: each is held against pyproject.toml, not a note that they were once installed."""

from importlib.metadata import version
from pathlib import Path

import pytest

from flows.machine import has_gpu
from flows.stack.doctor import Finding, examined

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
