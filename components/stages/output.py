"""Outputs appear whole or not at all: written under a temporary name, renamed when the stage is done with them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from components.contracts.errors import ConfigError


@contextmanager
def written(
    root: Path, paths: tuple[str | Path, ...], scratch: Path, held: Callable[[], AbstractContextManager[None]]
) -> Iterator[tuple[Path, ...]]:
    """Yield an empty folder in `scratch` for each of `paths`; they become `paths` when the block ends well, else go.

    `held` keeps signals back while the folders are renamed, so that of two outputs never only one is there.
    """
    for path in paths:
        if not (root / path).resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"output {path} lies outside the workspace {root}; DVC would not find it.")
    attempt = Path(tempfile.mkdtemp(dir=scratch))
    try:
        made = tuple(attempt / str(number) / Path(path).name for number, path in enumerate(paths))
        for folder in made:
            folder.mkdir(parents=True)
        yield made
        with held():
            for folder, path in zip(made, paths, strict=True):
                _put(folder, root / path, attempt / "old" / folder.parent.name)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _put(folder: Path, target: Path, aside: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() or target.is_symlink():  # DVC clears the way; a stage started by hand finds the last result
        aside.parent.mkdir(parents=True, exist_ok=True)
        target.rename(aside)
    shutil.move(folder, target)  # a rename, or a copy where data/ was moved to another disk
