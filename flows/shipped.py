"""What the last run registered and served, on file, so that the next can tell that there is nothing to do."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from components.stages.place import private


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """The end of a run.

    Args:
        digest: of the package that was registered.
        version: how the registry calls it, `clip@3`.
        champion: the version that is served.
        champion_digest: of its package.
        champion_folder: where its files are.
        verdict: one sentence on who is champion and why.
        store: fingerprint of the registry, which another writer changes; None where it has to be asked.
        unserved: why nothing is served here; None when it is.
    """

    digest: str
    version: str
    champion: str
    champion_digest: str
    champion_folder: str
    verdict: str
    store: str | None
    unserved: str | None

    def write(self, root: Path, recipe: str) -> None:
        """Leave it beside the outcomes of the stages."""
        path = _path(root, recipe)
        half = path.with_name(f".{path.name}.{os.getpid()}")
        half.write_text(json.dumps(asdict(self), indent=2) + "\n")
        half.replace(path)

    @classmethod
    def read(cls, root: Path, recipe: str) -> "Shipped | None":
        """Return the end of the last run; None when there was none, or another version wrote it."""
        try:
            return cls(**json.loads(_path(root, recipe).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def _path(root: Path, recipe: str) -> Path:
    return private(root, "outcome") / f"register@{recipe}.json"
