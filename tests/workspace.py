"""A workspace of its own for a test: the repository's files as they are, small, with the interpreter that runs the test."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from components.stages.place import address
from flows.graph import stages_of

REPOSITORY = Path(__file__).parents[1]


def make_workspace(root: Path, **params: object) -> Path:
    """Copy what git knows or would know of the repository to `root`, at the scale `debug`, with `params` changed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if name.split("/")[0] not in ("tests", "docs", "dvc.lock") and (REPOSITORY / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)
            if name.endswith(".py") and (compiled := _compiled(name)).exists():
                (root / compiled.relative_to(REPOSITORY)).parent.mkdir(exist_ok=True)
                shutil.copy2(compiled, root / compiled.relative_to(REPOSITORY))
    for environment in (".venv", ".venv-serving"):
        if (REPOSITORY / environment).exists():
            (root / environment).symlink_to(REPOSITORY / environment)
    chosen = yaml.safe_load((root / "params.yaml").read_text()) | {"scale": "debug", **params}
    (root / "params.yaml").write_text(yaml.safe_dump(chosen, sort_keys=False))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    _commit(root, "as it is")
    return root


def leave_out_probe(root: Path, *recipes: str) -> None:
    """Take the probe on digits out of recipes, and commit that: its 1,797 pictures are most of the work of an evaluation of 240 scenes."""
    for recipe in recipes:
        path = root / f"components/recipes/{recipe}.yaml"
        said = yaml.safe_load(path.read_text())
        listed = said["evaluation"]["evaluators"]
        said["evaluation"]["evaluators"] = [one for one in listed if not one["class_path"].endswith(".Probe")]
        assert len(said["evaluation"]["evaluators"]) == len(listed) - 1
        path.write_text(yaml.safe_dump(said, sort_keys=False))
    _commit(root, "without a probe")


def _commit(root: Path, why: str) -> None:
    # Without its maintenance, which git would leave running behind the commit.
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    for command in (["add", "-A"], ["commit", "-q", "-m", why]):
        subprocess.run([*git, *command], cwd=root, check=True)


def _compiled(name: str) -> Path:
    """Return where a module's bytecode lies, which holds for a copy too, since that has the module's time and size."""
    return Path(importlib.util.cache_from_source(str(REPOSITORY / name)))


def environment(**changed: str) -> dict[str, str]:
    """Return the environment for commands in a workspace: ours, without what would point them elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DIPTYCH_", "PREFECT_", "MLFLOW_", "DVC_"))
    }
    if "DIPTYCH_CACHE" in os.environ:
        kept["DIPTYCH_CACHE"] = os.environ["DIPTYCH_CACHE"]
    return kept | {"DIPTYCH_PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "COLUMNS": "160", **changed}


def diptych(root: Path, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run `diptych` with the code of the workspace, and return what it printed."""
    return subprocess.run(
        [str(root / "infra" / "python"), "-m", "flows.cli", *arguments],
        cwd=root, env=environment(**changed), capture_output=True, text=True, check=False,
    )  # fmt: skip


def dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dvc` as a person would in a shell."""
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def changes(root: Path) -> dict[str, int]:
    """Return when each stage of dvc.yaml last ran, in nanoseconds, by its address."""
    names = [address(name, "clip" if each else None) for name, each in stages_of(root).items()]
    return {name: (root / ".diptych" / "outcome" / f"{name}.json").stat().st_mtime_ns for name in names}
