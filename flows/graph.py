"""What dvc.yaml says, and what DVC says about it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import Busy, ConfigError
from components.contracts.plain_yaml import load_yaml
from components.stages.place import private


def stages_of(root: Path) -> dict[str, bool]:
    """Return the stages of dvc.yaml in order, and of each whether it has one instance a recipe."""
    stages = load_yaml((root / "dvc.yaml").read_text())["stages"]
    return {name: "foreach" in stage or "matrix" in stage for name, stage in stages.items()}


def outputs_of(root: Path, stage: str, recipe: str) -> list[str]:
    """Return the paths that a stage of a recipe writes, from the workspace."""
    said = load_yaml((root / "dvc.yaml").read_text())["stages"][stage]
    outs = (said.get("do") or said)["outs"]
    paths = [out if isinstance(out, str) else next(iter(out)) for out in outs]
    return [path.replace("${key}", recipe) for path in paths]


def why_stale(root: Path, addresses: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return of each stage why it has work to do, such as "data/raw: modified"; an empty tuple when it has none.

    Raises Busy while another DVC command is at work, and ConfigError when DVC cannot read the workspace.
    """
    from dvc.dvcfile import PROJECT_FILE, load_file  # 0.6 s, and only needed here
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo, locked

    @locked
    def ask(repo: Repo) -> dict[str, list[Any]]:
        """Do as `repo.status` does, but read dvc.yaml and dvc.lock once, not once a stage."""
        stages = load_file(repo, repo.fs.abspath(PROJECT_FILE)).stages
        return {name: why for one in addresses for name, why in stages[one].status(check_updates=True).items()}

    try:
        with Repo(str(root), config={"core": {"site_cache_dir": str(private(root, "dvc"))}}) as repo:
            status = ask(repo)
    except LockError as err:
        raise Busy(f"another DVC command is at work in {root}. Wait until it has ended.") from err
    except DvcException as err:
        raise ConfigError(f"DVC cannot read this workspace: {err}. See: dvc status") from err
    return {name: tuple(_reasons(status.get(name, []))) for name in addresses}


def _reasons(entries: list[Any]) -> Iterator[str]:
    """Flatten DVC's answer for one stage, a list of {"changed deps": {path: how}} or plain text."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for changed in entry.values():
            for path, how in changed.items():
                yield f"{path}: {', '.join(how) if isinstance(how, dict) else how}"
