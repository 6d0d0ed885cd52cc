"""Under what a package was made, so that it can be made again: the choices of params.yaml, what was installed, and which code no commit has.

None of it is part of the package's digest: the same model is the same package, whoever made it where.
"""

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml

CODE = ("components", "flows", "infra", "dvc.yaml", "pyproject.toml", "data")
"""What a result depends on: changes to these that are not committed would be in no commit that evidence can name."""


def whence(root: Path) -> dict[str, Any]:
    """Return `params`, `environment` and `uncommitted` for manifest.json."""
    return {"params": choices(root), "environment": environment(), "uncommitted": uncommitted(root)}


def choices(root: Path) -> dict[str, Any]:
    """Return params.yaml; of paths that lie outside of the workspace the name alone, since where is of this machine."""
    path = root / "params.yaml"
    said = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return dict(_without_places(said)) if isinstance(said, dict) else {}


def environment() -> dict[str, Any]:
    """Return what ran: `digest` over names and versions of all that is installed, these by name, Python, the processor, and how many threads it may use."""
    packages = {
        re.sub(r"[-_.]+", "-", name).lower(): one.version for one in distributions() if (name := one.metadata["Name"])
    }
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))
    return {
        "digest": hashlib.sha256(f"{platform.python_version()}\n{lines}".encode()).hexdigest(),
        "python": platform.python_version(), "processor": processor(), "threads": threads(), "packages": dict(sorted(packages.items())),
    }  # fmt: skip


def processor() -> str:
    """Return the processor's name."""
    try:
        named = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:  # no Linux
        named = None
    return named.group(1).strip() if named else platform.processor()


def threads() -> int:
    """Return how many threads mathematics takes: sums are rounded by how they are shared out."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) else len(os.sched_getaffinity(0))


def uncommitted(root: Path) -> list[str] | None:
    """Return files of code that differ from the commit, or that it lacks; None where git cannot say."""
    command = ["git", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *CODE]
    try:
        said = subprocess.run(command, cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return None if said.returncode else sorted(line[3:] for line in os.fsdecode(said.stdout).split("\0") if line)


def _without_places(said: Any) -> Any:
    if isinstance(said, dict):
        return {name: _without_places(value) for name, value in said.items()}
    if isinstance(said, list):
        return [_without_places(value) for value in said]
    return Path(said).name if isinstance(said, str) and said.startswith("/") else said
