"""Where Triton cannot run, one sentence says why."""

import shutil
import stat
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError
from components.serving.environment import ServingEnvironment
from tests.components.serving.conftest import REPOSITORY


def refusal(root: Path) -> str:
    """Return the sentence."""
    with pytest.raises(CapabilityError) as refused:
        ServingEnvironment.find(root)
    sentence = str(refused.value)
    assert sentence.startswith("Nothing is served, because ")
    assert "`make run`" in sentence
    assert "\n" not in sentence
    return sentence


def serving_python(root: Path, prelude: str) -> None:
    """Make root/.venv-serving whose interpreter is the real one, after `prelude` of a shell."""
    script = root / ".venv-serving" / "bin" / "python"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\n{prelude}\nexec {REPOSITORY / ".venv-serving/bin/python"} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def real_site() -> Path:
    """Return the real site-packages."""
    (whole,) = (REPOSITORY / ".venv-serving" / "lib").glob("python3*/site-packages")
    return whole


def copied_site(root: Path, *without: str) -> Path:
    """Make root/.venv-serving with links to all packages but those; return its site-packages."""
    whole = real_site()
    home = root / ".venv-serving"
    site = home / "lib" / whole.parent.name / "site-packages"
    site.mkdir(parents=True)
    for path in whole.iterdir():
        if path.name not in without:
            (site / path.name).symlink_to(path)
    (home / "bin").mkdir()
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to((REPOSITORY / ".venv-serving" / "bin" / name).resolve())
    shutil.copy(REPOSITORY / ".venv-serving" / "pyvenv.cfg", home)
    return site


def test_project_environment_can_serve() -> None:
    assert ServingEnvironment.find(REPOSITORY).server.name == "tritonserver"


def test_no_environment(tmp_path: Path) -> None:
    assert "there is no .venv-serving/bin/python" in refusal(tmp_path)


def test_broken_interpreter(tmp_path: Path) -> None:
    serving_python(tmp_path, "exit 3")
    assert "does not run" in refusal(tmp_path)


def test_no_wheel(tmp_path: Path) -> None:
    copied_site(tmp_path, *[p.name for p in real_site().glob("nvidia_pytriton*.dist-info")])
    assert "has no nvidia-pytriton" in refusal(tmp_path)


def test_no_server_in_the_wheel(tmp_path: Path) -> None:
    copied_site(tmp_path, "pytriton")
    assert "no stub for Python" in refusal(tmp_path)


def test_numpy_too_new(tmp_path: Path) -> None:
    site = copied_site(tmp_path, *[p.name for p in real_site().glob("numpy-*.dist-info")])
    info = site / "numpy-2.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.1.0\n")
    assert "numpy 2.1.0" in refusal(tmp_path)


def test_library_that_the_server_needs_is_missing(tmp_path: Path) -> None:
    site = copied_site(tmp_path, "pytriton", "nvidia_pytriton.libs")
    shutil.copytree(real_site() / "pytriton" / "tritonserver", site / "pytriton" / "tritonserver")
    assert "tritonserver cannot be loaded here: error while loading shared libraries" in refusal(tmp_path)


def test_server_inherits_no_password_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "secret" not in ServingEnvironment.find(REPOSITORY).variables().values()
