"""Set-up says what it needs and what it found."""

import os
import shutil
import subprocess
from pathlib import Path

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
