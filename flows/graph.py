"""What dvc.yaml says, and what DVC says about it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import Busy, ConfigError


def stages_of(root: Path) -> dict[str, bool]:
    """Return the stages of dvc.yaml in order, and of each whether it has one instance a recipe."""
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    return {name: "foreach" in stage or "matrix" in stage for name, stage in stages.items()}


def why_stale(root: Path, address: str) -> tuple[str, ...]:
    """Return why a stage has work to do, such as "data/raw: modified"; empty when it has none.

    Raises Busy while another DVC command is at work, and ConfigError when DVC cannot read the workspace.
    """
    from dvc.exceptions import DvcException  # 0.6 s, and only needed here
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            return tuple(_reasons(repo.status(targets=[address])))
    except LockError as err:
        raise Busy(f"another DVC command is at work in {root}. Wait until it has ended.") from err
    except DvcException as err:
        raise ConfigError(f"DVC cannot read this workspace: {err}. See: dvc status") from err


def _reasons(status: dict[str, list[Any]]) -> Iterator[str]:
    """Flatten DVC's answer, a list for each stage of {"changed deps": {path: how}} or plain text."""
    for entries in status.values():
        for entry in entries:
            if isinstance(entry, str):
                yield entry
                continue
            for changed in entry.values():
                for path, how in changed.items():
                    yield f"{path}: {', '.join(how) if isinstance(how, dict) else how}"
