"""A workspace beside a workspace, in which stages can be run to see what they take: what was done is there by links, and nothing that is run there changes it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path, PurePath

from components.recipes.params import load_params
from components.stages.place import private
from flows.estimating.around import KEPT

OWN = (".diptych", ".git", ".dvc", "params.yaml", "dvc.lock", "mlflow.db", "runs", "data", "models", "build")
"""What a scratch workspace has of its own: a run writes there."""


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Yield the folder of one; it goes when the block ends.

    Stages write to `data`, `runs` and `models` by renaming whole folders, so these are folders of links there; decoded pictures are linked as files, since what is
    decoded once is read again by the run, too.
    """
    with tempfile.TemporaryDirectory(prefix="estimate-", dir=private(root, "tmp")) as made:
        place = as_deep(root, str(load_params(root).source.get("path", "")), Path(made))
        private(place)
        for beside in root.iterdir():
            if beside.name not in OWN:
                (place / beside.name).symlink_to(beside)
        for name in ("params.yaml", "dvc.lock", "mlflow.db", f".diptych/{KEPT}"):
            if (root / name).exists():
                shutil.copy2(root / name, place / name)
        for name in ("data", "data/curated", "data/learnt", "models", "runs"):
            _linked(root / name, place / name)
        if (root / "data/sets").is_dir():
            (place / "data/sets").unlink()
            shutil.copytree(
                root / "data/sets", place / "data/sets", copy_function=_one_file
            )  # DVC looks behind no link
        for run in (root / "runs").iterdir() if (root / "runs").is_dir() else ():
            _linked(run, place / "runs" / run.name)
        cache = root / ".diptych" / "cache"
        if cache.is_dir():
            shutil.copytree(cache, private(place) / "cache", copy_function=_one_file, dirs_exist_ok=True)
        if (root / ".diptych/prefect").is_dir():
            shutil.copytree(root / ".diptych/prefect", private(place) / "prefect")  # or its tables would be made anew
        if (root / ".diptych" / "starts").is_dir():
            (private(place) / "starts").symlink_to(root / ".diptych" / "starts")
        _as_dvc_sees(root, place)
        yield place


def as_deep(root: Path, path: str, made: Path) -> Path:
    """Return a new folder below another, from which a relative path that leads out of the workspace leads where it does from there."""
    *above, first = led_out(path)
    place = made.joinpath(*("above" for _ in above), "job")
    place.mkdir(parents=True)
    if above and first:
        out = Path(*above, first)
        (place / out).symlink_to((root / out).resolve())
    return place


def led_out(path: str) -> list[str]:
    """Return the `..` that a relative path begins with, and the part behind them; "" where it ends there."""
    parts = list(PurePath(path).parts)
    up = list(takewhile(lambda part: part == "..", parts))
    return [*up, parts[len(up)] if len(up) < len(parts) else ""]


def _as_dvc_sees(root: Path, place: Path) -> None:
    """Let DVC take the scratch workspace for one of its own, outside of git, whose cache is that of the other."""
    from configobj import ConfigObj  # which DVC reads them by

    from flows.proving.leased import cache_of

    (place / ".dvc").mkdir()
    if (root / ".dvc/config").exists():
        shutil.copy2(root / ".dvc/config", place / ".dvc/config")
    local = ConfigObj(str(root / ".dvc/config.local"), encoding="utf-8")
    local.filename = str(place / ".dvc/config.local")
    local.merge({"core": {"no_scm": "true"}, "cache": {"dir": str(cache_of(root))}})
    local.write()


def _linked(folder: Path, place: Path) -> None:
    """Make a folder in which all that the other has is linked to."""
    if place.is_symlink():
        place.unlink()
    place.mkdir(exist_ok=True)
    for one in folder.iterdir() if folder.is_dir() else ():
        (place / one.name).symlink_to(one.resolve())


def _one_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without
        shutil.copy2(source, target)
