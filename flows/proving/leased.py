"""A checkout of a commit beside the one that a person works in: its own params.yaml, runs and lock, the same cache of DVC.

Nothing that is proven depends on files that nobody committed, and what two checkouts have in common is computed once.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import CapabilityError, ConfigError
from components.stages.whence import CODE


def commit_of(root: Path) -> str:
    """Return the commit of a checkout; ConfigError when what results depend on is not committed."""
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *CODE)
    if changed.strip():
        first = changed.splitlines()[0][3:]
        more = f" and {len(changed.splitlines()) - 1} more" if len(changed.splitlines()) > 1 else ""
        raise ConfigError(
            f"{first}{more} differ from the last commit, so the evidence could name no commit that has them. Commit, and prove again."
        )
    return _git(root, "rev-parse", "HEAD").strip()


def code_of(root: Path) -> str:
    """Return a digest of all that results depend on in the last commit; the same where two commits differ in other files alone."""
    trees = _git(root, "ls-tree", "HEAD", "--", *CODE)
    return hashlib.sha256(trees.encode()).hexdigest()


def check_committed(root: Path, path: Path) -> None:
    """Raise ConfigError for a file that is not in the last commit as it is."""
    if (
        not _git(root, "ls-files", "--", str(path)).strip()
        or _git(root, "status", "--porcelain", "--", str(path)).strip()
    ):
        raise ConfigError(
            f"{path.name} is not committed as it is, so nobody could see that its claims were written down before they were tried. Commit it, "
            "and run again."
        )


def file_at(root: Path, commit: str, path: Path) -> str:
    """Return what a file said in a commit, empty where it was not there."""
    name = path.resolve().relative_to(root.resolve()).as_posix()
    if not _git(root, "ls-tree", commit, "--", name).strip():
        return ""
    return _git(root, "show", f"{commit}:{name}")


def committed_params(root: Path, commit: str) -> dict[str, Any]:
    """Return params.yaml as the commit has it; what a person has changed since is no part of a result."""
    said: dict[str, Any] = yaml.safe_load(_git(root, "show", f"{commit}:params.yaml"))
    return said


def lease(root: Path, folder: Path, commit: str, params: Mapping[str, Any], cache: Path | None = None) -> Path:
    """Return the folder as a checkout of the commit with these params.yaml; one that is there already keeps what it has run.

    Args:
        cache: for DVC, in place of the workspace's, which has what was computed before.

    Raises CapabilityError when git makes none.
    """
    _git(root, "worktree", "prune")  # of folders that somebody removed
    if (folder / ".git").exists() and _git(folder, "rev-parse", "HEAD").strip() != commit:
        _git(root, "worktree", "remove", "--force", str(folder))
    if not (folder / ".git").exists():
        if folder.exists():
            shutil.rmtree(folder)  # half made, by a run that was killed
        folder.parent.mkdir(parents=True, exist_ok=True)
        _git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
    (folder / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache or cache_of(root)}\n", encoding="utf-8")
    (folder / "params.yaml").write_text(
        yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    for name in (".venv", ".venv-serving"):
        if (root / name).exists() and not (folder / name).exists():
            (folder / name).symlink_to(root / name)
    return folder


def give_up(root: Path, folder: Path) -> None:
    """Remove a leased checkout with all that was run in it; what DVC cached stays."""
    if folder.exists():
        _git(root, "worktree", "remove", "--force", str(folder))


def cache_of(root: Path) -> Path:
    """Return the folder that holds DVC's cache of a checkout."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return Path(repo.cache.local.path).parent.parent


def _git(root: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise CapabilityError(
            f"git {arguments[0]} failed in {root}: {ran.stderr.strip() or 'it says nothing'}. Mend it and run again."
        )
    return ran.stdout
