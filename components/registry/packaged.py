"""What is known of a package from its files: the manifest, the metrics measured with it, the curves it came from."""

import csv
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import StaleArtifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """A package and its history.

    Args:
        path: the folder.
        digest: sha256 that names the package, from its manifest.
        recipe: which method made it.
        files: name -> sha256 of each file.
        manifest: all of manifest.json.
        metrics: name -> {value, unit, better, n, chance, baseline}.
        curves: the file with a row a logged step; it may be missing.
    """

    path: Path
    digest: str
    recipe: str
    files: Mapping[str, str]
    manifest: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    curves: Path

    @classmethod
    def read(cls, path: Path, root: Path) -> "Packaged":
        """Read a package of this workspace and hash its files; StaleArtifact when one is not what was packaged."""
        try:
            manifest = json.loads((path / "manifest.json").read_text())
            digest, recipe, files = manifest["digest"], manifest["recipe"], manifest["files"]
            runs = root / "runs" / recipe
            metrics = json.loads((runs / "evaluate" / "metrics.json").read_text())
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise StaleArtifact(
                f"{path} is no whole package with metrics ({type(err).__name__}: {err}). Make it again: dvc repro"
            ) from err
        check_files(path, files)
        return cls(
            path=path, digest=digest, recipe=recipe, files=files, manifest=manifest, metrics=metrics,
            curves=runs / "pretrain" / "curves.csv",
        )  # fmt: skip

    def params(self) -> dict[str, str]:
        """Return the manifest as flat names and texts, without files and lock entries."""
        kept = {name: value for name, value in self.manifest.items() if name not in ("files", "lock", "digest")}
        return dict(flat(kept))

    def points(self) -> Iterator[tuple[int, str, float]]:
        """Yield (step, name, value) of the curves; an empty cell is a step at which that number was not taken."""
        if not self.curves.exists():
            return
        with self.curves.open(newline="") as opened:
            for row in csv.DictReader(opened):
                step = int(row.pop("step"))
                for name, cell in row.items():
                    if cell:
                        yield step, name, float(cell)


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Raise StaleArtifact, naming the file, when one is missing or is not the one its sha256 promises."""
    for name, promised in files.items():
        try:
            with (folder / name).open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as err:
            raise StaleArtifact(f"{folder / name} cannot be read: {err}. Make the package again: dvc repro") from err
        if found != promised:
            raise StaleArtifact(
                f"{folder / name} was changed after it was packaged (sha256 {found[:12]} instead of {promised[:12]}). "
                "Make the package again: dvc repro"
            )


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield `a.b` -> text for {"a": {"b": ...}}; lists stay whole."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None and not (isinstance(value, float) and math.isnan(value)):
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
