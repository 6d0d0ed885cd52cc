"""Ask, in a process of its own, whether params.yaml and its recipes can be run: a flow stays free of torch."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from components.contracts.errors import ConfigError
from components.recipes.check import check_files
from components.stages.place import private
from flows.estimating.scratch import as_deep
from flows.processes import started


@contextmanager
def checking(root: Path) -> Iterator[Callable[[], None]]:
    """Begin to check the workspace; yield what waits for the verdict and raises ConfigError when it is no."""
    log = private(root, "logs") / "check.log"
    log.write_bytes(b"")
    with started([sys.executable, "-m", "components.recipes.check", str(root)], log, cwd=root) as process:

        def verdict() -> None:
            if process.wait():
                raise ConfigError(_last_line(log))

        yield verdict


def check_candidate(root: Path, params: str) -> None:
    """Raise ConfigError when the workspace could not be run with this text as its params.yaml."""
    with tempfile.TemporaryDirectory(dir=private(root, "tmp")) as folder:
        source = (yaml.safe_load(params) or {}).get("source")
        path = str(source.get("path", "")) if isinstance(source, dict) else ""
        candidate = as_deep(root, path, Path(folder))
        (candidate / "params.yaml").write_text(params, encoding="utf-8")
        for beside in root.iterdir():  # what params.yaml names is looked for beside it
            if beside.name != "params.yaml":
                (candidate / beside.name).symlink_to(beside)
        check_files(candidate)
        said = subprocess.run(
            [sys.executable, "-m", "components.recipes.check", str(candidate)], cwd=root, capture_output=True, text=True
        )
    if said.returncode:
        raise ConfigError(said.stderr.strip().splitlines()[-1])


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "the recipes could not be checked: the check was stopped. Run again."
