"""The pictures that a run's model learnt from, where its workspace has them as they were."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.plain_yaml import load_yaml
from components.data.manifest import read_manifest
from components.data.selection import Pool, of_split
from components.stages.recalled import held

MODELS = ("pretrain", "finetune", "package")
"""Stages that leave a model in runs/<recipe>/<stage>."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a recipe selected, and its training read.

    Args:
        root: the workspace.
        recipe: whose run it was.
    """

    root: Path
    recipe: str

    @classmethod
    def of(cls, model: Path) -> "Learnt | None":
        """Return that of the folder of a model; None where that is no run's, or the workspace has selected other pictures since, or none."""
        place = model.resolve()
        if len(place.parents) < 3 or place.name not in MODELS or place.parents[1].name != "runs":
            return None
        found = cls(root=place.parents[2], recipe=place.parent.name)
        return found if found._is_here() else None

    @property
    def selection(self) -> str:
        """Return where they are chosen, from the workspace."""
        return f"data/curated/{self.recipe}"

    def pictures(self) -> Pool:
        """Return those that training was given, held in memory, as many as general pictures may be; DataError where none can be read."""
        manifest = read_manifest(self.root / self.selection / "manifest.parquet")
        return held(of_split(manifest, "train"), self.root / "data/raw")

    def _is_here(self) -> bool:
        lock = self.root / "dvc.lock"
        if not (self.root / self.selection / "manifest.parquet").is_file() or not lock.is_file():
            return False
        stages = load_yaml(lock.read_text(encoding="utf-8")).get("stages", {})
        made = {*_digests(stages.get(f"curate@{self.recipe}", {}).get("outs", ()), self.selection)}
        return bool(made) and made == {
            *_digests(stages.get(f"pretrain@{self.recipe}", {}).get("deps", ()), self.selection)
        }


def _digests(entries: Any, path: str) -> Iterator[str]:
    """Yield what dvc.lock says that a path is."""
    for entry in entries:
        if isinstance(entry, Mapping) and entry.get("path") == path:
            yield str(entry.get("md5"))
