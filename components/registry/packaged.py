"""What is known of a package from its files: the manifest, the metrics measured with it, the curves it came from."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import StaleArtifact
from components.contracts.sealed import REMEDY, check_files, read_sealed, sha256_of
from components.contracts.took import took


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
        evaluation: the folder with these numbers, and a row a query.
        curves: the file with a row a logged step; it may be missing.
        tuning_curves: the same of fine-tuning; missing where the model passed through.
    """

    path: Path
    digest: str
    recipe: str
    files: Mapping[str, str]
    manifest: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    evaluation: Path
    curves: Path
    tuning_curves: Path

    @classmethod
    def read(cls, path: Path, root: Path) -> "Packaged":
        """Read a package of this workspace and hash its files; StaleArtifact when one is not what was packaged."""
        manifest = read_sealed(path)
        try:
            recipe = manifest["recipe"]
            runs = root / "runs" / recipe
            metrics = json.loads((runs / "evaluate" / "metrics.json").read_text())
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise StaleArtifact(
                f"{path} is no whole package with metrics ({type(err).__name__}: {err}). {REMEDY}"
            ) from err
        check_files(path, manifest["files"])
        measured = sha256_of(runs / "evaluate/metrics.json")
        if manifest["files"].get("metrics.json", measured) != measured:
            raise StaleArtifact(
                f"{path} has other metrics than {runs / 'evaluate'}, where it was measured again since. {REMEDY}"
            )
        return cls(
            path=path, digest=manifest["digest"], recipe=recipe, files=manifest["files"], manifest=manifest, metrics=metrics,
            evaluation=runs / "evaluate", curves=runs / "pretrain" / "curves.csv", tuning_curves=runs / "finetune" / "curves.csv",
        )  # fmt: skip

    def params(self) -> dict[str, str]:
        """Return the manifest as flat names and texts, without what only a machine reads: files, lock entries, all that was installed."""
        left_out = ("files", "lock", "digest", "params", "environment", "uncommitted")
        kept = {name: value for name, value in self.manifest.items() if name not in left_out}
        return dict(flat(kept))

    def points(self) -> Iterator[tuple[int, str, float]]:
        """Yield (step, name, value) of the curves, those of fine-tuning as `finetuning.<name>`, counted from 1 again.

        What the trainings took follows, as `took.<name>` at the last step of each.
        """
        for prefix, curves in (("", self.curves), ("finetuning.", self.tuning_curves)):
            yield from ((step, f"{prefix}{name}", value) for step, name, value in _points(curves))
            yield from _took(curves.with_name("metrics.json"), prefix)


def _points(path: Path) -> Iterator[tuple[int, str, float]]:
    """Yield what a file of curves says; an empty cell is a step at which that number was not taken."""
    if not path.exists():
        return
    with path.open(newline="") as opened:
        for row in csv.DictReader(opened):
            step = int(row.pop("step"))
            for name, cell in row.items():
                if cell:
                    yield step, name, float(cell)


def _took(path: Path, prefix: str) -> Iterator[tuple[int, str, float]]:
    """Yield what the training beside this file took; nothing of a model that passed through."""
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "timing" in report:
        yield from ((report["steps"], name, value) for name, value in took(report["timing"], prefix).items())


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield `a.b` -> text for {"a": {"b": ...}}; lists stay whole."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None and not (isinstance(value, float) and math.isnan(value)):
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
