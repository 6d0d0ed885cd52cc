"""Where things are: the names of stages, and the private folder .diptych with its parts."""

import re
from pathlib import Path

from components.contracts.errors import ConfigError

OWN, STARTS = ".diptych", "starts"  # the private folder, and of it what is made once
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def address(stage: str, recipe: str | None) -> str:
    """Return the name DVC uses, `curate@clip` or `ingest`; ConfigError for what could not be a file name."""
    for name in (stage, recipe):
        if name is not None and not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} cannot name a stage or a recipe. Use letters, digits, '_', '.' and '-'.")
    return stage if recipe is None else f"{stage}@{recipe}"


def private(root: Path, *parts: str) -> Path:
    """Return the folder `.diptych/<parts>` of a workspace, made if need be; .diptych is for its owner alone (0700)."""
    own = root / OWN
    own.mkdir(mode=0o700, exist_ok=True)
    if own.stat().st_mode & 0o077:  # made by DVC, which keeps its caches in there
        own.chmod(0o700)
    folder = own.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
